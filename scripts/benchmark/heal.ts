import type { LabHost } from "../lab/host.ts";
import { say } from "../lib/progress.ts";
import { waitFor } from "../lib/wait.ts";
import { must } from "./kubeadm.ts";
import { markdown, median, spread } from "./table.ts";

/** What is done to a node, and the figures of how long it takes to be well again, in seconds. */
interface Healing {
  what: string;
  ours: number[];
  theirs: number[];
}

/** A process that is killed: its name as the kernel has it, at most 15 letters. */
const PROCESSES = [
  "etcd",
  "kube-apiserver",
  "kube-controller",
  "kube-scheduler",
  "kubelet",
  "kube-proxy",
  "dockerd",
  "containerd",
] as const;

/** Containers and files that only a daemon brings back. */
const OURS_ALONE = [
  "docker rm -f etcd",
  "docker rm -f proxy",
  "rm /etc/pf9/kube.d/manifests/k8s-master.yaml",
];

const DEADLINE_MS = 180_000;

/**
 * The same question for both: every component says that it is well, three times in a row; Docker also that it reaches containerd. kube-proxy of the peer does not
 * run in a lab host, so it is asked only where it ran before.
 */
const WELL = `
ask() { curl -skf -m 2 "$1" >/dev/null; }
well() {
  ask http://127.0.0.1:10248/healthz && ask https://127.0.0.1:10257/healthz && ask https://127.0.0.1:10259/healthz \\
    && { [ -z "$PROXY" ] || ask http://127.0.0.1:10256/healthz; } && ask http://127.0.0.1:2381/health \\
    && kubectl --kubeconfig "$KUBECONFIG" --request-timeout 2s get --raw /readyz >/dev/null 2>&1 \\
    && [ -n "$(docker info --format '{{.ContainerdCommit.ID}}' 2>/dev/null)" ]
}
PATH=$PATH:/opt/pf9/bin
for KUBECONFIG in /etc/pf9/kube.d/kubeconfigs/admin.yaml /etc/kubernetes/admin.conf; do [ -f $KUBECONFIG ] && break; done
`;

const FAULT = `${WELL}
ask http://127.0.0.1:10256/healthz && PROXY=1
start=$(date +%s%N); eval "$1" >/dev/null 2>&1
sleep 0.3; end=; row=0
while [ $row -lt 3 ]; do
  now=$(date +%s%N)
  if well; then [ $row -gt 0 ] || end=$now; row=$((row + 1)); else row=0; fi
  [ $(((now - start) / 1000000)) -lt ${DEADLINE_MS} ] || { echo "not well after ${DEADLINE_MS} ms" >&2; exit 1; }
  sleep 0.1
done
echo $(((end - start) / 1000000))`;

/** Hurts a node and waits until it is well again. @returns seconds */
async function heal(host: LabHost, fault: string): Promise<number> {
  const milliseconds = await must(host, ["bash", "-c", FAULT, "bash", fault]);
  return Number(milliseconds.trim()) / 1000;
}

/** Pulls the plug, and counts from when Docker is up again. @returns seconds */
async function powerCut(host: LabHost): Promise<number> {
  await host.kill();
  await host.start();
  return await heal(host, "true");
}

/** Does everything to a node once. */
async function hurt(
  host: LabHost,
  options: { daemon: boolean; add: (what: string, seconds: number) => void },
): Promise<void> {
  const running = async (name: string) => (await host.exec(["pgrep", "-x", name])).exitCode === 0;
  for (const name of PROCESSES) {
    // What does not run cannot be killed: kube-proxy of the peer.
    if (await running(name)) options.add(`SIGKILL ${name}`, await heal(host, `pkill -9 -x ${name}`));
  }
  for (const fault of options.daemon ? OURS_ALONE : []) options.add(fault, await heal(host, fault));
  options.add("power cut, from Docker being up", await powerCut(host));
}

/**
 * Hurts a node of ours and one of the peer, round after round, on hosts of their own; then leaves ours alone.
 *
 * @param options `ours`, `theirs`: make a fresh node
 * @returns tables in Markdown
 */
export async function measureHealing(options: {
  rounds: number;
  idleSeconds: number;
  ours: () => Promise<LabHost>;
  theirs: () => Promise<LabHost>;
}): Promise<string> {
  const healings = new Map<string, Healing>();
  const add = (whose: "ours" | "theirs") => (what: string, seconds: number) => {
    const one = healings.get(what) ?? { what, ours: [], theirs: [] };
    one[whose].push(seconds);
    healings.set(what, one);
    say(`${whose === "ours" ? "nodelet" : "kubeadm"}: ${what}: ${seconds.toFixed(1)} s`);
  };
  let quiet: Idle | undefined;
  for (let round = 1; round <= options.rounds; round++) {
    for (const whose of ["theirs", "ours"] as const) {
      const host = await options[whose]();
      try {
        await hurt(host, { daemon: whose === "ours", add: add(whose) });
        if (whose === "ours" && round === options.rounds) quiet = await idle(host, options.idleSeconds);
      } finally {
        await host.remove();
      }
    }
  }
  return healingReport([...healings.values()], quiet);
}

/** What a daemon costs that has nothing to do. */
interface Idle {
  seconds: number;
  residentMb: number;
  /** Percent of one core. */
  cpu: number;
  /** Milliseconds of the last looks. */
  passMs: number[];
}

const CPU_TICKS = `p=$(systemctl show -p MainPID --value pf9-nodeletd); awk '{print $14 + $15 + $16 + $17}' /proc/$p/stat; awk '/VmRSS/{print $2}' /proc/$p/status`;

/** Leaves a healthy node alone and reads what its daemon took. */
async function idle(host: LabHost, seconds: number): Promise<Idle> {
  const read = async () => (await must(host, ["bash", "-c", CPU_TICKS])).trim().split("\n").map(Number);
  const [before = 0] = await read();
  const passMs: number[] = [];
  const end = performance.now() + seconds * 1000;
  let last = 0;
  await waitFor(
    async () => {
      const status = await must(host, [
        "curl",
        "-s",
        "--unix-socket",
        "/run/nodelet/nodeletd.sock",
        "http://d/status",
      ]);
      const view = JSON.parse(status) as { passMs: number; health: { status_check_timestamp: number } };
      if (view.health.status_check_timestamp !== last) passMs.push(view.passMs);
      last = view.health.status_check_timestamp;
      return performance.now() >= end || undefined;
    },
    { what: "the end of the idle time", deadlineMs: seconds * 1000 + 60_000, everyMs: 10_000 },
  );
  const [after = 0, kilobytes = 0] = await read();
  return { seconds, residentMb: kilobytes / 1000, cpu: (after - before) / seconds, passMs };
}

function healingReport(healings: readonly Healing[], quiet: Idle | undefined): string {
  const rows = healings.map(({ what, ours, theirs }) => [
    what,
    spread(ours, "s"),
    spread(theirs, "s"),
    theirs.length > 0 ? (median(ours) / median(theirs)).toFixed(2) : "–",
  ]);
  if (!quiet) return "";
  const idleRows = [
    ["resident", `${quiet.residentMb.toFixed(1)} MB`, "≤ 70 MB"],
    ["CPU", `${quiet.cpu.toFixed(2)} % of a core`, "≤ 0.5 %"],
    ["a full look at the node", spread(quiet.passMs, "ms"), "≤ 150 ms"],
  ];
  return `Until every component is well again:

${markdown(["what happened", "nodelet", "kubeadm 1.20.2", "ratio"], rows)}

nodeletd on a healthy node, idle for ${quiet.seconds} s:

${markdown(["what", "figure", "goal"], idleRows)}
`;
}
