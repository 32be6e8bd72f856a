// nodelet beside kubeadm of the same build, on identical lab hosts with images loaded, one after the other, several times.
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { assembleStack } from "./assemble.ts";
import { kubeadmCerts, kubeadmInit, kubeadmReset, must, prepareKubeadm, timed } from "./benchmark/kubeadm.ts";
import { measureHealing } from "./benchmark/heal.ts";
import { type InitRun, nodeletInit, nodeletTime, startMs } from "./benchmark/nodelet.ts";
import { markdown, median, spread } from "./benchmark/table.ts";
import { buildProgram } from "./build.ts";
import { type LabHost, startHost } from "./lab/host.ts";
import { Cache } from "./lib/cache.ts";
import { elapsed, requireRoot, runScript, say } from "./lib/progress.ts";

const top = join(import.meta.dir, "..");
const LOAD_ALL = "for i in /srv/stack/images/*.tar; do docker load -q -i $i || exit 1; done";

const HELP = `Usage: scripts/bench [--rounds N] [--heal [--idle S]]

Measures nodelet beside kubeadm on lab hosts and prints tables in Markdown: medians, spread, ratios.
  --rounds N   how often each is measured (default: 5)
  --heal       instead: how long both take to be well again, and what nodeletd takes when idle
  --idle S     with --heal: seconds of idleness (default: 600)
`;

/** All that was measured; seconds, MB or milliseconds by name. */
interface Measured {
  kubeadmInit: number[];
  kubeadmReset: number[];
  kubeadmCerts: number[];
  init: InitRun[];
  /** Init where Docker has no log limits, and starts anew. */
  bareInit: number[];
  reset: number[];
  again: number[];
  status: number[];
  rawLoad: number[];
  load: number[];
  nodeletStart: number[];
  kubeadmStart: number[];
  exeMb: number;
}

/**
 * Docker with limits for container logs, as the documentation of kubeadm has it set up before `kubeadm init`. Without them
 * nodelet sets its own, and Docker has to start anew: that is measured too.
 */
const LIMITS = { "log-driver": "json-file", "log-opts": { "max-size": "100m" } };

/** Sets Docker up on a host, and loads all images. @returns seconds of loading */
async function prepareDocker(host: LabHost): Promise<number> {
  const path = "/etc/docker/daemon.json";
  const settings = JSON.parse(await must(host, ["cat", path])) as object;
  await host.exec(["tee", path], { input: JSON.stringify({ ...settings, ...LIMITS }) });
  await must(host, ["systemctl", "restart", "docker"]);
  return await timed(() => must(host, ["sh", "-c", LOAD_ALL]));
}

/** The same after a power cut. */
const ADDRESSES = { "bench-kubeadm": "10.88.0.31", "bench-nodelet": "10.88.0.32" } as const;

/** A fresh lab host with the stack at hand and the program installed. */
async function freshHost(name: keyof typeof ADDRESSES): Promise<LabHost> {
  const host = await startHost({
    name,
    ip: ADDRESSES[name],
    shares: [{ source: join(top, "dist/stack"), target: "/srv/stack" }],
  });
  await host.copyIn(join(top, "dist/nodelet"), "/usr/local/bin/nodelet");
  return host;
}

/** The peer's turn: a host of its own, so that neither finds traces of the other. */
async function kubeadmRound(measured: Measured): Promise<void> {
  const host = await freshHost("bench-kubeadm");
  try {
    await prepareKubeadm(host);
    measured.rawLoad.push(await prepareDocker(host));
    measured.kubeadmCerts.push(await kubeadmCerts(host));
    measured.kubeadmStart.push(await startMs(host, ["kubeadm", "version"]));
    measured.kubeadmInit.push(await kubeadmInit(host));
    measured.kubeadmReset.push(await kubeadmReset(host));
  } finally {
    await host.remove();
  }
}

/** Our turn: an init that loads the images, for the rate; then one with the images loaded, for the time. */
async function nodeletRound(measured: Measured): Promise<void> {
  const host = await freshHost("bench-nodelet");
  try {
    const loading = await nodeletInit(host);
    measured.load.push(
      (loading.result.phases.find((phase) => phase.id === "048-load-images")?.ms ?? NaN) / 1000,
    );
    await nodeletTime(host, ["reset", "--yes"]);
    await must(host, ["sh", "-c", LOAD_ALL]);
    measured.bareInit.push((await nodeletInit(host)).seconds);
    await nodeletTime(host, ["reset", "--yes"]);
    await prepareDocker(host);
    measured.init.push(await nodeletInit(host));
    measured.again.push(await nodeletTime(host, ["init"]));
    measured.status.push(await nodeletTime(host, ["phases", "status"]));
    measured.nodeletStart.push(await startMs(host, ["nodelet", "version"]));
    measured.reset.push(await nodeletTime(host, ["reset", "--yes"]));
  } finally {
    await host.remove();
  }
}

async function healableNode(): Promise<LabHost> {
  const host = await freshHost("bench-nodelet");
  await nodeletInit(host);
  return host;
}

async function healablePeer(): Promise<LabHost> {
  const host = await freshHost("bench-kubeadm");
  await prepareKubeadm(host);
  await prepareDocker(host);
  await kubeadmInit(host);
  return host;
}

function report(m: Measured): string {
  const ratio = (ours: number[], theirs: number[]) => (median(ours) / median(theirs)).toFixed(2);
  const seconds = m.init.map((run) => run.seconds);
  const phaseMs = (id: string) =>
    m.init.map((run) => run.result.phases.find((phase) => phase.id === id)?.ms ?? 0);
  const pki = phaseMs("020-gen-certs").map((ms) => ms / 1000);
  const rows = [
    [
      "init, images loaded",
      spread(seconds, "s"),
      spread(m.kubeadmInit, "s"),
      ratio(seconds, m.kubeadmInit),
      "≤ 0.7",
    ],
    [
      "the same, Docker without log limits",
      spread(m.bareInit, "s"),
      spread(m.kubeadmInit, "s"),
      ratio(m.bareInit, m.kubeadmInit),
      "–",
    ],
    ["whole PKI", spread(pki, "s"), spread(m.kubeadmCerts, "s"), ratio(pki, m.kubeadmCerts), "≤ 1.5 s"],
    [
      "load of all images (peer: raw docker load)",
      spread(m.load, "s"),
      spread(m.rawLoad, "s"),
      ratio(m.load, m.rawLoad),
      "≤ 1.25",
    ],
    [
      "load when all is there",
      spread(
        phaseMs("048-load-images").map((ms) => ms / 1000),
        "s",
      ),
      "–",
      "–",
      "≤ 1 s",
    ],
    ["init again, nothing to do", spread(m.again, "s"), "–", "–", "≤ 3 s"],
    ["phases status", spread(m.status, "s"), "–", "–", "≤ 0.5 s"],
    ["reset", spread(m.reset, "s"), spread(m.kubeadmReset, "s"), ratio(m.reset, m.kubeadmReset), "≤ 15 s"],
    [
      "start of the program (version)",
      spread(m.nodeletStart, "ms"),
      spread(m.kubeadmStart, "ms"),
      ratio(m.nodeletStart, m.kubeadmStart),
      "≤ 20 ms",
    ],
    [
      "peak memory of init",
      spread(
        m.init.map((run) => run.result.peakMemoryMb),
        "MB",
      ),
      "–",
      "–",
      "≤ 200 MB",
    ],
    ["executable", spread([m.exeMb], "MB"), "–", "–", "≤ 120 MB"],
  ];
  const ids = m.init[0]?.result.phases.map((phase) => phase.id).sort() ?? [];
  const phases = ids.map((id) => [id, spread(phaseMs(id), "ms")]);
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? "unknown"}`;
  return `${new Date().toISOString().slice(0, 10)}, ${machine}, ${m.init.length} rounds: median (lowest–highest)

${markdown(["what", "nodelet", "kubeadm 1.20.2", "ratio", "goal"], rows)}

Where the time of init goes. Waits overlap, so the sum is more than the whole:

${markdown(["phase", "time"], phases)}
`;
}

await runScript(async () => {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "5" },
      heal: { type: "boolean", default: false },
      idle: { type: "string", default: "600" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return void process.stdout.write(HELP);
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`Cannot measure "${values.rounds}" rounds; expected 1 or more`);
  requireRoot("measure on lab hosts");
  const started = performance.now();
  const { bytes } = await buildProgram();
  await assembleStack({ out: join(top, "dist/stack"), cache: Cache.standard() });
  if (values.heal) {
    const nodes = { ours: healableNode, theirs: healablePeer };
    process.stdout.write(await measureHealing({ rounds, idleSeconds: Number(values.idle), ...nodes }));
    return;
  }
  const measured: Measured = {
    ...{
      kubeadmInit: [],
      kubeadmReset: [],
      kubeadmCerts: [],
      init: [],
      bareInit: [],
      reset: [],
      again: [],
      status: [],
    },
    ...{ rawLoad: [], load: [], nodeletStart: [], kubeadmStart: [], exeMb: bytes / 1e6 },
  };
  for (let round = 1; round <= rounds; round++) {
    await kubeadmRound(measured);
    await nodeletRound(measured);
    const last = { ours: measured.init.at(-1)?.seconds ?? NaN, theirs: measured.kubeadmInit.at(-1) ?? NaN };
    say(
      `[${round}/${rounds}] init ${last.ours.toFixed(1)} s, kubeadm init ${last.theirs.toFixed(1)} s, ${elapsed(started)}`,
    );
  }
  process.stdout.write(report(measured));
});
