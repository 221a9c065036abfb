import type { Stream } from "@libp2p/interface";
import { multiaddrConnectionPair } from "@libp2p/utils";
import { yamux } from "@libp2p/yamux";
import { expect, test } from "vitest";
import { muxing, openWindowByHalves } from "./muxing.ts";

/** Two ends of one stream, and how often the receiver's side wrote to the connection. */
async function streamPair(): Promise<{ outbound: Stream; inbound: Stream; answers: () => number }> {
  const [left, right] = multiaddrConnectionPair();
  const factory = yamux(muxing)();
  const [client, server] = [factory.createStreamMuxer(left), factory.createStreamMuxer(right)];
  let answers = 0;
  left.addEventListener("message", () => {
    answers++;
  });
  const arrived = new Promise<Stream>((resolve) =>
    server.addEventListener("stream", ({ detail }) => resolve(detail), { once: true }),
  );
  const outbound = await client.createStream();
  outbound.send(Buffer.of(0));
  return { outbound, inbound: await arrived, answers: () => answers };
}

function received(stream: Stream, bytes: number): Promise<void> {
  let left = bytes;
  return new Promise((resolve) =>
    stream.addEventListener("message", ({ data }) => {
      left -= data.byteLength;
      if (left <= 0) resolve();
    }),
  );
}

test("small messages are not answered one by one", async () => {
  const { outbound, inbound, answers } = await streamPair();
  openWindowByHalves(inbound);
  const all = received(inbound, 1_000 * 100);
  for (let i = 0; i < 1_000; i++) outbound.send(Buffer.alloc(100, i));
  await all;
  expect(answers()).toBeLessThan(5);
});

test("many windows' worth passes", async () => {
  const { outbound, inbound } = await streamPair();
  openWindowByHalves(inbound);
  const megabyte = Buffer.alloc(1024 * 1024);
  const all = received(inbound, 40 * megabyte.length);
  for (let i = 0; i < 40; i++)
    if (!outbound.send(megabyte))
      await new Promise((resolve) => outbound.addEventListener("drain", resolve, { once: true }));
  await all;
});
