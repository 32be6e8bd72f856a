import { type Cidr, contains, parseAddress, parseCidr } from "../../config/net.ts";
import { paths } from "../../paths.ts";
import type { Check, CheckInput } from "../check.ts";

/** Services that set the clock, by any of their names. */
const TIME_SERVICES = /^(systemd-timesyncd|chronyd?|ntpd?|ntpsec|openntpd|phc2sys)\.service$/;

/** Instances that one user may have: the kubelet, systemd and every pod that watches files are the same one, root. */
const LEAST: Readonly<Record<string, number>> = {
  "fs.inotify.max_user_instances": 128,
  "fs.inotify.max_user_watches": 8192,
};

/** The kubelet's unit asks for so many open files; all processes together need more. */
const OPEN_FILES: Readonly<Record<string, number>> = { "fs.nr_open": 1_048_576, "fs.file-max": 200_000 };

/** A clock that nobody sets goes wrong by seconds a day. */
export const timeNotSynced: Check = {
  code: "TimeNotSynced",
  level: "warning",
  title: "a time service runs",
  unseen: ({ facts }) => (facts.activeUnits ? undefined : "systemd does not answer"),
  run({ facts }) {
    if (facts.container || [...(facts.activeUnits ?? [])].some((unit) => TIME_SERVICES.test(unit))) return [];
    return [
      {
        message:
          "No time service is active; expected systemd-timesyncd, chrony or ntp, since certificates and a second node need the right time",
        hint: "run systemctl enable --now systemd-timesyncd (or chrony) with a time server of yours; without one, set the clock by hand before init and now and then",
      },
    ];
  },
};

/** systemd, Docker and the kubelet tell hosts apart by it. */
export const machineId: Check = {
  code: "MachineId",
  level: "warning",
  title: "the host has a machine id",
  run({ facts: { machineId: id } }) {
    if (id !== undefined && /^[0-9a-f]{32}$/.test(id)) return [];
    const found = id === undefined ? "is missing" : id === "" ? "is empty" : `holds "${id.slice(0, 40)}"`;
    return [
      {
        message: `/etc/machine-id ${found}; expected 32 hex digits that no other host has`,
        hint: "run systemd-machine-id-setup",
      },
    ];
  },
};

/** A kubelet that may watch no more files does not see its static pods. */
export const inotifyLow: Check = {
  code: "InotifyLow",
  level: "warning",
  title: "there are inotify watches for the kubelet and for pods",
  run: (input) => lowLimits(input, LEAST),
};

/** Too few open files end in errors of pods that nobody understands. */
export const openFilesLow: Check = {
  code: "OpenFilesLow",
  level: "warning",
  title: "enough files may be open",
  run: (input) => lowLimits(input, OPEN_FILES),
};

function lowLimits({ facts }: CheckInput, least: Readonly<Record<string, number>>) {
  return Object.entries(least).flatMap(([name, expected]) => {
    const found = facts.limits.get(name);
    if (found === undefined || found >= expected) return [];
    return [
      {
        message: `The kernel setting ${name} is ${found}; expected at least ${expected}`,
        hint: `write "${name} = ${expected}" to /etc/sysctl.d/90-node.conf and run sysctl --system`,
      },
    ];
  });
}

/** Traffic of the node that goes to a proxy comes nowhere. */
export const proxyForAll: Check = {
  code: "ProxyForAll",
  level: "warning",
  title: "systemd sends no unit's traffic for the node to a proxy",
  run({ facts, node, config }) {
    const proxies = [...facts.unitVariables].filter(([name]) => /^(https?|all)_proxy$/.test(name));
    if (proxies.length === 0) return [];
    const needed = [node.ip, config.containersCidr, config.servicesCidr];
    const given = (facts.unitVariables.get("no_proxy") ?? "").split(",").map((one) => one.trim());
    const missing = given.includes("*")
      ? []
      : needed.filter((one) => !given.some((other) => covers(other, one)));
    if (missing.length === 0) return [];
    const all = [...given.filter((one) => one !== ""), ...missing].join(",");
    return [
      {
        message: `systemd gives ${proxies.map(([name]) => name).join(", ")} to every unit, and no_proxy leaves out ${missing.join(", ")}; expected the node's own networks in it`,
        hint: `write [Manager] and DefaultEnvironment="NO_PROXY=${all}" "no_proxy=${all}" to /etc/systemd/system.conf.d/90-no-proxy.conf and run systemctl daemon-reexec`,
      },
    ];
  },
};

function covers(outer: string, inner: string): boolean {
  if (outer === inner) return true;
  const block = parseCidr(outer);
  const part: Cidr | ReturnType<typeof parseAddress> = parseCidr(inner) ?? parseAddress(inner);
  return block !== undefined && part !== undefined && contains(block, part);
}

/** Says no to every program that it does not know, and it knows those of packages only. */
export const fapolicydActive: Check = {
  code: "FapolicydActive",
  level: "warning",
  title: "no policy keeps new programs from being run",
  unseen: ({ facts }) => (facts.activeUnits ? undefined : "systemd does not answer"),
  run: ({ facts }) =>
    facts.activeUnits?.has("fapolicyd.service")
      ? [
          {
            message: `fapolicyd is active; expected it off, or told to trust the programs in /opt/pf9 and ${paths.cniBinDir}`,
            hint: `write "allow perm=any all : dir=/opt/pf9/" and "allow perm=any all : dir=${paths.cniBinDir}/" to /etc/fapolicyd/rules.d/30-nodelet.rules and run fagenrules --load, or run systemctl disable --now fapolicyd`,
          },
        ]
      : [],
};
