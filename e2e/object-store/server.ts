/**
 * A real object store for tests: versitygw, which speaks S3 with versions and Object Lock, built from its pinned Go
 * module: about 5 minutes on two cores the first time, nothing when it is there already.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";

const version = "v1.8.0";
/** Kept between runs, outside version control. */
const cache = join(import.meta.dirname, "../../.cache/object-store", version);
const region = "us-east-1";
const startMs = 20_000;

export interface ObjectStoreServer {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** With versions and Object Lock. */
  readonly createBucket: (name: string) => Promise<void>;
  readonly close: () => Promise<void>;
}

async function build(progress: (line: string) => void): Promise<string> {
  const binary = join(cache, "versitygw");
  if (existsSync(binary)) return binary;
  progress("building the object store (some minutes the first time)");
  mkdirSync(cache, { recursive: true });
  const env = { ...process.env, GOBIN: cache, CGO_ENABLED: "0", GOTOOLCHAIN: "local" };
  const module = `github.com/versity/versitygw/cmd/versitygw@${version}`;
  const go = spawn("go", ["install", "-trimpath", "-ldflags", "-s -w", module], { env, stdio: "inherit" });
  const [code] = await once(go, "close");
  if (code !== 0) throw new Error(`go install ended with ${code}`);
  return binary;
}

/** Listens on the loopback address; everything is below the directory. */
export async function startObjectStore(
  directory: string,
  port: number,
  progress: (line: string) => void,
): Promise<ObjectStoreServer> {
  const binary = await build(progress);
  const folder = (name: string) => {
    const path = join(directory, name);
    mkdirSync(path, { recursive: true });
    return path;
  };
  const credentials = { accessKeyId: "backup", secretAccessKey: randomBytes(24).toString("hex") };
  const places = ["--sidecar", folder("meta"), "--versioning-dir", folder("versions"), folder("objects")];
  const server = spawn(binary, ["--port", `127.0.0.1:${port}`, "--quiet", "posix", ...places], {
    env: {
      PATH: process.env["PATH"],
      ROOT_ACCESS_KEY: credentials.accessKeyId,
      ROOT_SECRET_KEY: credentials.secretAccessKey,
    },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const endpoint = `http://127.0.0.1:${port}`;
  await whenUp(server, endpoint);
  const client = new S3Client({ endpoint, region, credentials: { ...credentials }, forcePathStyle: true });
  return {
    endpoint,
    region,
    credentials,
    async createBucket(Bucket) {
      await client.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }));
    },
    async close() {
      client.destroy();
      server.kill();
      if (server.exitCode === null && server.signalCode === null) await once(server, "exit");
    },
  };
}

async function whenUp(server: ChildProcess, endpoint: string): Promise<void> {
  const until = performance.now() + startMs;
  while (performance.now() < until) {
    if (server.exitCode !== null) throw new Error(`the object store ended with ${server.exitCode}`);
    try {
      // Any answer will do: without a signature it is a refusal.
      await fetch(endpoint);
      return;
    } catch {
      await delay(50);
    }
  }
  throw new Error(`the object store does not listen after ${startMs} ms`);
}
