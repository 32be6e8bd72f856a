import { expect } from "bun:test";
import { expectHealthy } from "./faults.ts";
import { type TestNode, TOOLS } from "./harness.ts";

/** Where the daemon tells how the node is. */
export const DOCUMENT = "/var/opt/pf9/kube_status";
export const UNIT = "pf9-nodeletd.service";
/** Touched by the kubelet's unit; whoever else touches it makes the daemon look as well. */
export const BELL = "/run/nodelet/kubelet-ended";

const DEADLINE_S = 240;

/** How a node came back. */
export interface Comeback {
  /** From the end of the fault until the daemon and all checks say that the node is well. */
  healthyMs: number;
  /** From the engine's being up until the kubelet of this boot said Ready; undefined when the Node was not watched. */
  readyMs: number | undefined;
}

/**
 * Runs in the host. `$1` the name of the Node, `$2` seconds since the epoch: what was said before does not count, `$3` the
 * deadline in seconds, `$4` whether the Node is watched, `$5` the unit of the engine. A Ready of before a power cut stands in
 * the API until somebody says otherwise, so only a heartbeat of now counts.
 */
const SCRIPT = `
now() { echo $((\${EPOCHREALTIME/./} / 1000)); }
field() { grep -oP "\\"$1\\": \\"?\\K[^\\",]*" ${DOCUMENT}; }
words='{range .status.conditions[?(@.type=="Ready")]}{.status} {.lastHeartbeatTime}{end}'
configs=/etc/pf9/kube.d/kubeconfigs who=admin
# A worker has no administrator's.
[ -e $configs/admin.yaml ] || who=kubelet
kubectl="/opt/pf9/bin/kubectl --kubeconfig $configs/$who.yaml --request-timeout=5s"
is_ready() {
  read -r status beat < <($kubectl get node "$1" -o "jsonpath=$words" 2>/dev/null)
  [ "$status" = True ] && [ "$(date -d "$beat" +%s)" -ge "$2" ]
}
is_well() {
  [ "$(field pf9_kube_node_state)" = ok ] && [ "$(field pf9_kube_service_state)" = true ] &&
    [ -z "$(field current_task)" ] && nodelet phases status >/dev/null 2>&1 &&
    flock -n /run/nodelet.lock true && has_looked "$2"
}
# Where all is well again already, and the daemon has looked before that, its next look may be a minute away.
has_looked() {
  [ "$(field status_check_timestamp)" -gt "$1" ] && return
  [ "$rung" ] || { rung=1; touch ${BELL}; }
  false
}
begun=$(now) ready= rung=
[ "$4" ] || ready=0
until [ "$ready" ] && is_well "$@"; do
  [ "$ready" ] || { is_ready "$@" && ready=$(now); }
  [ $(($(now) - begun)) -gt $(($3 * 1000)) ] && exit 91
  sleep 0.1
done
healthy=$(now)
active=$(systemctl show "$5" -p ActiveEnterTimestampMonotonic --value)
read -r uptime rest </proc/uptime
engine=$(($(now) - 10#\${uptime/./} * 10 + active / 1000))
echo "$engine $ready $healthy"`;

/**
 * Waits until the node is well by itself after a fault, and prints how long that took.
 *
 * @param fault `since`: when the fault was over, in milliseconds since the epoch; `watchNode`: also wait for a new Ready
 * @throws with all that the node says of itself when it is not well in time
 */
export async function comesBack(
  node: TestNode,
  fault: { what: string; since: number; watchNode?: boolean },
): Promise<Comeback> {
  const since = Math.floor(fault.since / 1000);
  const args = [node.name, since, DEADLINE_S, fault.watchNode ? "1" : "", engineOf(node)];
  const done = await node.host.exec(["bash", "-c", SCRIPT, "bash", ...args.map(String)], {
    timeoutMs: (DEADLINE_S + 60) * 1000,
  });
  if (done.exitCode !== 0)
    throw new Error(`"${fault.what}" needs a hand\n${await describeNode(node)}\n${done.stderr}`);
  const [engine = 0, ready = 0, healthy = 0] = done.stdout.split(" ").map(Number);
  const healthyMs = healthy - fault.since;
  const readyMs = ready > 0 ? ready - engine : undefined;
  const more = readyMs === undefined ? "" : `, Ready ${seconds(readyMs)} after Docker was up`;
  say(`time to healthy: ${fault.what}: ${seconds(healthyMs)}${more}`);
  await expectHealthy(node);
  return { healthyMs, readyMs };
}

/** The unit of a node's container engine. */
export const engineOf = ({ bare }: TestNode): string => (bare ? "pf9-docker" : "docker");

/** All that a node says of itself, for the message of a failed test. */
export async function describeNode(node: TestNode): Promise<string> {
  const parts = [
    TOOLS,
    `cat ${DOCUMENT}`,
    "nodelet phases status",
    "tail -n 60 /var/log/pf9/kube/kube.log",
    "docker ps -a --format '{{.Names}} {{.Status}}' | head -40",
    `systemctl status ${UNIT} pf9-kubelet ${engineOf(node)} --no-pager -n 10`,
  ];
  const { stdout } = await node.host.exec(["bash", "-c", parts.map((part) => `${part} 2>&1`).join("; ")]);
  return stdout;
}

/** Before init: has the daemon look every so many seconds, when nothing rings. */
export async function lookEvery(node: TestNode, seconds: number): Promise<void> {
  await node.sh(
    `mkdir -p /etc/pf9/nodelet && echo 'loopInterval: ${seconds}' >/etc/pf9/nodelet/50-story.yaml`,
  );
}

/** Pulls the plug and switches the host on again. @returns when it had power again, in milliseconds since the epoch */
export async function cutPower(node: TestNode): Promise<number> {
  await node.host.kill();
  const since = Date.now();
  await node.host.start();
  return since;
}

/** True when the node's daemon comes up at boot. */
export async function isInstalled(node: TestNode): Promise<boolean> {
  const { stdout } = await node.host.exec(["systemctl", "is-enabled", UNIT]);
  return stdout.trim() === "enabled";
}

/** What the daemon told since a moment, oldest first. */
export async function eventsSince(node: TestNode, since: number): Promise<string[]> {
  const text = await node.sh("cat /var/opt/pf9/nodelet/events.json");
  const all = JSON.parse(text) as { at: string; what: string }[];
  return all.filter(({ at }) => Date.parse(at) >= since).map(({ what }) => what);
}

/** What tells two lives of the daemon apart: how often it was started anew, and its process. */
export async function daemonLife(node: TestNode): Promise<string> {
  return await node.sh(`systemctl show ${UNIT} -p NRestarts -p MainPID -p ActiveState`);
}

/** Writes a ConfigMap that must be there after all that is done to the node. */
export async function keepData(node: TestNode, value: string): Promise<() => Promise<void>> {
  const object = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "kept", namespace: "default" },
    data: { written: value },
  };
  await node.apply(object);
  return async () => {
    expect((await node.get("configmap kept")).data).toEqual(object.data);
  };
}

/** Numbers from 0 up to 1 that are the same for the same seed, which is printed: a run can be had again with SEED=…. */
export function seededRandom(what: string): () => number {
  let state = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31)) >>> 0;
  say(`${what}: SEED=${state}`);
  // mulberry32
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A line of the run's report. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

export const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
