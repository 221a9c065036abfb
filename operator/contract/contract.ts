/**
 * What every world must do the same, so that the operator, the command line and kubectl need not know where they are.
 * It assumes nothing but the Kubernetes API: what happens in the background is awaited by a watch, with a deadline.
 */
import { afterAll, beforeAll, describe } from "vitest";
import { applying } from "./applying.ts";
import { deleting } from "./deleting.ts";
import { objects } from "./objects.ts";
import { swarms } from "./swarms.ts";
import { watching } from "./watching.ts";
import { createSession, type Session, type World } from "./world.ts";

export function contract(name: string, open: () => Promise<World>): void {
  describe(name, () => {
    let session: Session | undefined;
    beforeAll(async () => {
      session = createSession(await open());
    });
    afterAll(() => session?.world.close());
    const current = () => session!;
    describe("objects", () => objects(current));
    describe("server-side apply", () => applying(current));
    describe("deletion", () => deleting(current));
    describe("lists and watches", () => watching(current));
    describe("swarms", () => swarms(current));
  });
}
