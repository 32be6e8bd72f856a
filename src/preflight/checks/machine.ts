import type { Check } from "../check.ts";
import { setting } from "../check.ts";
import { sizeText } from "../../size-text.ts";

/** Before it the program was not written, so a clock that shows it is wrong. */
const EARLIEST = Date.UTC(2025, 0, 1);

/** What a control plane, etcd and a kubelet take, measured, with a little for a pod. */
const ENOUGH_MEMORY = 1700 * 2 ** 20;

/** Only root may do what init does. */
export const notRoot: Check = {
  code: "NotRoot",
  level: "error",
  title: "nodelet runs as root",
  // Looking is for everybody.
  unseen: ({ facts, looking }) => (looking && facts.uid !== 0 ? "init itself must run as root" : undefined),
  run: ({ facts }) =>
    facts.uid === 0
      ? []
      : [
          {
            message: `nodelet runs as the user with id ${facts.uid}; expected root (0)`,
            hint: "run it with sudo",
          },
        ],
};

/** Units are how the kubelet is run. */
export const systemdMissing: Check = {
  code: "SystemdMissing",
  level: "error",
  title: "systemd is the init system",
  run: ({ facts }) =>
    facts.systemd
      ? []
      : [
          {
            message: `systemd does not run on this host: process 1 is "${facts.init}"; expected systemd with /run/systemd/system`,
            hint: "use a host that was booted with systemd",
          },
        ],
};

/** Certificates made now would be of the past when the clock is set. */
export const clockWrong: Check = {
  code: "ClockWrong",
  level: "error",
  title: "the clock shows a possible time",
  run: ({ facts }) =>
    facts.now >= EARLIEST
      ? []
      : [
          {
            message: `The clock shows ${new Date(facts.now).toISOString()}; expected a time after ${new Date(EARLIEST).toISOString()}`,
            hint: 'set it: timedatectl set-time "YYYY-MM-DD hh:mm:ss"',
          },
        ],
};

/** Less memory works until the first pods come. */
export const memoryLow: Check = {
  code: "MemoryLow",
  level: "warning",
  title: "there is memory for the control plane",
  run({ facts }) {
    if (facts.memoryBytes === undefined || facts.memoryBytes >= ENOUGH_MEMORY) return [];
    return [
      {
        message: `The host has ${sizeText(facts.memoryBytes)} of memory; expected at least ${sizeText(ENOUGH_MEMORY)}`,
        hint: "give it more, or expect the kernel to end pods when memory is short",
      },
    ];
  },
};

/** One processor works, slowly. */
export const cpusFew: Check = {
  code: "CpusFew",
  level: "warning",
  title: "there are two processors",
  run: ({ facts }) =>
    facts.cpus >= 2
      ? []
      : [
          {
            message: `The host has ${facts.cpus} processor; expected at least 2`,
            hint: "give it more, or expect a slow start",
          },
        ],
};

/** The kubelet does not start with swap on. */
export const swapOn: Check = {
  code: "SwapOn",
  level: "error",
  title: "swap is off",
  run({ facts, config }) {
    if (config.allowSwap || facts.swaps.length === 0) return [];
    return [
      {
        message: `Swap is on: ${facts.swaps.join(", ")}; expected none`,
        hint: `run swapoff -a and remove it from /etc/fstab, or ${setting("allowSwap")}`,
      },
    ];
  },
};

/** Bind mounts of containers need labels that nodelet does not set. */
export const seLinuxEnforcing: Check = {
  code: "SELinuxEnforcing",
  level: "warning",
  title: "SELinux does not enforce",
  run: ({ facts }) =>
    facts.seLinuxEnforcing
      ? [
          {
            message:
              "SELinux is enforcing; expected permissive or disabled, since it may keep containers from their files",
            hint: "run setenforce 0 and set SELINUX=permissive in /etc/selinux/config",
          },
        ]
      : [],
};

/** firewalld refuses what it does not know and writes its rules anew when it is reloaded. */
export const firewalldActive: Check = {
  code: "FirewalldActive",
  level: "warning",
  title: "firewalld does not run",
  run: ({ facts, config }) =>
    facts.units?.get("firewalld.service")?.active
      ? [
          {
            message: `firewalld is active; expected it off, or open for the node: TCP ${config.apiPort} and 10250, and all from pods`,
            hint: `run systemctl disable --now firewalld, or firewall-cmd --permanent --add-port=${config.apiPort}/tcp --add-port=10250/tcp, firewall-cmd --permanent --zone=trusted --add-source=${config.containersCidr} and firewall-cmd --reload`,
          },
        ]
      : [],
};
