import type { Check } from "../check.ts";
import { needsEngine } from "../check.ts";

/** What the kernel calls the platforms of bundles. */
const MACHINES: Readonly<Record<string, readonly string[]>> = {
  "linux/amd64": ["x86_64"],
  "linux/arm64": ["aarch64", "arm64"],
};

/**
 * Docker's overlay2 needs 4.0; since 4.18 the two kinds of iptables may translate addresses side by side, as those of the
 * host and of kube-proxy's image do.
 *
 * @see https://docs.docker.com/engine/storage/drivers/overlayfs-driver/#prerequisites
 * @see https://wiki.nftables.org/wiki-nftables/index.php/Performing_Network_Address_Translation_(NAT)#Incompatibilities
 */
const OLDEST_KERNEL = [4, 18] as const;

/** The first Docker that knows the one hierarchy. */
const FIRST_FOR_V2 = [20, 10] as const;

/**
 * The programs of a bundle are for the first level of their architecture (Go's GOAMD64=v1, Debian's amd64), so a processor
 * that this program runs on has all they need; an emulated one is not what they are for.
 */
export const architecture: Check = {
  code: "Architecture",
  level: "error",
  title: "the processor is of the architecture of this program",
  run({ facts, node }) {
    const expected = MACHINES[node.platform];
    if (!expected || expected.includes(facts.machine)) return [];
    return [
      {
        message: `The kernel runs on ${facts.machine}, and this program is for ${node.platform}; expected ${expected[0]}`,
        hint: `use the nodelet and the bundle for ${facts.machine}, or another host`,
      },
    ];
  },
};

/** What containers and services are made of is in later kernels. */
export const kernelTooOld: Check = {
  code: "KernelTooOld",
  level: "error",
  title: "the kernel is recent enough",
  run({ facts }) {
    const found = versionOf(facts.kernel);
    if (!found || atLeast(found, OLDEST_KERNEL)) return [];
    return [
      {
        message: `The kernel is version ${facts.kernel}; expected ${OLDEST_KERNEL.join(".")} or later`,
        hint: "boot a later kernel of the distribution",
      },
    ];
  },
};

/** An engine from before the one hierarchy starts no container in it. */
export const cgroupVersion: Check = {
  code: "CgroupVersion",
  level: "error",
  title: "Docker knows the kernel's cgroup version",
  unseen: needsEngine,
  run({ facts }) {
    const found = versionOf(facts.engine?.version ?? "");
    if (facts.cgroupVersion === 1 || !found || atLeast(found, FIRST_FOR_V2)) return [];
    return [
      {
        message: `The host has cgroup version 2, which Docker ${facts.engine?.version} does not know; expected Docker ${FIRST_FOR_V2.join(".")} or later, or version 1`,
        hint: "upgrade the packages of Docker, or boot with systemd.unified_cgroup_hierarchy=0 on the kernel command line",
      },
    ];
  },
};

function versionOf(text: string): [number, number] | undefined {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(text) ?? [];
  return major === undefined || minor === undefined ? undefined : [Number(major), Number(minor)];
}

function atLeast([major, minor]: [number, number], [least, leastMinor]: readonly [number, number]): boolean {
  return major > least || (major === least && minor >= leastMinor);
}
