/** Right by themselves, wrong as the next version of what was there. */
import type { InvalidSpec } from "./invalid-specs.ts";

export const invalidChanges: readonly InvalidSpec[] = [
  {
    name: "another fault model",
    before: {},
    set: { "spec.faultModel": "Crash" },
    layer: "schema",
    field: "spec.faultModel",
    message: "This cannot change: the quorum of every signed block rests on it. Set it back, or start a new swarm.",
  },
  {
    name: "another opening balance",
    before: {},
    set: { "spec.genesis.accounts.0.balance": "1.00" },
    layer: "schema",
    field: "spec.genesis",
    message:
      "This cannot change: the chain has started from it. Set it back and change institutions, accounts or governance keys by a governance transaction.",
  },
  {
    name: "a restore into a chain that has started",
    before: {},
    set: { "spec.restoreFrom": { checkpoint: "yesterday", recoverySecret: "recovery" } },
    layer: "schema",
    field: "spec.restoreFrom",
    message: "This cannot change: the chain has started. Set it back, or start a new swarm with it.",
  },
  {
    name: "another storage class",
    before: { "spec.storage.storageClassName": "fast" },
    set: { "spec.storage.storageClassName": "slow" },
    layer: "schema",
    field: "spec.storage.storageClassName",
    message:
      "This cannot change: a volume keeps its class, and an identity its volume. Set it back, or start a new swarm.",
  },
  {
    name: "no storage class any more",
    before: { "spec.storage.storageClassName": "fast" },
    set: {},
    layer: "schema",
    field: "spec.storage.storageClassName",
    message:
      "This cannot change: a volume keeps its class, and an identity its volume. Set it back, or start a new swarm.",
  },
  {
    name: "another port between members",
    before: { "spec.exposure.port": 7_100 },
    set: { "spec.exposure.port": 7_200 },
    layer: "schema",
    field: "spec.exposure.port",
    message:
      "This cannot change: members dial each other at it, and while it changed no two would agree. Set it back, or start a new swarm.",
  },
  {
    name: "a smaller volume",
    before: { "spec.storage.size": "1Ti" },
    set: { "spec.storage.size": "1000Gi" },
    layer: "schema",
    field: "spec.storage.size",
    message: "A volume cannot shrink. Set it to what it was, or more.",
  },
  {
    name: "rules taken back",
    before: { "spec.protocolVersion": 2 },
    set: { "spec.protocolVersion": 1 },
    layer: "schema",
    field: "spec.protocolVersion",
    message: "Rules in force are never taken back. Set it to what it was, or more.",
  },
];
