import type { Ctx } from "../ctx.ts";
import { AppError } from "../errors.ts";
import { sha256 } from "../host/hash.ts";
import { ensureAll, readRequired } from "../host/host.ts";
import type { PhaseState } from "../runner/phase.ts";
import { until } from "../runner/wait.ts";
import {
  BACKEND,
  FLANNEL,
  FLANNEL_CONF,
  FLANNEL_DIR,
  flannelContainer,
  netConf,
  SUBNET_ENV,
} from "./flannel-container.ts";
import type { NetworkPlugin } from "./plugin.ts";
import { deleteRoutes } from "./routes.ts";

/** flannel's VXLAN interface: the name has its network identifier, 1 when none is given. */
export const FLANNEL_TUNNEL = "flannel.1";

/** Outer Ethernet, IPv4, UDP and VXLAN headers of 14, 20, 8 and 8 bytes. RFC 7348, section 5. */
const VXLAN_OVERHEAD = 50;

/** What systemd makes at each boot, before it starts Docker, which would start flanneld without it in vain. */
export const FLANNEL_TMPFILES = "/etc/tmpfiles.d/pf9-flannel.conf";

/**
 * flanneld as a container of each node: it takes the nodes' blocks from the API and sets the routes between them. The pods are
 * on nodelet's bridge, so one starts though no API server answers, as after a power cut of all nodes.
 */
export const flannel: NetworkPlugin = {
  ownBridge: true,
  overhead: ({ podNetworkBackend }) => (podNetworkBackend === "host-gw" ? 0 : VXLAN_OVERHEAD),
  check: async ({ bundle }) => needImage(bundle),
  prepare({ config, paths, bundle }) {
    needImage(bundle);
    return [
      { kind: "tree", path: FLANNEL_DIR },
      { kind: "interface", name: FLANNEL_TUNNEL },
      { kind: "routesInto", block: config.containersCidr },
      { kind: "dir", path: paths.configs, mode: 0o700 },
      { kind: "file", path: FLANNEL_CONF, content: netConf(config), mode: 0o600 },
    ];
  },
  async start(ctx) {
    const { host, paths } = ctx;
    const kubeconfig = await readRequired(host, `${paths.kubeconfigs}/kubelet.yaml`);
    const spec = flannelContainer(ctx, { inputs: sha256(netConf(ctx.config) + kubeconfig).slice(0, 32) });
    const found = host.detached ? undefined : await ctx.docker.inspect(FLANNEL);
    if (found && found.labels[BACKEND] !== spec.labels?.[BACKEND]) await takeAway(ctx);
    return await ensureAll(host, [
      { kind: "dir", path: "/etc/tmpfiles.d", mode: 0o755 },
      { kind: "file", path: FLANNEL_TMPFILES, content: `d ${FLANNEL_DIR} 0755 root root -\n`, mode: 0o644 },
      { kind: "dir", path: FLANNEL_DIR, mode: 0o755 },
      { kind: "container", name: FLANNEL, spec },
    ]);
  },
  async ready(ctx, say) {
    await until(
      async () => {
        const { message } = await flannelState(ctx);
        return message ? { missing: message } : { value: true };
      },
      {
        action: "start flannel",
        timeoutMs: 120_000,
        clock: ctx.clock,
        signal: ctx.signal,
        say,
        hint: `see docker logs ${FLANNEL}`,
      },
    );
  },
  async stop(ctx) {
    // Its mark: without it, routes into the pods' block are somebody else's.
    if (!(await ctx.host.exists(FLANNEL_TMPFILES))) return "unchanged";
    await takeAway(ctx);
    return await ctx.host.ensure({ kind: "absent", path: FLANNEL_TMPFILES });
  },
  status: flannelState,
};

function needImage({ index, findImage }: Ctx["bundle"]): void {
  if (findImage(FLANNEL)) return;
  throw new AppError(
    `Cannot use the network plugin "flannel": the bundle "${index.name}" has no image "${FLANNEL}"`,
    { hint: "use a bundle that has it, or set --network-plugin bridge" },
  );
}

/**
 * Ends flanneld and removes what it leaves in the kernel: it would work on against another backend or plugin. Interface and
 * routes are claimed by phase 060.
 */
async function takeAway(ctx: Ctx) {
  const { host } = ctx;
  const outcome = await ensureAll(host, [
    { kind: "container", name: FLANNEL },
    { kind: "absent", path: SUBNET_ENV },
  ]);
  if (host.detached) return outcome;
  if (await host.exists(`/sys/class/net/${FLANNEL_TUNNEL}`))
    await host.run(["ip", "link", "delete", FLANNEL_TUNNEL]);
  await deleteRoutes(host, { block: ctx.config.containersCidr });
  return outcome;
}

/** flanneld runs, has taken the node's block, and its interface is there. */
async function flannelState({ host, docker, config, node }: Ctx): Promise<PhaseState> {
  const container = await docker.inspect(FLANNEL);
  if (!container) return { state: "stopped", message: `there is no container ${FLANNEL}` };
  if (!container.running)
    return { state: "failed", message: `the container ${FLANNEL} is ${container.status}` };
  const subnet = (await host.read(SUBNET_ENV)) ?? "";
  const network = /^FLANNEL_NETWORK=(\S+)$/m.exec(subnet)?.[1];
  if (network !== config.containersCidr)
    return { state: "failed", message: `flannel has not taken the block ${node.podCidr} yet` };
  const tunnel =
    config.podNetworkBackend === "host-gw" || (await host.exists(`/sys/class/net/${FLANNEL_TUNNEL}`));
  return tunnel
    ? { state: "running" }
    : { state: "failed", message: `there is no interface ${FLANNEL_TUNNEL}` };
}
