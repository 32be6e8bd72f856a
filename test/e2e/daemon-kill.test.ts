// nodeletd killed with SIGKILL in the middle of each phase's start and stop, alone and with its worker: the daemon that
// systemd starts then brings the node to healthy by itself, keeps what was written, and goes on counting.
import { describe, expect } from "bun:test";
import { caDigest, expectHealthy } from "../lab/faults.ts";
import { initNode, story, type TestNode } from "../lab/harness.ts";
import { comesBack, DOCUMENT, eventsSince, keepData, UNIT } from "../lab/power.ts";

/** Where a phase takes time, its work is hit in the middle, this many milliseconds after its begin. */
const PHASES: readonly { id: string; start?: number; stop?: number | false }[] = [
  // Never stopped by the daemon: what certificates identify does not change by starting anew.
  { id: "020-gen-certs", stop: false },
  { id: "030-prepare-kube-configs" },
  { id: "040-docker-configure" },
  { id: "045-docker-start", start: 100, stop: 50 },
  { id: "048-load-images", start: 700, stop: 50 },
  { id: "050-etcd-configure" },
  { id: "055-etcd-run", start: 200, stop: 50 },
  { id: "057-load-balancer", start: 50, stop: 50 },
  { id: "060-network-configure" },
  { id: "065-cni-configure", start: 20 },
  { id: "075-misc-scripts" },
  { id: "080-kubelet-configure-start", start: 120, stop: 200 },
  { id: "090-kube-proxy-start", start: 50, stop: 50 },
  { id: "100-wait-for-k8s-services", start: 1500 },
  { id: "110-label-taint-node" },
  { id: "115-network-plugin" },
  { id: "120-dynamic-kubelet-config", start: 50 },
  { id: "130-uncordon-node" },
  { id: "140-validate-dns", start: 100, stop: 20 },
  { id: "180-configure-start-keepalived" },
  // A restart of everything must not drain the node.
  { id: "210-drain-pods", stop: false },
];

/** Who is killed: all processes of the unit at once, or the daemon alone. */
const TARGETS = ["the daemon and its worker", "the daemon alone"] as const;

/** With one more failure all phases are stopped and started. */
const BEFORE_FULL = 9;

const LOG = "/var/log/pf9/kube/kube.log";

describe("nodeletd killed with SIGKILL", () => {
  const { step } = story({ name: "nk1", ip: "10.88.0.97" }, async (node) => {
    await initNode(node);
  });

  const kills = PHASES.flatMap(({ id, start = 0, stop = 0 }) => [
    { id, verb: "start", plusMs: start },
    ...(stop === false ? [] : [{ id, verb: "stop", plusMs: stop }]),
  ]);
  const cases = kills.flatMap((kill) => TARGETS.map((target) => ({ ...kill, target })));
  for (const { target, ...kill } of cases) {
    step(`${target}, in the ${kill.verb} of ${kill.id}`, async (node) => {
      const ca = await caDigest(node);
      const isKept = await keepData(node, `before ${kill.verb} of ${kill.id}`);
      const { since, document, events } = await killDuringFull(node, { ...kill, target });
      expect(events.at(-1)).toStartWith(
        `attempt ${BEFORE_FULL + 1}: stopping and starting all phases, because `,
      );
      expect(document).toMatchObject({ pf9_kube_start_attempt: BEFORE_FULL + 1 });
      await comesBack(node, { what: `${target} killed in the ${kill.verb} of ${kill.id}`, since });
      const [next] = (await eventsSince(node, since)).filter((what) => what.startsWith("attempt "));
      expect(Number(/\d+/.exec(next ?? "attempt 10")?.[0])).toBeGreaterThan(BEFORE_FULL);
      expect(await caDigest(node)).toBe(ca);
      await isKept();
    });
  }

  step("every phase of the program was among them", async (node) => {
    const { stdout } = await node.nodelet(["phases", "list", "-o", "json"]);
    expect((JSON.parse(stdout) as { id: string }[]).map(({ id }) => id)).toEqual(PHASES.map(({ id }) => id));
    await expectHealthy(node);
  });
});

/**
 * Runs in the host. `$1` the line of the log to wait for, `$2` the pause in seconds, `$3` who is killed. The daemon finds
 * in its document that it has failed nine times, and a container gone: it has its worker stop and start everything. What it
 * told by the time of the kill is kept aside, before systemd starts it again.
 */
const SCRIPT = `
systemctl stop ${UNIT}
sed -i 's/"pf9_kube_start_attempt": [0-9]*/"pf9_kube_start_attempt": ${BEFORE_FULL}/' ${DOCUMENT}
docker rm -f proxy >/dev/null
lines=$(wc -l <${LOG})
systemctl start ${UNIT}
pid=$(systemctl show ${UNIT} -p MainPID --value)
while read -r line; do case "$line" in *"$1"*) found=1; break;; esac
done < <(timeout 120 tail -s 0.002 -n +$((lines + 1)) -F ${LOG} 2>/dev/null)
[ "$found" ] || exit 92
[ "$2" = 0 ] || sleep "$2"
if [ "$3" = "the daemon alone" ]; then kill -KILL $pid; else systemctl kill -s KILL ${UNIT}; fi
date +%s%3N
cat ${DOCUMENT} /var/opt/pf9/nodelet/events.json`;

/** Has the daemon stop and start everything, and kills it at a moment. @returns what it had told by then */
async function killDuringFull(
  node: TestNode,
  kill: { id: string; verb: string; plusMs: number; target: string },
): Promise<{ since: number; document: object; events: string[] }> {
  const line = `phase ${kill.id} ${kill.verb}: begin`;
  const text = await node.sh(SCRIPT_IN_SHELL, {
    env: { SCRIPT, LINE: line, PAUSE: String(kill.plusMs / 1000), TARGET: kill.target },
  });
  const [, since = "", document = "", events = ""] = /^(\d+)\n(\{.*\n\})\s*(\[.*\])$/s.exec(text) ?? [];
  return {
    since: Number(since),
    document: JSON.parse(document) as object,
    events: (JSON.parse(events) as { what: string }[]).map(({ what }) => what),
  };
}

const SCRIPT_IN_SHELL = 'bash -c "$SCRIPT" bash "$LINE" "$PAUSE" "$TARGET"';
