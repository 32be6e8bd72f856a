import { existsSync } from "node:fs";
import type { Kind } from "../kind.ts";
import type { Machine } from "../machine.ts";
import { ourChains, removalScript } from "../iptables.ts";

/** The label that the kubelet puts on every container it makes. */
export const POD_LABEL = "io.kubernetes.pod.uid";

/** Firewall chains that the programs we start make: all whose names begin so. */
export interface ChainsWanted {
  /** For example `KUBE-`. */
  prefix: string;
}

/** A network interface that a program we start makes. */
export interface InterfaceWanted {
  name: string;
}

/** All containers that the kubelet makes. */
export interface PodContainersWanted {
  owner: "kubelet";
}

const nothing = { from: "", to: "" };

/** Claims of iptables chains, v4 and v6. */
export const chainsKind: Kind<ChainsWanted, { present: boolean }> = {
  key: (wanted) => wanted.prefix,
  read: async (machine, wanted) => {
    const tables = await Promise.all(families(machine).map((family) => save(machine, family)));
    return { present: tables.some((text) => ourChains(text, wanted.prefix).length > 0) };
  },
  same: () => true,
  async apply() {},
  async restore(machine, { key, before }) {
    if (before.present) return;
    for (const family of families(machine)) {
      const script = removalScript(await save(machine, family), key);
      if (script) await machine.run([`${family}-restore`, "--noflush", "--wait", "5"], { input: script });
    }
  },
  describe: () => nothing,
};

function families(machine: Machine): string[] {
  if (machine.root !== "/") return [];
  return existsSync("/proc/net/if_inet6") ? ["iptables", "ip6tables"] : ["iptables"];
}

async function save(machine: Machine, family: string): Promise<string> {
  // A host without the program, or without that family in its kernel, has no rules of ours.
  const result = await machine.run([`${family}-save`], { check: false }).catch(() => undefined);
  return result?.exitCode === 0 ? result.stdout : "";
}

/** Interfaces that a kernel module brings by itself: they cannot be deleted, and go with it. */
const OF_MODULE: Readonly<Record<string, string>> = { tunl0: "ipip" };

/** Claims of network interfaces. */
export const interfaceKind: Kind<InterfaceWanted, { present: boolean }> = {
  key: (wanted) => wanted.name,
  read: async (_machine, wanted) => ({ present: existsSync(`/sys/class/net/${wanted.name}`) }),
  same: () => true,
  async apply() {},
  async restore(machine, { key, before }) {
    if (before.present || !existsSync(`/sys/class/net/${key}`)) return;
    const module = OF_MODULE[key];
    await machine.run(module ? ["modprobe", "-r", module] : ["ip", "link", "delete", key]);
  },
  describe: () => nothing,
};

/** Claim of the pods' containers. */
export const podContainersKind: Kind<PodContainersWanted, { ids: string[] }> = {
  key: (wanted) => wanted.owner,
  read: async (machine) => ({ ids: (await podContainers(machine)).map((container) => container.id) }),
  same: () => true,
  async apply() {},
  async restore(machine, { before }) {
    await removePodContainers(machine, { keep: before.ids });
  },
  describe: () => nothing,
};

async function podContainers(machine: Pick<Machine, "docker">) {
  return (await machine.docker.alive()) ? await machine.docker.list([POD_LABEL]) : [];
}

/**
 * Removes containers that the kubelet made, all at once.
 *
 * @param options `keep`: ids that stay; `pod`: only containers of pods whose name begins so
 */
export async function removePodContainers(
  machine: Pick<Machine, "docker">,
  options: { keep?: readonly string[]; pod?: string } = {},
): Promise<number> {
  const containers = (await podContainers(machine)).filter(
    (container) =>
      !options.keep?.includes(container.id) &&
      (!options.pod || container.labels["io.kubernetes.pod.name"]?.startsWith(options.pod)),
  );
  await Promise.all(containers.map((container) => machine.docker.remove(container.id)));
  return containers.length;
}
