import { elapsed, say } from "../lib/progress.ts";
import { dockerHost, SIGNED, STACK } from "./hosts.ts";
import { kubeadmCerts, kubeadmInit, kubeadmReset, must, prepareKubeadm } from "./kubeadm.ts";
import {
  heading,
  type InitRun,
  nodeletInit,
  nodeletTime,
  peakMb,
  phaseMs,
  phaseTable,
  startMs,
} from "./nodelet.ts";
import { loadAll, prepareDocker } from "./prepare.ts";
import { type Figure, figureRow, markdown } from "./table.ts";

/** What one round of the peer gave: seconds, and milliseconds of `kubeadm version`. */
interface PeerRound {
  rawLoad: number;
  certs: number;
  startMs: number;
  init: number;
  reset: number;
}

/** What one round of ours gave: seconds, and milliseconds of `nodelet version`. */
interface OurRound {
  load: number;
  /** Init where Docker has no log limits, and starts anew. */
  limitless: number;
  init: InitRun;
  again: number;
  status: number;
  startMs: number;
  reset: number;
}

/** The peer's turn: a host of its own, so that neither finds traces of the other. */
async function kubeadmRound(): Promise<PeerRound> {
  const host = await dockerHost("bench-kubeadm");
  try {
    await prepareKubeadm(host);
    return {
      rawLoad: await prepareDocker(host),
      certs: await kubeadmCerts(host),
      startMs: await startMs(host, ["kubeadm", "version"]),
      init: await kubeadmInit(host),
      reset: await kubeadmReset(host),
    };
  } finally {
    await host.remove();
  }
}

/** Our turn: an init that loads the images, for the rate; then one with the images loaded, for the time. */
async function nodeletRound(): Promise<OurRound> {
  const host = await dockerHost("bench-nodelet");
  const init = () => nodeletInit(host, ["--bundle", SIGNED]);
  const reset = () => nodeletTime(host, ["reset", "--yes"]);
  try {
    const [load = NaN] = phaseMs([await init()], "048-load-images");
    await reset();
    await must(host, ["sh", "-c", loadAll(`${STACK}/images`)]);
    const limitless = (await init()).seconds;
    await reset();
    await prepareDocker(host);
    return {
      load: load / 1000,
      limitless,
      init: await init(),
      again: await nodeletTime(host, ["init"]),
      status: await nodeletTime(host, ["phases", "status"]),
      startMs: await startMs(host, ["nodelet", "version"]),
      reset: await reset(),
    };
  } finally {
    await host.remove();
  }
}

/**
 * Measures nodelet beside kubeadm of the same build on hosts with Docker, one after the other, fresh for every round.
 *
 * @param options `exeMb`: size of the program alone
 * @returns tables in Markdown
 * @throws when a command on a host fails
 */
export async function measureBoth({ rounds, exeMb }: { rounds: number; exeMb: number }): Promise<string> {
  const started = performance.now();
  const theirs: PeerRound[] = [];
  const ours: OurRound[] = [];
  for (let round = 1; round <= rounds; round++) {
    const peer = await kubeadmRound();
    const own = await nodeletRound();
    theirs.push(peer);
    ours.push(own);
    const times = `init ${own.init.seconds.toFixed(1)} s, kubeadm init ${peer.init.toFixed(1)} s`;
    say(`[${round}/${rounds}] ${times}, ${elapsed(started)}`);
  }
  const runs = ours.map(({ init }) => init);
  const figures = [...initFigures(ours, theirs), ...otherFigures(ours, { theirs, exeMb })];
  return `${heading(rounds)}

${markdown(["what", "nodelet", "kubeadm 1.20.2", "ratio", "goal"], figures.map(figureRow))}

Where the time of init goes. Waits overlap, so the sum is more than the whole:

${phaseTable(runs)}
`;
}

function initFigures(ours: readonly OurRound[], theirs: readonly PeerRound[]): Figure[] {
  const runs = ours.map(({ init }) => init);
  const phaseSeconds = (id: string) => phaseMs(runs, id).map((ms) => ms / 1000);
  const peer = theirs.map(({ init }) => init);
  return [
    {
      what: "init, images loaded",
      unit: "s",
      ours: runs.map(({ seconds }) => seconds),
      theirs: peer,
      goal: "≤ 0.7",
    },
    {
      what: "the same, Docker without log limits",
      unit: "s",
      ours: ours.map(({ limitless }) => limitless),
      theirs: peer,
    },
    {
      what: "whole PKI",
      unit: "s",
      ours: phaseSeconds("020-gen-certs"),
      theirs: theirs.map(({ certs }) => certs),
      goal: "≤ 1.5 s",
    },
    {
      what: "load of all images (peer: raw docker load)",
      unit: "s",
      ours: ours.map(({ load }) => load),
      theirs: theirs.map(({ rawLoad }) => rawLoad),
      goal: "≤ 1.25",
    },
    { what: "load when all is there", unit: "s", ours: phaseSeconds("048-load-images"), goal: "≤ 1 s" },
  ];
}

function otherFigures(
  ours: readonly OurRound[],
  { theirs, exeMb }: { theirs: readonly PeerRound[]; exeMb: number },
): Figure[] {
  return [
    {
      what: "init again, nothing to do",
      unit: "s",
      ours: ours.map(({ again }) => again),
      goal: "≤ 3 s",
    },
    { what: "phases status", unit: "s", ours: ours.map(({ status }) => status), goal: "≤ 0.5 s" },
    {
      what: "reset",
      unit: "s",
      ours: ours.map(({ reset }) => reset),
      theirs: theirs.map(({ reset }) => reset),
      goal: "≤ 15 s",
    },
    {
      what: "start of the program (version)",
      unit: "ms",
      ours: ours.map((round) => round.startMs),
      theirs: theirs.map((round) => round.startMs),
      goal: "≤ 20 ms",
    },
    {
      what: "peak memory of init",
      unit: "MB",
      ours: ours.map(({ init }) => peakMb(init)),
      goal: "≤ 200 MB",
    },
    { what: "executable", unit: "MB", ours: [exeMb], goal: "≤ 120 MB" },
  ];
}
