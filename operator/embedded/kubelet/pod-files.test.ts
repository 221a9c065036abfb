import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { StoredObject } from "../../kube/objects.ts";
import { commandOf } from "./environment.ts";
import { createImageStore, digestOfBundle, sourcesImage } from "./images.ts";
import { kubeletLayout, podPath } from "./layout.ts";
import { mount, preparePod, type Sources } from "./mounts.ts";
import { type PodPlan, readPod } from "./pod-spec.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "pod-files-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

function podOf(container: object, volumes: readonly object[] = []): StoredObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "pod", namespace: "default", uid: "uid-1", resourceVersion: "1", labels: { seat: "eu-0" } },
    spec: { nodeName: "eu-west", containers: [{ name: "validator", ...container }], volumes },
  };
}

function planOf(pod: StoredObject): PodPlan {
  const reading = readPod(pod);
  if (reading.kind === "invalid") throw new Error(reading.message);
  return reading.plan;
}

const object = (kind: string, fields: object): StoredObject => ({
  apiVersion: "v1",
  kind,
  metadata: { name: "x", uid: "uid-x", resourceVersion: "1" },
  ...fields,
});
const sources: Sources = {
  configMap: (name) =>
    name === "config"
      ? object("ConfigMap", { data: { "config.json": "{}", level: "debug" }, binaryData: { bytes: "AQI=" } })
      : undefined,
  secret: (name) =>
    name === "key"
      ? object("Secret", { data: { seed: Buffer.from("s3cret").toString("base64"), "../up": "eA==" } })
      : undefined,
  claim: () => ({ kind: "bound", key: "default/data", directory: join(directory, "volume") }),
};

describe("the files of a pod", () => {
  const mounts = [
    { name: "config", mountPath: "/etc/validator" },
    { name: "key", mountPath: "/etc/key" },
    { name: "data", mountPath: "/var/lib/validator" },
  ];
  const volumes = [
    { name: "config", configMap: { name: "config" } },
    { name: "key", secret: { secretName: "key", items: [{ key: "seed", path: "governance" }] } },
    { name: "data", persistentVolumeClaim: { claimName: "data" } },
  ];

  test("are where its mounts say, readable by the owner alone", () => {
    mkdirSync(join(directory, "volume"));
    const layout = kubeletLayout(directory);
    const pod = podOf({ volumeMounts: mounts }, volumes);
    const files = layout.podOf("default", "pod");
    preparePod(files, "uid-1");
    expect(mount(planOf(pod), files, sources)).toEqual({ kind: "mounted" });
    const real = (path: string) => podPath(layout, "default", "pod", path);
    expect(readdirSync(real("/etc/validator")).sort()).toEqual(["bytes", "config.json", "level"]);
    expect([...readFileSync(real("/etc/validator/bytes"))]).toEqual([1, 2]);
    expect(readFileSync(real("/etc/key/governance"), "utf8")).toBe("s3cret");
    expect(statSync(real("/etc/key/governance")).mode & 0o777).toBe(0o600);
    writeFileSync(real("/var/lib/validator/kept"), "");
    expect(readdirSync(join(directory, "volume"))).toEqual(["kept"]);

    // Another pod of the name finds nothing of this one, and the volume is not touched.
    preparePod(files, "uid-2");
    expect(readdirSync(files.root)).toEqual([]);
    expect(readdirSync(join(directory, "volume"))).toEqual(["kept"]);
  });

  test("have paths in arguments and variables, also behind an option's name", () => {
    const pod = podOf({
      volumeMounts: mounts,
      ports: [{ name: "https-api", containerPort: 8443 }],
      env: [
        { name: "LEVEL", valueFrom: { configMapKeyRef: { name: "config", key: "level" } } },
        { name: "SEED", valueFrom: { secretKeyRef: { name: "key", key: "seed" } } },
        { name: "NODE", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } },
        { name: "SEAT", valueFrom: { fieldRef: { fieldPath: "metadata.labels['seat']" } } },
        { name: "DATA", value: "/var/lib/validator/" },
        { name: "BOTH", value: "$(LEVEL)-$$(LEVEL)-$(UNKNOWN)" },
      ],
      args: ["--config=/etc/validator/config.json", "/etc/validatorless", "--port", "$(PORT_HTTPS_API)", "/etc/key"],
    });
    expect(commandOf(pod, planOf(pod), "/root", sources)).toEqual({
      kind: "command",
      command: {
        env: {
          LEVEL: "debug",
          SEED: "s3cret",
          NODE: "eu-west",
          SEAT: "eu-0",
          DATA: "/root/var/lib/validator/",
          BOTH: "debug-$(LEVEL)-$(UNKNOWN)",
          PORT_HTTPS_API: "8443",
        },
        args: ["--config=/root/etc/validator/config.json", "/etc/validatorless", "--port", "8443", "/root/etc/key"],
      },
    });
    const missing = podOf({ env: [{ name: "X", valueFrom: { secretKeyRef: { name: "key", key: "none" } } }] });
    expect(commandOf(missing, planOf(missing), "/root", sources)).toMatchObject({ kind: "missing" });
  });

  test.each(["/etc/../../up", "/..", "relative", "/a//b", "/a/./b"])("are never mounted at %s", (mountPath) => {
    expect(readPod(podOf({ volumeMounts: [{ name: "config", mountPath }] }))).toMatchObject({ kind: "invalid" });
  });

  test("are never mounted inside one another", () => {
    const nested = [...mounts, { name: "key", mountPath: "/etc/validator/key" }];
    expect(readPod(podOf({ volumeMounts: nested }))).toMatchObject({
      message: "spec.containers.0.volumeMounts: /etc/validator/key is inside another mount",
    });
  });

  test("a spec of any shape is read or refused with a sentence", () => {
    fc.assert(
      fc.property(fc.object({ key: fc.constantFrom("containers", "volumes", "name", "args", "env", "x") }), (spec) => {
        const reading = readPod({ ...podOf({}), spec });
        expect(reading.kind === "pod" || reading.message !== "").toBe(true);
      }),
    );
  });
});

describe("images", () => {
  function bundle(files: Readonly<Record<string, string>>): string {
    const draft = join(directory, "draft");
    mkdirSync(draft);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(draft, name), text);
    const digest = digestOfBundle(draft)!;
    mkdirSync(join(directory, `sha256-${digest}`));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, `sha256-${digest}`, name), text);
    return digest;
  }
  const store = () => createImageStore({ bundles: directory, programs: { validator: "/src/main.ts" } });

  test("are bundles by the digest of their content, or the sources", () => {
    const digest = bundle({ "validator.mjs": "1", "validator.mjs.map": "2" });
    expect(store().find(`validator@sha256:${digest}`, "validator")).toEqual({
      kind: "found",
      program: join(directory, `sha256-${digest}`, "validator.mjs"),
      id: `sha256:${digest}`,
    });
    expect(store().find(`sha256:${digest}`, "gateway")).toMatchObject({ kind: "absent" });
    expect(store().find(sourcesImage, "validator")).toEqual({ kind: "found", program: "/src/main.ts", id: "sources" });
    expect(store().find(sourcesImage, "toString")).toMatchObject({ kind: "absent", reason: "InvalidImageName" });
  });

  test("whose content is not what the name says are refused", () => {
    const digest = bundle({ "validator.mjs": "1" });
    writeFileSync(join(directory, `sha256-${digest}`, "validator.mjs"), "2");
    expect(store().find(`sha256:${digest}`, "validator")).toMatchObject({
      kind: "absent",
      reason: "ImagePullBackOff",
      message: expect.stringContaining("is not what its name says"),
    });
  });

  test("have the digest that sha256sum tells", () => {
    // sha256sum of "1", then of the line "<that> validator.mjs\n".
    expect(bundle({ "validator.mjs": "1" })).toBe("bcd46cc4ec7f4033a5ce04756cc76b140ce3080f36969a7012c7ca443649154e");
  });
});
