/** A bucket of S3, or of a store that speaks its protocol, with versions and Object Lock where it has them. */
import {
  DeleteObjectCommand,
  GetObjectCommand,
  GetObjectRetentionCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  type ObjectLockRetentionMode,
  PutObjectCommand,
  PutObjectRetentionCommand,
  S3Client,
  S3ServiceException,
} from "@aws-sdk/client-s3";
import { StoreError } from "./result.ts";
import type { ObjectStore, Removal, StoredObject } from "./store.ts";

export interface S3Options {
  readonly bucket: string;
  /** Put before every key. */
  readonly prefix: string;
  /** Of a store other than AWS. */
  readonly endpoint?: string | undefined;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly objectLock?: { readonly mode: "Governance" | "Compliance"; readonly days: number } | undefined;
  /** ms since the Unix epoch. */
  readonly now: () => number;
}

const dayMs = 86_400_000;
/** A retention that ends this much sooner than a new one is left as it is: an extension is one more request a chunk. */
const slackMs = 3_600_000;
/** Versions of one key that are looked through for the right one. */
const mostVersions = 16;

export function openS3Store(options: S3Options): ObjectStore & { readonly close: () => void } {
  const { bucket: Bucket, prefix, endpoint, objectLock, now } = options;
  const client = new S3Client({
    region: options.region === "" ? "us-east-1" : options.region,
    // Its own: the client writes into what it is given.
    credentials: { ...options.credentials },
    maxAttempts: 5,
    // Stores other than AWS are addressed by path: a bucket is no host of theirs.
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
  });
  const Key = (key: string) => `${prefix}${key}`;
  const retention = () => {
    if (!objectLock) return undefined;
    const mode: ObjectLockRetentionMode = objectLock.mode === "Compliance" ? "COMPLIANCE" : "GOVERNANCE";
    return { mode, until: new Date(now() + objectLock.days * dayMs) };
  };

  async function call<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw new StoreError(`bucket ${Bucket}: ${what}: ${sentenceOf(error)}`, { cause: error });
    }
  }

  const orNothing = <T>(work: Promise<T>): Promise<T | undefined> =>
    work.catch((error: unknown) => {
      if (statusOf(error) === 404) return undefined;
      throw error;
    });

  async function* list(under: string): AsyncGenerator<StoredObject> {
    let token: string | undefined;
    do {
      const page = await call("list", () =>
        client.send(new ListObjectsV2Command({ Bucket, Prefix: Key(under), ContinuationToken: token })),
      );
      for (const { Key: found, Size = 0, LastModified } of page.Contents ?? [])
        if (found !== undefined)
          yield { key: found.slice(prefix.length), size: Size, modified: LastModified?.getTime() ?? now() };
      token = page.NextContinuationToken;
    } while (token !== undefined);
  }

  /** Of this key alone, newest first. */
  async function versionsOf(key: string) {
    const found = await call("list versions", () =>
      client.send(new ListObjectVersionsCommand({ Bucket, Prefix: Key(key) })),
    );
    const own = <T extends { readonly Key?: string | undefined }>(all: readonly T[] = []) =>
      all.filter((each) => each.Key === Key(key));
    return { Versions: own(found.Versions), DeleteMarkers: own(found.DeleteMarkers) };
  }

  const read = (key: string, VersionId: string | undefined, most: number): Promise<Uint8Array | undefined> =>
    call("get", async () => {
      const found = await orNothing(client.send(new GetObjectCommand({ Bucket, Key: Key(key), VersionId })));
      if (!found?.Body) return undefined;
      const chunks: Uint8Array[] = [];
      let size = 0;
      for await (const chunk of found.Body as AsyncIterable<Uint8Array>) {
        chunks.push(chunk);
        size += chunk.length;
        if (size >= most) break;
      }
      return Uint8Array.from(Buffer.concat(chunks).subarray(0, most));
    });

  /** Versions go one by one: a delete without a version only hides an object, and the lock would let it. */
  async function remove(key: string): Promise<Removal> {
    const { Versions = [], DeleteMarkers = [] } = await versionsOf(key);
    for (const { VersionId } of [...Versions, ...DeleteMarkers]) {
      const until = await lockedUntil(key, VersionId);
      if (until !== undefined && until > now()) return { kind: "held", until };
      try {
        await client.send(new DeleteObjectCommand({ Bucket, Key: Key(key), VersionId }));
      } catch (error) {
        // A legal hold, or a clock behind the store's.
        if (statusOf(error) === 403) return { kind: "held", until: undefined };
        throw new StoreError(`bucket ${Bucket}: delete: ${sentenceOf(error)}`, { cause: error });
      }
    }
    return { kind: "removed" };
  }

  async function lockedUntil(key: string, VersionId: string | undefined): Promise<number | undefined> {
    try {
      const { Retention } = await client.send(new GetObjectRetentionCommand({ Bucket, Key: Key(key), VersionId }));
      return Retention?.RetainUntilDate?.getTime();
    } catch (error) {
      // No lock on this object, this bucket, or known to this store at all: the delete itself will tell.
      const status = statusOf(error);
      if (status !== undefined && status < 500) return undefined;
      throw new StoreError(`bucket ${Bucket}: retention: ${sentenceOf(error)}`, { cause: error });
    }
  }

  return {
    name: `bucket ${Bucket}`,
    async put(key, bytes) {
      const lock = retention();
      await call("put", () =>
        client.send(
          new PutObjectCommand({
            Bucket,
            Key: Key(key),
            Body: bytes,
            ContentLength: bytes.length,
            ChecksumAlgorithm: "SHA256",
            ...(lock && { ObjectLockMode: lock.mode, ObjectLockRetainUntilDate: lock.until }),
          }),
        ),
      );
    },
    get: (key, most) => read(key, undefined, most),
    async *versions(key, most) {
      const { Versions = [] } = await versionsOf(key);
      for (const { VersionId } of Versions.slice(0, mostVersions)) {
        const bytes = await read(key, VersionId, most);
        if (bytes) yield bytes;
      }
    },
    size: (key) =>
      call("head", async () => {
        const found = await orNothing(client.send(new HeadObjectCommand({ Bucket, Key: Key(key) })));
        return found?.ContentLength;
      }),
    async keep(key) {
      const lock = retention();
      if (!lock) return;
      const until = await lockedUntil(key, undefined);
      if (until !== undefined && until >= lock.until.getTime() - slackMs) return;
      const Retention = { Mode: lock.mode, RetainUntilDate: lock.until };
      await call("retain", () => client.send(new PutObjectRetentionCommand({ Bucket, Key: Key(key), Retention })));
    },
    list,
    remove,
    close: () => client.destroy(),
  };
}

function statusOf(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
}

/** Without the request: its headers are nobody's business. */
function sentenceOf(error: unknown): string {
  if (error instanceof S3ServiceException) return `${error.name}: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}
