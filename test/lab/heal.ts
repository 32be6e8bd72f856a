import { expect } from "bun:test";
import { type TestNode, TOOLS, waitUntil } from "./harness.ts";
import { BELL, describeNode, DOCUMENT, seconds } from "./power.ts";

const EVENTS = "/var/opt/pf9/nodelet/events.json";
const LOG = "/var/log/pf9/kube/kube.log";

const HEALED_DEADLINE_S = 120;

/** The health document, field by field. */
export type Health = Record<string, unknown> & { pf9_kube_node_state: string; last_failed_task: string };

/** What is done to a node. */
export interface Fault {
  /** In words, for the line that is printed. */
  what: string;
  /** Shell commands; they must succeed. */
  fault: string;
  /** A shell condition that must be true as well before the node counts as healed. Default: none. */
  healed?: string;
}

/** How a node came back. */
export interface Healing {
  /** From the end of the fault until the node was well for good. */
  healthyMs: number;
  /** From the beginning of the fault to the first word of the daemon; undefined when it had nothing to say. */
  noticedMs: number | undefined;
  /** What the daemon told since the fault. */
  events: string[];
  /** What was changed since the fault, as kube.log has it: `<kind> <key>: <from> -> <to>`. */
  changes: string[];
}

/**
 * Runs in the host, so that no way to it is measured. `$1` is the name of the Node, `$2` the fault, `$3` the further
 * condition, `$4` the deadline in seconds. A node counts as well only after a look of the daemon that began after the
 * fault; one that was not told of anything is asked for a look once the node has been well by itself for two seconds.
 */
const SCRIPT = `
${TOOLS}
now() { echo $((\${EPOCHREALTIME/./} / 1000)); }
field() { grep -oP "\\"$1\\": \\"?\\K[^\\",]*" ${DOCUMENT}; }
ready='{.status.conditions[?(@.type=="Ready")].status}'
kubectl='/opt/pf9/bin/kubectl --kubeconfig /etc/pf9/kube.d/kubeconfigs/admin.yaml --request-timeout=5s'
well() {
  [ "$(field pf9_kube_node_state)" = ok ] && nodelet phases status >/dev/null 2>&1 && eval "$3" &&
    [ "$($kubectl get node "$1" -o "jsonpath=$ready" 2>/dev/null)" = True ]
}
begun=$(now)
eval "$2" >/dev/null || exit 90
ended=$(now) since= asked=
while :; do
  if well "$@"; then
    : \${since:=$(now)}
    looked=$(field status_check_timestamp)
    [ "$looked" -gt $((ended / 1000)) ] && [ -z "$(field current_task)$(field current_status_check)" ] && flock -n /run/nodelet.lock true && break
    if [ -z "$asked" ] && [ $(($(now) - since)) -gt 2000 ]; then asked=1; touch ${BELL}; fi
  else
    since=
  fi
  [ $(($(now) - begun)) -gt $(($4 * 1000)) ] && exit 91
  sleep 0.05
done
echo "$begun $ended $since"`;

/**
 * Does something bad to a healthy node and waits until it has healed by itself: the health document says ok, every phase
 * runs, and the Node is Ready. Prints how long that took. What was written right before the fault must be there afterwards.
 *
 * @throws with all that the node says of itself when it is not well in time
 */
export async function timeToHealthy(node: TestNode, fault: Fault): Promise<Healing> {
  const { what } = fault;
  await node.apply(kept(what));
  const lines = Number(await node.sh(`wc -l <${LOG}`));
  const script = ["bash", "-c", SCRIPT, "bash", node.name, fault.fault, fault.healed ?? "true"];
  const run = await node.host.exec([...script, String(HEALED_DEADLINE_S)], {
    timeoutMs: (HEALED_DEADLINE_S + 60) * 1000,
  });
  if (run.exitCode === 90) throw new Error(`Cannot do "${what}": ${run.stderr}`);
  if (run.exitCode !== 0) {
    const reason = `not well ${HEALED_DEADLINE_S} s later`;
    throw new Error(`"${what}" needs a hand: ${reason}\n${await describeNode(node)}\n${run.stderr}`);
  }
  const [begun = 0, ended = 0, since = 0] = run.stdout.split(" ").map(Number);
  const events = (await eventsOf(node)).filter(({ at }) => Date.parse(at) >= begun);
  const noticedMs = events[0] && Date.parse(events[0].at) - begun;
  const noticed = noticedMs === undefined ? "no check failed" : `noticed after ${seconds(noticedMs)}`;
  process.stderr.write(`heal: ${what}: healthy after ${seconds(since - ended)}, ${noticed}\n`);
  expect((await node.get("configmap kept")).data, `data after "${what}"`).toEqual(kept(what).data);
  return {
    healthyMs: since - ended,
    noticedMs,
    events: events.map((one) => one.what),
    changes: await changesSince(node, lines),
  };
}

/** Reads the health document. */
export async function health(node: TestNode): Promise<Health> {
  return JSON.parse(await node.sh(`cat ${DOCUMENT}`)) as Health;
}

/** What the daemon told, oldest first. */
export async function eventsOf(node: TestNode): Promise<{ at: string; what: string }[]> {
  return JSON.parse(await node.sh(`cat ${EVENTS}`)) as { at: string; what: string }[];
}

/** Makes the daemon look twice at the node, and waits for it: from then on it has seen all that was done before. */
export async function twoLooks(node: TestNode): Promise<void> {
  const looked = `grep -oP '"status_check_timestamp": \\K\\d+' ${DOCUMENT}`;
  // A slow look writes the document before its end, with the check that it is at.
  const ended = `grep -q '"current_status_check": ""' ${DOCUMENT}`;
  for (const _ of [1, 2]) {
    // The time of a look has whole seconds.
    await node.sh(
      `asked=$(date +%s); for i in $(seq 300); do [ $((i % 20)) = 1 ] && touch ${BELL}; ` +
        `[ "$(${looked})" -gt $asked ] && ${ended} && flock -n /run/nodelet.lock true && exit 0; sleep 0.1; done; exit 1`,
    );
  }
}

/** What was changed since a line of kube.log: `<kind> <key>: <from> -> <to>`. */
async function changesSince(node: TestNode, lines: number): Promise<string[]> {
  const text = await node.sh(`tail -n +${lines + 1} ${LOG} | grep -oP '\\] changed \\K.*' || true`);
  return text.split("\n").filter(Boolean);
}

const kept = (what: string) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "kept", namespace: "default" },
  data: { written: `before ${what}` },
});

/** Writes the site's configuration file. @param yaml its whole text */
export async function configure(node: TestNode, yaml: string): Promise<void> {
  // At once: a file that is half written is one that is not valid.
  const script =
    "umask 077; mkdir -p /etc/pf9/nodelet; cat >/etc/pf9/nodelet/.new && mv /etc/pf9/nodelet/.new /etc/pf9/nodelet/site.yaml";
  await node.sh(script, { input: yaml });
}

/** Waits until the daemon says of the node what a condition wants to hear. @returns the document */
export async function untilHealth(
  node: TestNode,
  condition: { what: string; holds: (found: Health) => boolean },
): Promise<Health> {
  return await waitUntil(
    async () => {
      const found = await health(node);
      return condition.holds(found) && found;
    },
    { what: condition.what, deadlineMs: HEALED_DEADLINE_S * 1000 },
  );
}

/** What a container is, so that one that was started anew is seen. */
export const containerFacts = (node: TestNode, ...names: string[]): Promise<string> =>
  node.sh(`docker inspect -f '{{.Name}} {{.Id}} {{.State.StartedAt}}' ${names.join(" ")}`);

/** All containers of a node, its pods' too. */
export const allContainers = (node: TestNode): Promise<string> =>
  node.sh("docker inspect -f '{{.Name}} {{.Id}} {{.State.StartedAt}}' $(docker ps -q) | sort");
