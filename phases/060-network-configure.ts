import type { Ctx } from "../src/ctx.ts";
import { ensureAll } from "../src/host/host.ts";
import type { AnyWanted } from "../src/host/kinds/index.ts";
import { isOnNetwork } from "../src/host/routes.ts";
import { podChains } from "../src/network/pod-chains.ts";
import { leaveOtherPlugins, networkPlugin } from "../src/network/plugins.ts";
import { networkSysctls } from "../src/preflight/needs.ts";
import type { Phase } from "../src/runner/phase.ts";

/** Where the settings are kept for the next boot. */
const SYSCTL_FILE = "/etc/sysctl.d/99-pf9-network.conf";
const MODULES_FILE = "/etc/modules-load.d/pf9-nodelet.conf";

const modules = [
  { name: "overlay", proof: "/sys/module/overlay" },
  { name: "br_netfilter", proof: "/proc/sys/net/bridge" },
] as const;

/** Kernel modules and settings of the pod network, the ways to pods of other nodes, and claims of what the plugin will make. */
export const networkConfigure: Phase = {
  id: "060-network-configure",
  title: "Network configuration",
  roles: ["master", "worker"],
  // Undone in reverse order: what undoes the claims here, `ip` and `iptables`, may be of the bundle.
  needs: ["040-docker-configure"],
  followsPeers: true,
  async start(ctx) {
    const plugin = networkPlugin(ctx.config);
    const left = await leaveOtherPlugins(ctx);
    const outcome = await ensureAll(ctx.host, [
      // kube-proxy, the kubelet and the plugins make these; undo removes them.
      { kind: "chains", prefix: "KUBE-" },
      { kind: "chains", prefix: "CNI-" },
      { kind: "interface", name: "cni0" },
      { kind: "tree", path: "/var/lib/cni" },
      ...modules.map((module): AnyWanted => ({ kind: "module", ...module })),
      { kind: "dir", path: "/etc/modules-load.d", mode: 0o755 },
      {
        kind: "file",
        path: MODULES_FILE,
        content: `${modules.map(({ name }) => name).join("\n")}\n`,
        mode: 0o644,
      },
      { kind: "dir", path: "/etc/sysctl.d", mode: 0o755 },
      { kind: "file", path: SYSCTL_FILE, content: sysctlFile(networkSysctls), mode: 0o644 },
      ...Object.entries(networkSysctls).map(([name, value]): AnyWanted => ({ kind: "sysctl", name, value })),
      ...(plugin.ownBridge ? podChains(ctx) : []),
      ...(await plugin.prepare(ctx)),
    ]);
    return left === "changed" ? left : outcome;
  },
  // The settings stay until reset: Docker's own containers need most of them too.
  stop: async () => "unchanged",
  async status(ctx) {
    const wrong =
      (await wrongSysctls(ctx, networkSysctls)) ?? (await networkPlugin(ctx.config).missing?.(ctx));
    if (!wrong) return { state: "running" };
    const isOff = !isOnNetwork((await ctx.host.read("/proc/net/route")) ?? "", ctx.node.ip);
    return { state: "failed", message: wrong, ...(isOff && { elsewhere: true }) };
  },
};

/** The text of a file in /etc/sysctl.d. */
export function sysctlFile(values: Readonly<Record<string, string>>): string {
  return `${Object.entries(values)
    .map(([name, value]) => `${name} = ${value}`)
    .join("\n")}\n`;
}

/** Compares the running kernel with wanted settings. @returns what differs, or undefined */
export async function wrongSysctls(
  { host }: Ctx,
  values: Readonly<Record<string, string>>,
): Promise<string | undefined> {
  const read = (name: string) => host.read(`/proc/sys/${name.replaceAll(".", "/")}`);
  const found = await Promise.all(
    Object.entries(values).map(async ([name, value]) => ({ name, value, found: (await read(name))?.trim() })),
  );
  const wrong = found.filter((one) => one.found !== one.value);
  return (
    wrong.map((one) => `${one.name} is ${one.found ?? "absent"}; expected ${one.value}`).join("; ") ||
    undefined
  );
}
