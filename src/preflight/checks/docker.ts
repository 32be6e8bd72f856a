import { paths } from "../../paths.ts";
import type { Check, CheckInput, Problem } from "../check.ts";
import { needsEngine, setting } from "../check.ts";
import { foreignRunning } from "../ours.ts";

/** The oldest version that these containers were meant for, as two numbers. */
const OLDEST = [19, 3] as const;

const DRIVERS: Readonly<Record<string, string>> = {
  aufs: "it is not in current kernels",
  devicemapper: "Docker has given it up",
  vfs: "it copies every layer as a whole",
};

/** Flags of dockerd whose keys in daemon.json nodelet writes. */
const OUR_FLAGS = /(?:^|\s)(--live-restore|--log-driver|--log-opt)(?=[\s=]|$)/g;

/** A host whose engine is used must have one. */
export const dockerMissing: Check = {
  code: "DockerMissing",
  level: "error",
  title: "Docker is installed, with its unit",
  run({ facts, node }) {
    // Without systemd nobody can say which units there are; that is a finding of its own.
    if (!facts.units || node.runtime === "bundled") return [];
    const load = facts.units.get("docker.service")?.load;
    if (load === "loaded") return [];
    if (load === "masked") {
      return [
        {
          message: "The unit docker.service is masked; expected one that can be started",
          hint: "run systemctl unmask docker.service docker.socket",
        },
      ];
    }
    const found = facts.engine
      ? `Docker ${facts.engine.version} runs, but systemd has no unit docker.service`
      : "Docker is not installed: there is no unit docker.service and nothing answers on its socket";
    return [
      {
        message: `${found}; expected Docker 19.03 or later as docker.service`,
        hint: "install it (Debian, Ubuntu: apt-get install docker.io), or use a bundle that brings a container runtime",
      },
    ];
  },
};

/** Two engines cannot listen on one socket, and who wins is chance at every boot. */
export const engineTwice: Check = {
  code: "EngineTwice",
  level: "error",
  title: "the bundle's engine is the only one",
  run({ facts, node, installed }) {
    if (node.runtime !== "bundled") return [];
    const unit = facts.units?.get("docker.service");
    const foreign = facts.engine !== undefined && !installed;
    if (!unit?.active && !foreign) return [];
    const who = unit?.active ? "docker.service runs" : `Docker ${facts.engine?.version} answers`;
    return [
      {
        message: `The bundle's container engine is to be used, but ${who} on this host; expected no other engine`,
        hint: `${setting("containerRuntime")} to host, or run systemctl disable --now docker.service docker.socket`,
      },
    ];
  },
};

/** Can be told only of a running engine. */
export const dockerTooOld: Check = {
  code: "DockerTooOld",
  level: "error",
  title: "Docker is recent enough",
  unseen: needsEngine,
  run({ facts }) {
    const version = facts.engine?.version;
    const [, major, minor] = /^(\d+)\.(\d+)/.exec(version ?? "")?.map(Number) ?? [];
    if (major === undefined || minor === undefined) return [];
    if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return [];
    return [
      {
        message: `Docker is version ${version}; expected 19.03 or later`,
        hint: "upgrade the packages of Docker on this host",
      },
    ];
  },
};

/** A driver that cannot be changed, or only at the cost of others. */
export const cgroupDriverMismatch: Check = {
  code: "CgroupDriverMismatch",
  level: "error",
  title: "Docker's cgroup driver is, or can be made, the wanted one",
  run(input) {
    const { facts, config } = input;
    const wanted = config.dockerCgroupDriver;
    if (wanted === "auto") return [];
    const orAuto = `${setting("dockerCgroupDriver")} to auto`;
    const fixed = driverIn(facts.dockerd);
    // Even the same value is too much: Docker does not start with an option in both places.
    if (fixed) {
      return [
        {
          message: `Docker's cgroup driver is fixed to ${fixed} on the command line of dockerd; expected no native.cgroupdriver there, so that daemon.json can set ${wanted}`,
          hint: `remove it from docker.service (systemctl edit --full docker.service), or ${orAuto}`,
        },
      ];
    }
    return othersInTheWay(input, { wanted, orAuto });
  },
};

function othersInTheWay(
  input: CheckInput,
  { wanted, orAuto }: { wanted: string; orAuto: string },
): Problem[] {
  const { engine, daemonJson } = input.facts;
  const set = driverIn(daemonJson ?? "");
  const others = foreignRunning(input).map(({ name }) => name);
  if (!engine || engine.cgroupDriver === wanted || !set || set === wanted || others.length === 0) return [];
  return [
    {
      message: `Docker's cgroup driver is ${engine.cgroupDriver}, set in ${paths.daemonJson}, and containers run with it: ${others.join(", ")}; expected ${wanted}`,
      hint: `stop them first (docker stop ${others.join(" ")}), or ${orAuto}`,
    },
  ];
}

function driverIn(text: string): string | undefined {
  return /native\.cgroupdriver=(\w+)/.exec(text)?.[1];
}

/** Docker does not start when a setting is both on its command line and in daemon.json. */
export const dockerFlags: Check = {
  code: "DockerFlags",
  level: "error",
  title: "dockerd's command line leaves daemon.json its settings",
  run({ facts }) {
    const flags = [...new Set([...facts.dockerd.matchAll(OUR_FLAGS)].map((match) => match[1]))];
    if (flags.length === 0) return [];
    return [
      {
        message: `dockerd is started with ${flags.join(", ")}; expected these settings in ${paths.daemonJson}, since Docker does not start with one in both places`,
        hint: `move them from docker.service (systemctl edit --full docker.service) to ${paths.daemonJson}`,
      },
    ];
  },
};

/** nodelet adds to daemon.json, so it must be able to read it. */
export const daemonJsonInvalid: Check = {
  code: "DaemonJsonInvalid",
  level: "error",
  title: "daemon.json can be read",
  run({ facts }) {
    if (!facts.daemonJson?.trim() || isJsonObject(facts.daemonJson)) return [];
    return [
      {
        message: `"${paths.daemonJson}" is not a JSON object; expected settings of Docker`,
        hint: "correct or remove it",
      },
    ];
  },
};

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === "object" && !Array.isArray(value);
  } catch {
    return false;
  }
}

/** Works, but not for long or not well. */
export const storageDriver: Check = {
  code: "StorageDriver",
  level: "warning",
  title: "Docker's storage driver is a current one",
  unseen: needsEngine,
  run({ facts }) {
    const driver = facts.engine?.storageDriver ?? "";
    const why = DRIVERS[driver];
    if (!why) return [];
    return [
      {
        message: `Docker's storage driver is ${driver}; expected overlay2: ${why}`,
        hint: `set "storage-driver": "overlay2" in ${paths.daemonJson} and run systemctl restart docker; its images must be loaded again`,
      },
    ];
  },
};
