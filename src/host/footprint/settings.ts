import { existsSync, readdirSync, readFileSync } from "node:fs";
import { kubeletSysctls, networkSysctls } from "../../preflight/needs.ts";
import { type Machine, placeOf } from "../machine.ts";
import type { Area } from "./footprint.ts";

/**
 * What kube-proxy sets by itself where it may, on larger hosts by their number of processors.
 *
 * @see https://kubernetes.io/docs/reference/config-api/kube-proxy-config.v1alpha1/#kubeproxy-config-k8s-io-v1alpha1-KubeProxyConntrackConfiguration
 */
export const kubeProxySysctls: readonly string[] = [
  "net.netfilter.nf_conntrack_buckets",
  "net.netfilter.nf_conntrack_max",
  "net.netfilter.nf_conntrack_tcp_timeout_established",
  "net.netfilter.nf_conntrack_tcp_timeout_close_wait",
];

const SINGLE = [
  ...Object.keys({ ...networkSysctls, ...kubeletSysctls }),
  ...kubeProxySysctls,
  "net.ipv6.conf.all.forwarding",
  "net.ipv6.conf.default.forwarding",
];

/** Below these, everything: plugins and engines set one or the other of them. */
const WHOLE = ["net/bridge", "net/ipv4/conf"];

/** What nodelet loads. The rest (xt_comment, veth, …) the kernel loads by itself when it is used, and nobody unloads. */
const MODULES = ["overlay", "br_netfilter"];

/** Kernel settings. One that is new came with a module or an interface, which are areas of their own. */
export const settingsArea: Area = {
  name: "settings",
  ignoresNew: true,
  async look({ machine }) {
    const names = [...SINGLE, ...WHOLE.flatMap((path) => namesBelow(machine, path))];
    const found = names.flatMap((name) => {
      const value = valueOf(machine, name);
      return value === undefined ? [] : [[`kernel setting ${name}`, value] as const];
    });
    return Object.fromEntries(found);
  },
};

/** Kernel modules, loaded or built in. */
export const modulesArea: Area = {
  name: "modules",
  look: async ({ machine }) =>
    Object.fromEntries(
      MODULES.filter((name) => existsSync(placeOf(machine, `/sys/module/${name}`))).map((name) => [
        `kernel module ${name}`,
        "",
      ]),
    ),
};

/** Dotted names of all settings below a directory of /proc/sys. */
function namesBelow(machine: Machine, path: string): string[] {
  const dir = placeOf(machine, `/proc/sys/${path}`);
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const below = `${path}/${entry.name}`;
    // The dot of a VLAN's name is a slash there, as sysctl(8) has it.
    return entry.isDirectory() ? namesBelow(machine, below) : [dotted(below)];
  });
}

const dotted = (path: string) => path.replaceAll(/[./]/g, (sign) => (sign === "/" ? "." : "/"));

function valueOf(machine: Machine, name: string): string | undefined {
  const path = name.replaceAll(/[./]/g, (sign) => (sign === "." ? "/" : "."));
  try {
    return readFileSync(placeOf(machine, `/proc/sys/${path}`), "utf8")
      .trim()
      .replaceAll(/\s+/g, " ");
  } catch {
    // Not on this kernel, or one that can only be written.
    return undefined;
  }
}
