/** Volumes of identities, and checkpoints taken off them. */
import { z } from "zod";
import { anyText, objectName, seconds, text, volumeSize } from "./fields.ts";

/** `spec.storage`. */
export const storage = z
  .strictObject({
    size: volumeSize().default("20Gi").meta({ description: "Size of each identity's volume. It may grow." }),
    storageClassName: objectName()
      .optional()
      .meta({ description: "StorageClass of the volumes. Absent: the cluster's default." }),
    retainPolicy: z
      .enum(["Retain", "Delete"])
      .default("Retain")
      .meta({ description: "What becomes of the volumes when the swarm is deleted." }),
  })
  .prefault({});

const volumeDestination = z.strictObject({
  size: volumeSize().default("50Gi").meta({ description: "Size of the volume checkpoints are written to." }),
  storageClassName: objectName().optional().meta({ description: "Its StorageClass. Absent: the cluster's default." }),
});

const bucketDestination = z.strictObject({
  bucket: text(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 63, "must be the name of a bucket").meta({
    description: "Bucket.",
  }),
  prefix: anyText(512).default("").meta({ description: "Put before every object's key." }),
  // Without encryption only where nothing leaves the machine.
  endpoint: text(
    /^(https:\/\/[!-~]+|http:\/\/(127\.0\.0\.1|localhost)(:[0-9]{1,5})?\/?)$/,
    512,
    "must be an https URL, or http on the loopback address",
  )
    .optional()
    .meta({ description: "Of a store compatible with S3. Absent: that of `region`." }),
  region: anyText(63).default("").meta({ description: "The store's region." }),
  credentialsSecret: objectName().meta({
    description: "Secret with `accessKeyId` and `secretAccessKey`, in the swarm's namespace.",
  }),
  objectLock: z
    .strictObject({
      mode: z.enum(["Governance", "Compliance"]).default("Compliance").meta({ description: "Object Lock mode." }),
      days: z.int().min(1).max(36_500).meta({ description: "How long no one can delete an object, days." }),
    })
    .optional()
    .meta({ description: "Object Lock of what is written. Absent: none." }),
});

/** Where checkpoints go: exactly one of the two. */
export const destination = () =>
  z.strictObject({
    pvc: volumeDestination.optional().meta({ description: "A volume of the cluster." }),
    s3: bucketDestination.optional().meta({ description: "An object store." }),
  });

/** One cron field: numbers, ranges and steps, separated by commas. */
const cron = (number: string) => {
  const part = `(\\*|(${number})(-(${number}))?)(/[1-9][0-9]?)?`;
  return `${part}(,${part})*`;
};
const fields = ["[1-5]?[0-9]", "1?[0-9]|2[0-3]", "[1-9]|[12][0-9]|3[01]", "[1-9]|1[0-2]", "[0-7]"];
const schedule = new RegExp(`^${fields.map(cron).join(" ")}$`);

/** `spec.checkpoints`. */
export const checkpoints = z.strictObject({
  schedule: text(
    schedule,
    100,
    "must be a schedule of five fields in UTC: minute, hour, day of month, month, day of week, such as 0 */6 * * *",
  )
    .optional()
    .meta({ description: "When, as five cron fields in UTC. Absent: not by the clock." }),
  everyBlocks: z
    .int()
    .min(100)
    .max(1_000_000_000)
    .optional()
    .meta({ description: "After this many blocks. Absent: not by count." }),
  destination: destination().meta({ description: "Where they are written: exactly one of pvc and s3." }),
  retention: z
    .int()
    .min(1)
    .max(10_000)
    .default(14)
    .meta({ description: "Newest checkpoints kept; older SwarmCheckpoints made from here are deleted." }),
  maxAgeSeconds: seconds(300, 31_536_000)
    .default(90_000)
    .meta({ description: "Beyond this age of the newest one, CheckpointFresh is False, seconds." }),
  verifyByRestore: z
    .boolean()
    .default(true)
    .meta({ description: "Restore each into a scratch validator and replay to a later certified root." }),
});

/** `spec.restoreFrom`. */
export const restoreFrom = z.strictObject({
  checkpoint: objectName().optional().meta({ description: "A SwarmCheckpoint of the same namespace." }),
  s3: bucketDestination
    .omit({ objectLock: true })
    .extend({ manifest: anyText(1_024).meta({ description: "Key of the checkpoint's manifest in the bucket." }) })
    .optional()
    .meta({ description: "A checkpoint in an object store." }),
  recoverySecret: objectName().meta({
    description:
      "Secret whose `recovery` is the governance-signed statement naming the last settled height. The restored chain has a new id bound to it.",
  }),
});
