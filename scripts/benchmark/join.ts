import { elapsed, say } from "../lib/progress.ts";
import { waitFor } from "../lib/wait.ts";
import type { LabHost } from "../lab/host.ts";
import { bareHost, copyAppliance, copyProgram, dockerHost, SIGNED } from "./hosts.ts";
import { kubeadmInit, must, prepareKubeadm, timed } from "./kubeadm.ts";
import { heading, nodeletInit } from "./nodelet.ts";
import { prepareDocker } from "./prepare.ts";
import { type Figure, figureRow, markdown } from "./table.ts";

/** What one round gave, in seconds. */
interface JoinRound {
  kubeadm: number;
  worker: number;
  master: number;
  /** A bare host with the program alone: the bundle comes over the network. */
  streamed: number;
  /** Of that, the stream itself. */
  stream: number;
  /** As many bytes from file to file over plain TCP between the same hosts. */
  raw: number;
}

/** Pods on a bridge, which is all that makes a node of the peer Ready. */
const CONFLIST = JSON.stringify({
  cniVersion: "0.4.0",
  name: "bridge",
  plugins: [{ type: "bridge", bridge: "cni0", ipam: { type: "host-local", subnet: "10.20.9.0/24" } }],
});

const KUBECTL = ["/opt/pf9/bin/kubectl", "--kubeconfig", "/etc/pf9/kube.d/kubeconfigs/admin.yaml"];
const READY = '{.status.conditions[?(@.type=="Ready")].status}';

/** The peer: its own command to its end, which does not wait for Ready. */
async function kubeadmJoin(): Promise<number> {
  const master = await dockerHost("bench-kubeadm");
  const worker = await dockerHost("bench-kubeadm-worker");
  try {
    for (const host of [master, worker]) {
      await prepareKubeadm(host);
      await prepareDocker(host);
      await must(host, ["mkdir", "-p", "/etc/cni/net.d"]);
      await host.exec(["tee", "/etc/cni/net.d/10-bridge.conflist"], { input: CONFLIST });
    }
    await kubeadmInit(master);
    const command = (await must(master, ["kubeadm", "token", "create", "--print-join-command"])).trim();
    return await timed(() => must(worker, [...command.split(/\s+/), "--ignore-preflight-errors=all"]));
  } finally {
    await Promise.all([master, worker].map((host) => host.remove()));
  }
}

/** Ours on hosts with Docker and all images loaded, until the new node is Ready. */
async function nodeletJoins(): Promise<Pick<JoinRound, "worker" | "master">> {
  const first = await dockerHost("bench-nodelet");
  const worker = await dockerHost("bench-worker");
  const master = await dockerHost("bench-master");
  try {
    for (const host of [first, worker, master]) await prepareDocker(host);
    await nodeletInit(first, ["--bundle", SIGNED]);
    const args = ["--bundle", SIGNED];
    return {
      worker: await joinToReady(worker, { first, role: "worker", args }),
      master: await joinToReady(master, { first, role: "master", args }),
    };
  } finally {
    await Promise.all([first, worker, master].map((host) => host.remove()));
  }
}

async function joinToReady(
  host: LabHost,
  call: { first: LabHost; role: string; args?: string[]; told?: (stdout: string) => void },
): Promise<number> {
  const { first, role, args = [], told } = call;
  const token = await must(first, ["nodelet", "token", "create", "--role", role, "--quiet"]);
  return await timed(async () => {
    const argv = ["nodelet", "join", first.ip, "--token-file", "-", "-o", "json", ...args];
    const { stdout, stderr, exitCode } = await host.exec(argv, { input: token, timeoutMs: 300_000 });
    if (exitCode !== 0) throw new Error(`join of ${host.name} ended with ${exitCode}: ${stderr}`);
    told?.(stdout);
    const ready = () => must(first, [...KUBECTL, "get", "node", host.name, "-o", `jsonpath=${READY}`]);
    await waitFor(async () => ((await ready()) === "True" ? true : undefined), {
      what: "Ready",
      deadlineMs: 60_000,
    });
  });
}

/** Ours on bare hosts, the joiner with nothing but the program. */
async function streamedJoin(): Promise<Pick<JoinRound, "streamed" | "stream" | "raw">> {
  const first = await bareHost("bench-bare");
  const joiner = await bareHost("bench-joiner");
  try {
    await copyAppliance(first);
    await copyProgram(joiner);
    await nodeletInit(first);
    let streamed = { bytes: 0, ms: 0 };
    const told = (stdout: string) =>
      (streamed = (JSON.parse(stdout) as { streamed: typeof streamed }).streamed);
    const seconds = await joinToReady(joiner, { first, role: "worker", told });
    return {
      streamed: seconds,
      stream: streamed.ms / 1000,
      raw: await rawCopy(first, { joiner, bytes: streamed.bytes }),
    };
  } finally {
    await Promise.all([first, joiner].map((host) => host.remove()));
  }
}

/** Sends as many bytes from a file of the one host into a file of the other. @returns seconds, with the sync at its end */
async function rawCopy(
  first: LabHost,
  { joiner, bytes }: { joiner: LabHost; bytes: number },
): Promise<number> {
  const serve = await first.spawn([
    "sh",
    "-c",
    `head -c ${bytes} /opt/pf9/nodelet/nodeletd | /opt/pf9/bin/socat -u - TCP-LISTEN:7777,reuseaddr`,
  ]);
  await waitFor(
    async () => ((await must(first, ["cat", "/proc/net/tcp"])).includes(":1E61 ") ? true : undefined),
    {
      what: "the sender",
      deadlineMs: 10_000,
    },
  );
  const script = `cat </dev/tcp/${first.ip}/7777 >/opt/raw && sync /opt/raw && [ "$(stat -c %s /opt/raw)" = ${bytes} ]`;
  const seconds = await timed(() => must(joiner, ["bash", "-c", script]));
  await serve.exited;
  return seconds;
}

/**
 * Measures how nodes join: a worker beside the peer's, a further master, and a bare host that streams its bundle.
 *
 * @returns a table in Markdown
 */
export async function measureJoin({ rounds }: { rounds: number }): Promise<string> {
  const started = performance.now();
  const all: JoinRound[] = [];
  for (let round = 1; round <= rounds; round++) {
    const found = { kubeadm: await kubeadmJoin(), ...(await nodeletJoins()), ...(await streamedJoin()) };
    all.push(found);
    const words = `worker ${found.worker.toFixed(1)} s, kubeadm join ${found.kubeadm.toFixed(1)} s, master ${found.master.toFixed(1)} s`;
    say(`[${round}/${rounds}] ${words}, ${elapsed(started)}`);
  }
  const of = (key: keyof JoinRound) => all.map((round) => round[key]);
  const figures: Figure[] = [
    {
      what: "worker joins, to Ready (peer: kubeadm join)",
      unit: "s",
      ours: of("worker"),
      theirs: of("kubeadm"),
      goal: "≤ 0.5",
    },
    { what: "master joins, to Ready", unit: "s", ours: of("master"), goal: "≤ 40 s" },
    { what: "worker joins a bare host with the program alone, to Ready", unit: "s", ours: of("streamed") },
    {
      what: "of that, the stream (peer: plain TCP, file to file)",
      unit: "s",
      ours: of("stream"),
      theirs: of("raw"),
    },
  ];
  return `${heading(rounds)}\n\n${markdown(["what", "nodelet", "peer", "ratio", "goal"], figures.map(figureRow))}\n`;
}
