import { expect } from "bun:test";
import { watchHosts } from "./watch.ts";
import { type Snapshot, diff, snapshot } from "./snapshot.ts";
import { initWords, type NodeOptions, startNode, type TestNode } from "./harness.ts";

const LOG = "/var/log/pf9/kube/kube.log";

/** What the kubelet wants of the one kernel that all lab hosts share: another host's reset must not take it away here. */
const SHARED_SETTINGS = [
  "vm.overcommit_memory=1",
  "vm.panic_on_oom=0",
  "kernel.panic=10",
  "kernel.panic_on_oops=1",
  "kernel.keys.root_maxkeys=1000000",
  "kernel.keys.root_maxbytes=25000000",
];

/** Makes a fresh host independent of its neighbours, and lets the kernel make what it makes at the first look. */
export async function settleKernel(node: TestNode): Promise<void> {
  const tables = node.bare ? "true" : "iptables -t nat -L >/dev/null; ip6tables -t nat -L >/dev/null";
  await node.sh(`sysctl -q -w ${SHARED_SETTINGS.join(" ")}; ${tables}`);
}

/** A moment in the life of a run of nodelet. */
export interface Moment {
  /** What the shell waits for: a line of the log, or a condition of the host. */
  when: { logged: string } | { true: string };
  /** Milliseconds after that. Default: 0. */
  plusMs?: number;
}

/** What a signal at a moment left behind. */
export interface Signalled {
  exitCode: number;
  stdout: string;
  stderr: string;
  /** Digest of the cluster's CA at the end of the process; empty when there was none. */
  ca: string;
  /** Phases that had begun and neither ended nor failed. */
  open: string[];
}

/** Who gets a signal: the process alone, or, as with Ctrl-C, all that it started too. */
type Target = "process" | "group";

/**
 * Runs in the host, where nothing is between the log and the signal. `$1` is the pause in seconds, `$2` and `$3` the
 * signals, `$4` the sign before the process id, the rest the command; `moment` is put in.
 */
const script = (moment: string) => `
pause=$1 first=$2 second=$3 sign=$4; shift 4
rm -f /dev/shm/fault.*
setsid "$@" >/dev/shm/fault.out 2>/dev/shm/fault.err & pid=$!
${moment}
[ "$pause" = 0 ] || sleep "$pause"
kill -"$first" "$sign$pid" 2>/dev/null
if [ "$second" ]; then
  until grep -q 'safe point' /dev/shm/fault.err; do kill -0 $pid 2>/dev/null || break; sleep 0.002; done
  kill -"$second" "$sign$pid" 2>/dev/null
fi
wait $pid; code=$?
sha256sum /etc/pf9/kube.d/certs/ca.crt 2>/dev/null | cut -d' ' -f1 >/dev/shm/fault.ca
exit $code`;

/** Each run begins a log of its own for the moment: lines of earlier runs must not count. */
const waitForLine = (line: string) => `
while read -r line; do case "$line" in *"${line}"*) break;; esac
done < <(tail -s 0.002 --pid=$pid -n +$((lines + 1)) -F ${LOG} 2>/dev/null)`;

const waitForTruth = (condition: string) =>
  `until ${condition}; do kill -0 $pid 2>/dev/null || break; sleep 0.002; done`;

/**
 * Starts nodelet and sends it a signal at a moment.
 *
 * @param run `then`: a second signal, sent as soon as the first was answered
 */
export async function signalAt(
  node: TestNode,
  run: { args: string[]; moment: Moment; signal: string; then?: string; target?: Target },
): Promise<Signalled> {
  const { moment, signal, then = "", target = "process" } = run;
  const wait = "logged" in moment.when ? waitForLine(moment.when.logged) : waitForTruth(moment.when.true);
  const text = `lines=$(cat ${LOG} 2>/dev/null | wc -l)\n${script(wait)}`;
  const pause = String((moment.plusMs ?? 0) / 1000);
  const sign = target === "group" ? "-" : "";
  const argv = ["bash", "-c", text, "bash", pause, signal, then, sign, "nodelet", ...run.args];
  const { exitCode } = await node.host.exec(argv, { timeoutMs: 240_000 });
  const [stdout, stderr, ca, log] = await Promise.all(
    ["/dev/shm/fault.out", "/dev/shm/fault.err", "/dev/shm/fault.ca", LOG].map((path) =>
      node.sh(`cat ${path} 2>/dev/null || true`),
    ),
  );
  return { exitCode, stdout: stdout ?? "", stderr: stderr ?? "", ca: ca ?? "", open: openPhases(log ?? "") };
}

/** Kills init inside of a phase, and checks that it was still at work then. */
export async function killInit(
  node: TestNode,
  options: { phase: string; plusMs?: number },
): Promise<Signalled> {
  const { phase, plusMs = 0 } = options;
  const moment = { when: { logged: `phase ${phase} start: begin` }, plusMs };
  const killed = await signalAt(node, { args: initWords(node), moment, signal: "KILL" });
  expect(killed, `init killed in ${phase} after ${plusMs} ms`).toMatchObject({ exitCode: 137, stdout: "" });
  return killed;
}

/** Reads the last run in the log: which phases had begun and not come to an end. */
function openPhases(log: string): string[] {
  const open = new Set<string>();
  for (const [, id = "", what = ""] of log.matchAll(/phase (\S+) (?:start|stop): (\w+)/g)) {
    if (what === "begin") open.add(id);
    else if (what !== "waiting") open.delete(id);
  }
  return [...open];
}

/** Every phase that has a check runs, and the program says so with its exit code too. */
export async function expectHealthy(node: TestNode): Promise<void> {
  const done = await node.nodelet(["phases", "status", "-o", "json"]);
  const phases = JSON.parse(done.stdout || "[]") as { id: string; status: string; message: string }[];
  const wrong = phases.filter(({ status }) => status !== "running" && status !== "N/A");
  expect({ ...done, stdout: wrong }).toEqual({ exitCode: 0, stdout: [], stderr: "" });
  expect(phases.length).toBeGreaterThan(10);
}

/** Digest of the cluster's CA. */
export async function caDigest(node: TestNode): Promise<string> {
  return await node.sh("sha256sum /etc/pf9/kube.d/certs/ca.crt | cut -d' ' -f1");
}

/** Undoes everything and compares the host with what it was. */
export async function expectCleanReset(node: TestNode, before: Snapshot): Promise<void> {
  const done = await node.nodelet(["reset", "--yes"]);
  expect(done).toMatchObject({ exitCode: 0, stderr: "" });
  await expectUnchanged(node, before);
}

/** What every start of a lab host makes anew: the name server of the engine around it, and the record of boots. */
const OF_A_START = /127\.0\.0\.11| \/run\/utmp$/;

/** The host is what it was, as far as a snapshot sees. */
export async function expectUnchanged(node: TestNode, before: Snapshot): Promise<void> {
  // A neighbour's reset reaches the settings of the kernel that is everybody's.
  await settleKernel(node);
  const changes = diff(before, await snapshot(node.host));
  expect(changes.filter((line) => !OF_A_START.test(line))).toEqual([]);
}

/** Some equal hosts for tests that run side by side, each of which needs one for itself. */
export class HostPool {
  readonly #options: readonly NodeOptions[];
  readonly #all: TestNode[] = [];
  readonly #free: TestNode[] = [];
  readonly #waiting: ((node: TestNode) => void)[] = [];
  readonly #watch = watchHosts(() => this.#all);

  constructor(options: readonly NodeOptions[]) {
    this.#options = options;
  }

  /** Makes the hosts. @param setup done once on each */
  async start(setup: (node: TestNode) => Promise<void>): Promise<void> {
    const started = await Promise.all(
      this.#options.map(async (one) => {
        const node = await startNode(one);
        this.#all.push(node);
        await setup(node);
        return node;
      }),
    );
    this.#free.push(...started);
  }

  /**
   * Does something on a free host; after a failure the next one finds it reset as far as that goes.
   *
   * @param deadlineMs counted from the moment when the host is there: how long that took says nothing about the work
   */
  async use(deadlineMs: number, work: (node: TestNode) => Promise<void>): Promise<void> {
    const node = this.#free.pop() ?? (await new Promise<TestNode>((resolve) => this.#waiting.push(resolve)));
    const done = work(node);
    const late = Promise.withResolvers<void>();
    const words = `The work on ${node.name} has not ended after ${deadlineMs / 1000} s`;
    const timer = setTimeout(() => late.reject(new Error(words)), deadlineMs);
    try {
      await this.#watch.part(() => Promise.race([done, late.promise]), [node]);
    } catch (error) {
      // Nobody else may have the host while the late work still goes on.
      await done.catch(() => {});
      await node.nodelet(["reset", "--yes"]);
      throw error;
    } finally {
      clearTimeout(timer);
      const next = this.#waiting.shift();
      if (next) next(node);
      else this.#free.push(node);
    }
  }

  /** Removes the hosts, unless KEEP says otherwise. */
  async end(): Promise<void> {
    await this.#watch.end();
  }
}

/** What a refused command leaves: its words, its exit code, and the host as it was. */
export async function expectRefusal(
  node: TestNode,
  refusal: { script: string; exitCode: number; stderr: string | RegExp },
): Promise<void> {
  const look = async () => (await snapshot(node.host)).filter((line) => !line.endsWith(" /run/nodelet.lock"));
  const before = await look();
  const done = await node.host.exec(["bash", "-c", refusal.script]);
  const { exitCode, stderr } = refusal;
  const words = typeof stderr === "string" ? stderr : expect.stringMatching(stderr);
  expect(done).toEqual({ exitCode, stdout: "", stderr: words });
  // The lock file is empty of meaning once its holder is gone; nothing else may be new, and no journal begun.
  expect(diff(before, await look())).toEqual([]);
}

/** What preflight says, finding by finding. */
export function preflightText(...findings: [code: string, message: string, hint: string][]): string {
  const lines = findings.map(([code, message, hint]) => `  [${code}] ${message}\n    ${hint}\n`);
  return `error: Cannot go on: ${findings.length} preflight check${findings.length === 1 ? "" : "s"} failed\n${lines.join("")}  nodelet explain CODE tells more\n`;
}

/** Does something while the host is in a state, and takes the state away in any case. */
export async function during(
  node: TestNode,
  state: { begin: string; end: string },
  work: () => Promise<void>,
): Promise<void> {
  try {
    await node.sh(state.begin);
    await work();
  } finally {
    await node.sh(state.end);
  }
}
