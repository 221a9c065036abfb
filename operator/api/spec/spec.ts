/** `spec` of a ValidatorSwarm: its parts in the order in which a reader meets them. */
import { z } from "zod";
import { exposure, gateway, monitoring, tls } from "./access.ts";
import { authority } from "./authority.ts";
import { consensus } from "./consensus.ts";
import { genesis } from "./genesis.ts";
import { members } from "./members.ts";
import { autoscaling, disruption } from "./operation.ts";
import { image, imagePullSecrets, podTemplate, resources, security } from "./pods.ts";
import { placement, regions } from "./regions.ts";
import { canary, rollout } from "./rollout.ts";
import { checkpoints, restoreFrom, storage } from "./storage.ts";

/** The schema of the spec; rules that look at more than one field are in `rules.ts`. */
export const spec = z.strictObject({
  image: image().optional().meta({
    description:
      "Image of validators and gateways; on one machine the digest of a bundle. Absent: the operator's own in pods made from then on; an upgrade of the operator replaces no validator.",
  }),
  protocolVersion: z
    .int()
    .min(1)
    .max(1_000)
    .default(1)
    .meta({ description: "State-transition rules in force. It only grows, by governance at a height." }),
  faultModel: z.enum(["Byzantine", "Crash"]).default("Byzantine").meta({
    description: "Whether members may lie (F = ⌊(W−1)/3⌋ of the power W) or only stop (F = ⌊(W−1)/2⌋).",
  }),
  replicas: z.int().min(1).max(100).meta({ description: "Seats run from here, spread over the regions." }),
  regions: regions.meta({ description: "Where seats are. Seats are dealt to them in this order." }),
  placement: placement.meta({ description: "What the layout must survive." }),
  genesis: genesis.meta({ description: "What the chain starts from. Later changes go through governance." }),
  authority: authority.meta({ description: "In whose name the operator acts on chain." }),
  members: members.meta({ description: "Seats other institutions run: counted, never managed." }),
  consensus: consensus.meta({ description: "Parameters of the protocol (docs/parameters.md)." }),
  rollout: rollout.meta({ description: "How a new image or configuration reaches the seats." }),
  canary: canary.optional().meta({ description: "A trial on a few seats. Absent: none." }),
  checkpoints: checkpoints.optional().meta({
    description: "Checkpoints kept outside the validators' volumes. Absent: none.",
  }),
  restoreFrom: restoreFrom.optional().meta({
    description: "Start from a checkpoint: `genesis` is that of its swarm. Absent: a new chain.",
  }),
  storage: storage.meta({ description: "Volumes of identities." }),
  resources: resources().meta({ description: "Requests and limits of a validator." }),
  podTemplate: podTemplate.meta({ description: "What is added to validators' pods." }),
  imagePullSecrets: imagePullSecrets.meta({ description: "Secrets the image is pulled with." }),
  exposure: exposure.meta({ description: "How members reach each seat." }),
  gateway: gateway.meta({ description: "ISO 20022 gateways, a Deployment of their own." }),
  autoscaling: autoscaling.optional().meta({
    description: "Bounds within which an autoscaler may change `replicas`. Absent: none.",
  }),
  disruption: disruption.meta({ description: "What the operator may take away, and when it gives a seat up." }),
  monitoring: monitoring.meta({ description: "Logs, metrics and traces." }),
  tls: tls.meta({ description: "Certificates between operator, gateways and validators." }),
  security: security.meta({ description: "Users, groups and network policy of the pods." }),
  paused: z.boolean().default(false).meta({ description: "Do nothing but report, until this is false again." }),
  hibernate: z.boolean().default(false).meta({ description: "End every pod and keep the volumes." }),
});

/** A spec with every default filled in. */
export type ValidatorSwarmSpec = z.infer<typeof spec>;
