/** Manifests of the operator and the pages that list its rights and options: made from the tables in the code. */
import { stringify } from "yaml";
import { operatorCommand } from "./options.ts";
import { clusterRights, ownRights, type Right, rights } from "./rights.ts";

const made = "Made by `npm run generate` from operator/cluster/.";
const name = "validator-swarm-operator";
const ownNamespace = "validator-swarm-system";
const image = "validator-swarm:0.1.0";
/** The namespace that the other manifest is for: one to be edited. */
const swarmNamespace = "payments";
const labels = { "app.kubernetes.io/name": name };

export function operatorDocuments(): readonly { readonly path: string; readonly content: string }[] {
  return [
    { path: "manifests/operator/cluster.yaml", content: manifest(wholeCluster()) },
    { path: "manifests/operator/namespace.yaml", content: manifest(oneNamespace()) },
    { path: "docs/operator-rights.md", content: page() },
  ];
}

const manifest = (objects: readonly object[]) =>
  `# ${made}\n${objects.map((object) => stringify(object, { lineWidth: 120, aliasDuplicateObjects: false, compat: "yaml-1.1" })).join("---\n")}`;

/** Swarms anywhere. */
function wholeCluster(): readonly object[] {
  const metadata = { name, namespace: ownNamespace, labels };
  return [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: ownNamespace, labels: restricted } },
    { apiVersion: "v1", kind: "ServiceAccount", metadata },
    role("ClusterRole", { name, labels }, [...rights, ...clusterRights]),
    binding("ClusterRole", { name, labels }, ownNamespace),
    role("Role", metadata, ownRights),
    binding("Role", metadata, ownNamespace),
    ...program(ownNamespace, []),
  ];
}

/** Swarms of one namespace, from inside it: nothing of the cluster is needed but the definitions. */
function oneNamespace(): readonly object[] {
  const metadata = { name, namespace: swarmNamespace, labels };
  return [
    { apiVersion: "v1", kind: "ServiceAccount", metadata },
    role("Role", metadata, [...rights, ...ownRights]),
    binding("Role", metadata, swarmNamespace),
    ...program(swarmNamespace, ["--namespace", "$(POD_NAMESPACE)"]),
  ];
}

const restricted = { "pod-security.kubernetes.io/enforce": "restricted" };

function role(kind: "Role" | "ClusterRole", metadata: object, wanted: readonly Right[]): object {
  const rules = wanted.map(({ kind, subresource, verbs }) => ({
    apiGroups: [kind.group],
    resources: [subresource === undefined ? kind.plural : `${kind.plural}/${subresource}`],
    verbs,
  }));
  return { apiVersion: "rbac.authorization.k8s.io/v1", kind, metadata, rules };
}

function binding(of: "Role" | "ClusterRole", metadata: object, namespace: string): object {
  return {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: `${of}Binding`,
    metadata,
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: of, name },
    subjects: [{ kind: "ServiceAccount", name, namespace }],
  };
}

/** Two: one leads, the other takes over within seconds. */
function program(namespace: string, args: readonly string[]): readonly object[] {
  const field = (variable: string, fieldPath: string) => ({ name: variable, valueFrom: { fieldRef: { fieldPath } } });
  const probe = (path: string) => ({ httpGet: { path, port: "health" }, periodSeconds: 5, timeoutSeconds: 2 });
  const metadata = { name, namespace, labels };
  return [
    {
      apiVersion: "policy/v1",
      kind: "PodDisruptionBudget",
      metadata,
      spec: { minAvailable: 1, selector: { matchLabels: labels } },
    },
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata,
      spec: {
        replicas: 2,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            serviceAccountName: name,
            // Runs may end within 20 s; then the lease is given back.
            terminationGracePeriodSeconds: 30,
            securityContext: {
              runAsNonRoot: true,
              runAsUser: 65_532,
              fsGroup: 65_532,
              seccompProfile: { type: "RuntimeDefault" },
            },
            containers: [
              {
                name: "operator",
                image,
                command: ["node", "/app/operator.mjs"],
                args,
                env: [
                  field("POD_NAME", "metadata.name"),
                  field("POD_NAMESPACE", "metadata.namespace"),
                  { name: "SWARM_IMAGE", value: image },
                ],
                ports: [{ name: "health", containerPort: 8081 }],
                readinessProbe: probe("/readyz"),
                livenessProbe: { ...probe("/healthz"), initialDelaySeconds: 10 },
                resources: { requests: { cpu: "100m", memory: "192Mi" }, limits: { memory: "768Mi" } },
                securityContext: {
                  allowPrivilegeEscalation: false,
                  readOnlyRootFilesystem: true,
                  capabilities: { drop: ["ALL"] },
                },
              },
            ],
          },
        },
      },
    },
  ];
}

function page(): string {
  const row = ({ kind, subresource, verbs, why }: Right) => {
    const resource = subresource === undefined ? kind.plural : `${kind.plural}/${subresource}`;
    return `| \`${resource}\` | ${kind.group === "" ? "core" : kind.group} | ${verbs.join(", ")} | ${why} |`;
  };
  const table = (wanted: readonly Right[]) =>
    `| resource | group | verbs | for |\n|---|---|---|---|\n${wanted.map(row).join("\n")}`;
  const options = operatorCommand().options.map(
    ({ flags, envVar, description, defaultValue, defaultValueDescription }) => {
      const fallback = defaultValueDescription ?? (defaultValue === undefined ? "" : String(defaultValue));
      return `| \`${flags}\` | \`${envVar}\` | ${fallback} | ${description} |`;
    },
  );
  return `<!-- ${made} -->
# Options and rights of the operator

## Options
\`node operator/main.ts\`; an option wins over its variable.

| option | variable | default | meaning |
|---|---|---|---|
${options.join("\n")}

## Rights
In the cluster (\`manifests/operator/cluster.yaml\`), or in each namespace it is given (\`manifests/operator/namespace.yaml\`):

${table(rights)}

In the cluster, when it is the whole cluster's operator:

${table(clusterRights)}

In its own namespace:

${table(ownRights)}

Nothing else: no \`exec\`, no eviction, no roles, no webhooks. \`npm run e2e:api\` runs the operator with exactly these rights and compares them with the server's audit log: nothing is refused, nothing is granted in vain.
`;
}
