import { expect, test } from "vitest";
import { createSealing, type Opened } from "./seal.ts";

const words = (text: string) => Buffer.from(text);
const said = (opened: Opened) => (opened.kind === "ok" ? Buffer.from(opened.bytes).toString() : opened.kind);

/** Ann seals, Bob opens with her key. */
function pair() {
  const [ann, bob] = [createSealing("chain", "ann"), createSealing("chain", "bob")];
  expect(bob.learn("ann", ann.ownKey)).toEqual([]);
  return { ann, bob };
}

test("a frame opens once, for whoever has the key", () => {
  const { ann, bob } = pair();
  const frame = ann.seal(words("vote"));
  expect(said(bob.open("ann", frame))).toBe("vote");
  expect(said(bob.open("ann", frame))).toBe("replayed");
});

test("any changed byte is noticed", () => {
  const { ann, bob } = pair();
  const frame = ann.seal(words("vote"));
  for (let i = 0; i < frame.length; i += 1) {
    const changed = Uint8Array.from(frame);
    changed[i] = (changed[i] ?? 0) ^ 1;
    // The first eight bytes name the key: another name is a key nobody handed over.
    expect(["forged", i < 8 ? "parked" : "forged"]).toContain(said(bob.open("ann", changed)));
  }
  expect(said(bob.open("ann", frame))).toBe("vote");
  expect(said(bob.open("ann", frame.subarray(0, 20)))).toBe("forged");
});

test("another member cannot pass a frame off as its own, nor another chain's", () => {
  const { ann, bob } = pair();
  const frame = ann.seal(words("vote"));
  bob.learn("cyd", ann.ownKey);
  expect(said(bob.open("cyd", frame))).toBe("forged");
  const elsewhere = createSealing("other chain", "bob");
  elsewhere.learn("ann", ann.ownKey);
  expect(said(elsewhere.open("ann", frame))).toBe("forged");
});

test("messages may overtake each other within the window, each once", () => {
  const { ann, bob } = pair();
  const frames = Array.from({ length: 5_000 }, (_, i) => ann.seal(words(`${i}`)));
  const at = (i: number) => frames[i] ?? words("");
  expect(said(bob.open("ann", at(4_500)))).toBe("4500");
  expect(said(bob.open("ann", at(405)))).toBe("405");
  expect(said(bob.open("ann", at(404)))).toBe("replayed");
  expect(said(bob.open("ann", at(405)))).toBe("replayed");
  expect(said(bob.open("ann", at(4_999)))).toBe("4999");
  expect(said(bob.open("ann", at(4_500)))).toBe("replayed");
  // A counter that shares its bit with one of the last round is not taken for it.
  expect(said(bob.open("ann", at(4_501)))).toBe("4501");
  expect(said(bob.open("ann", at(904)))).toBe("904");
});

test("both keys open around a rotation, the one before them does not", () => {
  const { ann, bob } = pair();
  const first = ann.seal(words("first"));
  ann.rotate();
  bob.learn("ann", ann.ownKey);
  const second = ann.seal(words("second"));
  expect(said(bob.open("ann", second))).toBe("second");
  expect(said(bob.open("ann", first))).toBe("first");
  const late = ann.seal(words("late"));
  ann.rotate();
  bob.learn("ann", ann.ownKey);
  ann.rotate();
  bob.learn("ann", ann.ownKey);
  expect(said(bob.open("ann", late))).toBe("parked");
});

test("who did not get the next key cannot read on", () => {
  const { ann, bob } = pair();
  ann.rotate();
  expect(said(bob.open("ann", ann.seal(words("members only"))))).toBe("parked");
});

test("a frame that comes before its key waits for it; the key is asked for once; the wait is bounded", () => {
  const { ann, bob } = pair();
  ann.rotate();
  const frames = Array.from({ length: 70 }, (_, i) => ann.seal(words(`${i}`)));
  const first = frames.map((frame) => bob.open("ann", frame));
  expect(first.filter(({ kind }) => kind === "parked")).toHaveLength(64);
  expect(first.filter(({ kind }) => kind === "dropped")).toHaveLength(6);
  expect(first.filter((opened) => "ask" in opened && opened.ask)).toHaveLength(1);
  const waited = bob.learn("ann", ann.ownKey) ?? [];
  expect(waited.map((frame) => said(bob.open("ann", frame)))).toEqual(Array.from({ length: 64 }, (_, i) => `${i}`));
});

test("a key that comes again keeps its counters", () => {
  const { ann, bob } = pair();
  const frame = ann.seal(words("vote"));
  expect(said(bob.open("ann", frame))).toBe("vote");
  bob.learn("ann", ann.ownKey);
  expect(said(bob.open("ann", frame))).toBe("replayed");
  expect(bob.learn("ann", new Uint8Array(31))).toBeUndefined();
});

test("two processes of one member never share a key", () => {
  expect(createSealing("chain", "ann").ownKey).not.toEqual(createSealing("chain", "ann").ownKey);
});
