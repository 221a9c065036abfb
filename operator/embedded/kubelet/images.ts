/**
 * Images of a world without containers: an image is the content digest of a bundle, a directory of JavaScript files in
 * a local store, named `sha256-<hex>`. One name stands for the sources that run now.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The image of the sources that run now. */
export const sourcesImage = "validator-swarm:sources";

export type ImageResult =
  | {
      readonly kind: "found";
      /** The file that Node runs. */
      readonly program: string;
      /** For `imageID`. */
      readonly id: string;
    }
  /** `reason` as Kubernetes words it. */
  | { readonly kind: "absent"; readonly reason: "ImagePullBackOff" | "InvalidImageName"; readonly message: string };

export interface ImageStore {
  /** The program that a container of this name runs from the image. */
  readonly find: (image: string, container: string) => ImageResult;
}

export interface ImageOptions {
  readonly bundles: string;
  /** Programs of the running sources, by the container's name. */
  readonly programs: Readonly<Record<string, string>>;
}

const digestShape = /(?:^|@)sha256:([0-9a-f]{64})$/;

export function createImageStore({ bundles, programs }: ImageOptions): ImageStore {
  /** Checked once: bundles are never written again. */
  const checked = new Set<string>();

  function ofSources(container: string): ImageResult {
    const program = Object.hasOwn(programs, container) ? programs[container] : undefined;
    return program === undefined
      ? absent("InvalidImageName", `there is no program for a container named ${container}: give it an image`)
      : { kind: "found", program, id: "sources" };
  }

  return {
    find(image, container) {
      if (image === sourcesImage) return ofSources(container);
      const digest = digestShape.exec(image)?.[1];
      if (digest === undefined)
        return absent(
          "InvalidImageName",
          `the image ${image} names no content: on one machine an image is the digest of a bundle, sha256:… `,
        );
      const directory = join(bundles, `sha256-${digest}`);
      if (!checked.has(digest)) {
        const found = digestOfBundle(directory);
        if (found === undefined) return absent("ImagePullBackOff", `there is no bundle sha256:${digest} in ${bundles}`);
        if (found !== digest)
          return absent(
            "ImagePullBackOff",
            `the bundle in ${directory} is not what its name says: it is sha256:${found}`,
          );
        checked.add(digest);
      }
      const file = `${container}.mjs`;
      return readdirSync(directory).includes(file)
        ? { kind: "found", program: join(directory, file), id: `sha256:${digest}` }
        : absent("ImagePullBackOff", `the bundle sha256:${digest} has no ${file}`);
    },
  };
}

function absent(reason: "ImagePullBackOff" | "InvalidImageName", message: string): ImageResult {
  return { kind: "absent", reason, message: message.trim() };
}

/**
 * SHA-256, in hexadecimal, over the lines `<sha256 of the file> <name>\n` of the bundle's files in the order of their
 * names, so that `sha256sum` and `sort` can tell it too. Undefined when there is no such directory.
 */
export function digestOfBundle(directory: string): string | undefined {
  let names: readonly string[];
  try {
    names = readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => entry.name)
      .sort();
  } catch {
    return undefined;
  }
  const lines = names.map((name) => `${sha256(readFileSync(join(directory, name)))} ${name}\n`);
  return sha256(lines.join(""));
}

function sha256(bytes: string | Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
