import { randomBytes } from "node:crypto";
import { stringify } from "yaml";
import { kubeEnv } from "../src/config/kube-env.ts";
import type { Ctx } from "../src/ctx.ts";
import { ensureAll, readRequired } from "../src/host/host.ts";
import { renderKubeconfig } from "../src/kube/kubeconfig.ts";
import { kubeFacts } from "../src/kube/versions.ts";
import type { Phase } from "../src/runner/phase.ts";
import { auditPolicy } from "../static-pods/audit-policy.ts";

/** Which certificate each kubeconfig is for, who has it, and whether it leads to the node's own API server, well or not. */
const kubeconfigs = [
  { name: "admin", cert: "admin", masterOnly: true, own: false },
  { name: "kube-controller-manager", cert: "kube-controller-manager", masterOnly: true, own: true },
  { name: "kube-scheduler", cert: "kube-scheduler", masterOnly: true, own: true },
  { name: "kubelet", cert: "kubelet-client", masterOnly: false, own: false },
  { name: "kube-proxy", cert: "kube-proxy", masterOnly: false, own: false },
] as const;

const directories = (ctx: Ctx) => [ctx.paths.kubeconfigs, ctx.paths.configs, ctx.paths.manifests];

/** The files that the components read: kubeconfigs, kube.env, encryption and audit configuration. */
export const prepareKubeConfigs: Phase = {
  id: "030-prepare-kube-configs",
  title: "Prepare configuration",
  roles: ["master", "worker"],
  needs: ["020-gen-certs"],
  async start(ctx) {
    const { host, paths } = ctx;
    const master = ctx.config.role === "master";
    const files = kubeconfigs.filter((one) => master || !one.masterOnly);
    return await ensureAll(host, [
      ...directories(ctx).map((path) => ({ kind: "dir", path, mode: 0o700 }) as const),
      { kind: "file", path: paths.kubeEnv, content: kubeEnv(ctx.config), mode: 0o600 },
      ...(await Promise.all(files.map((one) => kubeconfigFile(ctx, one)))),
      ...(master ? await masterFiles(ctx) : []),
    ]);
  },
  // The encryption key stays with the data that it encrypts: without it no secret can be read again.
  stop: ({ host, paths }) =>
    ensureAll(host, [
      ...kubeconfigs.map(
        ({ name }) => ({ kind: "absent", path: `${paths.kubeconfigs}/${name}.yaml` }) as const,
      ),
      { kind: "absent", path: `${paths.configs}/audit-policy.yaml` },
      { kind: "absent", path: paths.kubeEnv },
    ]),
};

async function kubeconfigFile(ctx: Ctx, one: (typeof kubeconfigs)[number]) {
  const read = (name: string) => readRequired(ctx.host, `${ctx.paths.certs}/${name}`);
  const [ca, cert, key] = await Promise.all([
    read("ca.crt"),
    read(`${one.cert}.crt`),
    read(`${one.cert}.key`),
  ]);
  // Of each of the two components one leads the cluster: where its own API server fails, that of another master takes over.
  const server = one.own ? ctx.node.server : ctx.node.balancer;
  const content = renderKubeconfig({ server, user: one.name, ca, cert, key });
  return {
    kind: "file",
    path: `${ctx.paths.kubeconfigs}/${one.name}.yaml`,
    content,
    mode: 0o600,
    secret: true,
  } as const;
}

async function masterFiles({ host, paths, bundle }: Ctx) {
  const facts = kubeFacts(bundle.kubernetesVersion);
  const encryption = `${paths.configs}/encryption.yaml`;
  const existing = await host.read(encryption);
  return [
    {
      kind: "file",
      path: encryption,
      content: existing ?? encryptionConfiguration(facts.encryption),
      mode: 0o600,
      secret: true,
    } as const,
    {
      kind: "file",
      path: `${paths.configs}/audit-policy.yaml`,
      content: stringify(auditPolicy(facts.auditPolicy)),
      mode: 0o600,
    } as const,
  ];
}

/** Secrets are encrypted with a random 256-bit key; what was stored before that is still read. CIS 1.2.27. */
function encryptionConfiguration(apiVersion: string): string {
  const key = { name: "key1", secret: randomBytes(32).toString("base64") };
  return stringify({
    apiVersion,
    kind: "EncryptionConfiguration",
    resources: [{ resources: ["secrets"], providers: [{ secretbox: { keys: [key] } }, { identity: {} }] }],
  });
}
