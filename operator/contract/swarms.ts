/** The swarm's own kinds: defaults, every refusal in its words, the scale subresource. */
import { expect, test } from "vitest";
import { edited, type InvalidSpec, invalidSpecs } from "../api/testing/invalid-specs.ts";
import type { Answer } from "../kube/api-client.ts";
import { swarmCheckpoints, validatorSwarms } from "../kube/kinds.ts";
import { type JsonRecord, numberAt } from "../kube/objects.ts";
import { quickstart } from "./quickstart.ts";
import { bodyOf, failureOf, part, type Session, uidOf, versionOf } from "./world.ts";

const strict = { fieldValidation: "Strict" };
const trial = { ...strict, dryRun: "All" };

export function swarms(session: () => Session): void {
  test("a swarm gets its defaults, and applying it again changes nothing", async () => {
    const { apply, called, remove } = session();
    const name = called("vsw");
    const { metadata: _, ...rest } = quickstart;
    const made = bodyOf(await apply(validatorSwarms, name, rest));
    expect(part(made, "spec")).toMatchObject({ faultModel: "Byzantine", protocolVersion: 1, paused: false });
    expect(part(made, "spec", "storage")).not.toEqual({});
    const again = bodyOf(await apply(validatorSwarms, name, rest));
    expect(versionOf(again)).toBe(versionOf(made));
    bodyOf(await remove(validatorSwarms, name));
  });

  test.each(invalidSpecs.filter(({ layer }) => layer === "schema").map((each) => [each.name, each] as const))(
    "refused: %s",
    async (_, each) => {
      const { remove, send } = session();
      const object = edited(quickstart, each.set);
      if (each.before === undefined)
        return expectRefusal(each, await send("POST", validatorSwarms, undefined, { body: object, query: trial }));
      const body = edited(quickstart, each.before);
      const before = bodyOf(await send("POST", validatorSwarms, undefined, { body, query: strict }));
      const next = { ...(object as JsonRecord), metadata: before["metadata"] };
      try {
        expectRefusal(each, await send("PUT", validatorSwarms, "quickstart", { body: next, query: strict }));
      } finally {
        bodyOf(await remove(validatorSwarms, "quickstart"));
      }
    },
  );

  // A CRD bounds neither the keys of a map nor the depth of a type embedded whole: a server that can may.
  test("what only the planner can refuse is admitted, or refused in the planner's words", async () => {
    const { send } = session();
    let admitted = 0;
    for (const each of invalidSpecs.filter(({ layer }) => layer === "planner")) {
      const body = edited(quickstart, each.set);
      const answer = await send("POST", validatorSwarms, undefined, { body, query: trial });
      if (answer.kind === "ok") admitted++;
      else expectRefusal(each, answer);
    }
    expect(admitted).toBeGreaterThan(3);
  });

  test("an unknown field is dropped unless the writer wants to be told", async () => {
    const { send } = session();
    const body = edited(quickstart, { "spec.colour": "blue" });
    const told = failureOf(await send("POST", validatorSwarms, undefined, { body, query: trial }));
    expect(told).toMatchObject({ status: 400, reason: "BadRequest" });
    expect(told.message).toContain('unknown field "spec.colour"');
    const query = { dryRun: "All", fieldValidation: "Ignore" };
    const dropped = bodyOf(await send("POST", validatorSwarms, undefined, { body, query }));
    expect(part(dropped, "spec")["colour"]).toBeUndefined();
  });

  test("the scale subresource reads and sets the seats, checked like any other change", async () => {
    const { called, create, get, merge, remove, send } = session();
    const name = called("vsw");
    const { metadata: _, ...rest } = edited(quickstart, weighty) as JsonRecord;
    const made = await create(validatorSwarms, name, rest);
    const subresource = "scale";
    const scale = bodyOf(await send("GET", validatorSwarms, name, { subresource }));
    expect(scale).toMatchObject({ apiVersion: "autoscaling/v1", kind: "Scale", spec: { replicas: 4 } });
    expect(uidOf(scale)).toBe(uidOf(made));
    const put = { ...scale, spec: { replicas: 5 } };
    expect(bodyOf(await send("PUT", validatorSwarms, name, { subresource, body: put }))).toMatchObject({
      spec: { replicas: 5 },
    });
    expect(failureOf(await send("PUT", validatorSwarms, name, { subresource, body: put })).status).toBe(409);
    expect(bodyOf(await merge(validatorSwarms, name, { spec: { replicas: 6 } }, { subresource }))).toMatchObject({
      kind: "Scale",
      spec: { replicas: 6 },
    });
    expect(failureOf(await merge(validatorSwarms, name, { spec: { replicas: 3 } }, { subresource })).status).toBe(422);
    const stored = await get(validatorSwarms, name);
    expect(part(stored, "spec")["replicas"]).toBe(6);
    expect(numberAt(part(stored, "metadata"), "generation")).toBe(3);
    const status = { status: { replicas: 4, selector: "app=x" } };
    bodyOf(await merge(validatorSwarms, name, status, { subresource: "status" }));
    expect(bodyOf(await send("GET", validatorSwarms, name, { subresource }))["status"]).toEqual(status.status);
    bodyOf(await remove(validatorSwarms, name));
  });

  test("what scaling set is in the way of an apply that says otherwise", async () => {
    const { apply, called, merge, remove } = session();
    const name = called("vsw");
    const { metadata: _, ...rest } = edited(quickstart, weighty) as JsonRecord;
    bodyOf(await apply(validatorSwarms, name, rest, { manager: "author" }));
    const by = { subresource: "scale", query: { fieldManager: "scaler" } };
    bodyOf(await merge(validatorSwarms, name, { spec: { replicas: 6 } }, by));
    const refused = failureOf(await apply(validatorSwarms, name, rest, { manager: "author" }));
    expect(refused.causes.map(({ field }) => field)).toEqual([".spec.replicas"]);
    expect(refused.causes[0]?.message).toContain('conflict with "scaler" with subresource "scale"');
    bodyOf(await remove(validatorSwarms, name));
  });

  test("a checkpoint is of one moment: it cannot be made another", async () => {
    const { called, create, merge, remove } = session();
    const name = called("swcp");
    const made = await create(swarmCheckpoints, name, { spec: { swarm: "quickstart" } });
    expect(part(made, "spec")).toMatchObject({ swarm: "quickstart", verifyByRestore: true, deletionPolicy: "Retain" });
    const refused = failureOf(await merge(swarmCheckpoints, name, { spec: { swarm: "another" } }));
    expect(refused).toMatchObject({ status: 422 });
    expect(refused.causes.map(({ field, message }) => [field, message])).toEqual([
      ["spec.swarm", expect.stringContaining("Create another SwarmCheckpoint.")],
    ]);
    bodyOf(await remove(swarmCheckpoints, name));
  });
}

/** Regions that have room for more seats. */
const weighty = Object.fromEntries([0, 1, 2, 3].map((at) => [`spec.regions.${at}.weight`, 12]));

function expectRefusal({ field, message, server }: InvalidSpec, answer: Answer): void {
  const failure = failureOf(answer);
  // Types and bounds: each server in its own words, which a person can act on.
  if (server !== undefined) {
    expect([400, 422]).toContain(failure.status);
    const texts = [failure.message, ...failure.causes.map((cause) => cause.message)];
    expect(texts.some((text) => text.includes(server) || text.includes(message))).toBe(true);
    return;
  }
  expect(failure).toMatchObject({ status: 422, reason: "Invalid" });
  const said = failure.causes.map((cause) => ({
    // A server that knows maps from objects names their keys in brackets, as positions in a list.
    field: cause.field.replaceAll(/\[([^\]]+)\]/g, ".$1").replace(/^<nil>$/, ""),
    message: cause.message.slice(cause.message.indexOf(message)),
  }));
  expect(said).toEqual([{ field, message }]);
}
