import { AppError } from "../src/errors.ts";
import type { Ctx } from "../src/ctx.ts";
import { ensureAll } from "../src/host/host.ts";
import type { AnyWanted } from "../src/host/kinds/index.ts";
import { kubeletSysctls } from "../src/preflight/needs.ts";
import type { Phase } from "../src/runner/phase.ts";
import { installed } from "./065-cni-configure.ts";
import { sysctlFile, wrongSysctls } from "./060-network-configure.ts";

const SYSCTL_FILE = "/etc/sysctl.d/99-pf9-kubelet.conf";

/** Kernel settings of the kubelet, swap, the cloud provider's configuration, and the programs of the host. */
export const miscScripts: Phase = {
  id: "075-misc-scripts",
  title: "Miscellaneous scripts and checks",
  roles: ["master", "worker"],
  needs: [],
  async start(ctx) {
    await checkSwap(ctx);
    return await ensureAll(ctx.host, [
      { kind: "dir", path: "/etc/sysctl.d", mode: 0o755 },
      { kind: "file", path: SYSCTL_FILE, content: sysctlFile(kubeletSysctls), mode: 0o644 },
      ...Object.entries(kubeletSysctls).map(([name, value]): AnyWanted => ({ kind: "sysctl", name, value })),
      ...cloudConfig(ctx),
      { kind: "dir", path: ctx.paths.binDir, mode: 0o755 },
      ...programs(ctx),
    ]);
  },
  stop: ({ host, paths }) => host.ensure({ kind: "absent", path: `${paths.kubeDir}/cloud-config` }),
  async status(ctx) {
    const wrong = await wrongSysctls(ctx, kubeletSysctls);
    return wrong ? { state: "failed", message: wrong } : { state: "running" };
  },
};

/** Swap can be turned on after preflight; the kubelet would only say so in its own log. */
async function checkSwap({ host, config }: Ctx): Promise<void> {
  if (config.allowSwap) return;
  const [, ...devices] = ((await host.read("/proc/swaps")) ?? "").trim().split("\n");
  if (devices.length === 0) return;
  const names = devices.map((line) => line.split(/\s+/)[0]).join(", ");
  throw new AppError(`Cannot run a kubelet with swap on ${names}`, {
    hint: "run swapoff -a and remove it from /etc/fstab, or set --allow-swap",
  });
}

function cloudConfig({ config, paths }: Ctx): AnyWanted[] {
  if (!config.kubeletCloudConfig) return [];
  const content = Buffer.from(config.kubeletCloudConfig, "base64");
  return [{ kind: "file", path: `${paths.kubeDir}/cloud-config`, content, mode: 0o600, secret: true }];
}

/** kubelet and kubectl; put here beside what waits for keys and for Docker, since writing them takes longest. */
function programs(ctx: Ctx): AnyWanted[] {
  const wanted = ctx.bundle.binaries.filter((entry) => entry.kind === "binary" && entry.name !== "kubeadm");
  return wanted.map((entry) => installed(ctx, { entry, dir: ctx.paths.binDir }));
}
