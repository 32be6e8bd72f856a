import { APPLIANCE } from "../appliance.ts";
import type { LabHost } from "../lab/host.ts";
import { elapsed, say } from "../lib/progress.ts";
import { bareHost, copyAppliance } from "./hosts.ts";
import { must, timed } from "./kubeadm.ts";
import {
  heading,
  type InitRun,
  insideSeconds,
  nodeletInit,
  nodeletTime,
  peakMb,
  peakMemory,
  phaseMs,
  phaseTable,
} from "./nodelet.ts";
import { loadAll } from "./prepare.ts";
import { type Figure, figureRow, markdown } from "./table.ts";

/** What one round on fresh bare hosts gave. */
export interface BareRound {
  /** Seconds until the file is on the host. */
  copy: number;
  init: InitRun;
  /** Seconds of `nodelet preflight`, which reads and verifies the whole bundle as init does. */
  preflight: number;
  /** MB/s of `nodelet bundle verify`. */
  verifyRate: number;
  /** Seconds of `docker load`, one archive after the other. */
  rawLoad: number;
  /** MB resident at most in a start that loads all images. */
  loadMemory: number;
  /** Seconds. */
  reset: number;
}

/** Where the archives and the engine's data lie on the host of the peer: on a real disk, as those of init do. */
const BY_HAND = "/var/opt/pf9";

/** The engine of the bundle as somebody without nodelet would bring it up. */
const ENGINE = `mkdir -p /opt/pf9 && cp -r ${BY_HAND}/runtime/* /opt/pf9/ && sync
exec systemd-run --quiet --unit bench-docker --property Type=notify --property NotifyAccess=main --setenv PATH=/opt/pf9/bin:/usr/sbin:/usr/bin \
  /opt/pf9/bin/dockerd --data-root ${BY_HAND}/docker --storage-driver overlay2 --bridge none --iptables=false`;

const LOAD = loadAll(`${BY_HAND}/images`, "/opt/pf9/bin/docker");

/** Leaves the engine without an image: the pins are containers. */
const EMPTY = `PATH=/opt/pf9/bin:$PATH; docker rm -f $(docker ps -aq) && docker image rm -f $(docker image ls -q) && [ -z "$(docker image ls -q)" ]`;

/** One init from the copy on, one more load, and a reset. */
async function applianceRound(): Promise<Omit<BareRound, "preflight" | "verifyRate" | "rawLoad">> {
  return await onHost("bench-bare", async (host) => {
    const copy = await timed(() => copyAppliance(host));
    const init = await nodeletInit(host);
    await must(host, ["nodelet", "phases", "stop", "-p", "load-images"]);
    await must(host, ["sh", "-c", EMPTY]);
    const loadMemory = await peakMemory(host, ["nodelet", "phases", "start", "-p", "load-images"]);
    const reset = await nodeletTime(host, ["reset", "--yes"]);
    return { copy, init, loadMemory, reset };
  });
}

/** What needs a host without a node: looking at it, and the engine by hand. */
async function rawRound(): Promise<Pick<BareRound, "preflight" | "verifyRate" | "rawLoad">> {
  return await onHost("bench-raw", async (host) => {
    await copyAppliance(host);
    const preflight = await insideSeconds(host, ["nodelet", "preflight"]);
    const verified = await must(host, ["nodelet", "bundle", "verify", "-o", "json"]);
    const { bytes, ms } = JSON.parse(verified) as { bytes: number; ms: number };
    await must(host, ["nodelet", "bundle", "extract", "--to", BY_HAND]);
    await must(host, ["sh", "-c", ENGINE]);
    const rawLoad = await insideSeconds(host, ["sh", "-c", LOAD]);
    return { preflight, verifyRate: bytes / 1000 / ms, rawLoad };
  });
}

async function onHost<T>(
  name: Parameters<typeof bareHost>[0],
  work: (host: LabHost) => Promise<T>,
): Promise<T> {
  const host = await bareHost(name);
  try {
    return await work(host);
  } finally {
    await host.remove();
  }
}

/**
 * Measures the appliance on bare lab hosts, fresh for every round.
 *
 * @returns tables in Markdown
 * @throws when a command on a host fails
 */
export async function measureBare({ rounds }: { rounds: number }): Promise<string> {
  const started = performance.now();
  const measured: BareRound[] = [];
  for (let round = 1; round <= rounds; round++) {
    measured.push({ ...(await rawRound()), ...(await applianceRound()) });
    const { copy, init } = measured.at(-1) as BareRound;
    say(
      `[${round}/${rounds}] bare host: Ready ${(copy + init.seconds).toFixed(1)} s after the copy began, ${elapsed(started)}`,
    );
  }
  return bareReport(measured, { applianceMb: Bun.file(APPLIANCE).size / 1e6 });
}

/** The figures of all rounds as tables in Markdown. @param about `applianceMb`: size of the one file */
export function bareReport(rounds: readonly BareRound[], { applianceMb }: { applianceMb: number }): string {
  const figures = [
    ...timesOf(rounds),
    { what: "verify", unit: "MB/s", ours: rounds.map(({ verifyRate }) => verifyRate), goal: "≥ 500 MB/s" },
    ...memoryOf(rounds),
    { what: "reset", unit: "s", ours: rounds.map(({ reset }) => reset), goal: "≤ 15 s" },
    { what: "appliance", unit: "MB", ours: [applianceMb], goal: "≤ 350 MB" },
  ];
  return `The appliance on a bare host: no Docker, no default route, no name server.
${heading(rounds.length)}

${markdown(["what", "nodelet", "peer", "ratio", "goal"], figures.map(figureRow))}

Where the time of init goes there. Waits overlap, so the sum is more than the whole:

${phaseTable(rounds.map(({ init }) => init))}
`;
}

/** From the copy to Ready, and the stretches of it, which follow one another. */
function timesOf(rounds: readonly BareRound[]): Figure[] {
  const seconds = rounds.map(({ init }) => {
    const of = (id: string) => (phaseMs([init], id)[0] ?? NaN) / 1000;
    return {
      engine: of("040-docker-configure") + of("045-docker-start"),
      load: of("048-load-images"),
    };
  });
  const rest = rounds.map(({ init, preflight }, at) => {
    const { engine = NaN, load = NaN } = seconds[at] ?? {};
    return init.seconds - preflight - engine - load;
  });
  return [
    {
      what: "copy of the file begun, to Ready and DNS answering",
      unit: "s",
      ours: rounds.map(({ copy, init }) => copy + init.seconds),
      goal: "≤ 45 s",
    },
    { what: "– copy", unit: "s", ours: rounds.map(({ copy }) => copy) },
    { what: "– preflight, bundle verified", unit: "s", ours: rounds.map(({ preflight }) => preflight) },
    {
      what: "– container engine installed and started",
      unit: "s",
      ours: seconds.map(({ engine }) => engine),
    },
    {
      what: "– all images loaded (peer: raw docker load)",
      unit: "s",
      ours: seconds.map(({ load }) => load),
      theirs: rounds.map(({ rawLoad }) => rawLoad),
      goal: "≤ 1.25",
    },
    { what: "– the rest: control plane, network, DNS", unit: "s", ours: rest },
  ];
}

function memoryOf(rounds: readonly BareRound[]): Figure[] {
  return [
    {
      what: "peak memory of init",
      unit: "MB",
      ours: rounds.map(({ init }) => peakMb(init)),
      goal: "≤ 150 MB",
    },
    {
      what: "peak memory of a start that loads all images",
      unit: "MB",
      ours: rounds.map(({ loadMemory }) => loadMemory),
      goal: "≤ 150 MB",
    },
  ];
}
