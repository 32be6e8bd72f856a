// The operator and nodeletd on one node: what is stopped by hand stays stopped, a command takes over from a repair, a lost
// status file costs nothing, a second daemon is refused, and reset leaves nothing of all this.
import { describe, expect } from "bun:test";
import { expectCleanReset, expectHealthy, settleKernel } from "../lab/faults.ts";
import { initNode, story, type TestNode, waitUntil } from "../lab/harness.ts";
import { allContainers, containerFacts, health, timeToHealthy, twoLooks, untilHealth } from "../lab/heal.ts";
import { operate, wrong } from "../lab/phases.ts";
import { diff, type Snapshot, snapshot } from "../lab/snapshot.ts";

const PROXY = "090-kube-proxy-start";
const DNS = "140-validate-dns";

const isThere = async (node: TestNode, name: string): Promise<boolean> =>
  (await node.sh(`docker ps -aq --filter name='^/?${name}$'`)) !== "";

const restart = (between: string) =>
  `systemctl stop pf9-nodeletd && { ${between}; } && systemctl start pf9-nodeletd`;

const DOCUMENT = "/var/opt/pf9/kube_status";

/** What can happen to the status file. */
const damages = [
  { what: "deleted", act: `rm ${DOCUMENT}` },
  { what: "cut off", act: `truncate -s 100 ${DOCUMENT}` },
  { what: "empty", act: `: >${DOCUMENT}` },
  { what: "no JSON", act: `head -c 2000 /dev/urandom >${DOCUMENT}` },
  {
    what: "of another version",
    act: `echo '{"version":9,"pf9_kube_node_state":"splendid","pf9_kube_start_attempt":"many","all_tasks":{}}' >${DOCUMENT}`,
  },
];

describe("a node with nodeletd", () => {
  let before: Snapshot;
  const { step } = story({ name: "oper1", ip: "10.88.0.84" }, async (node) => {
    await settleKernel(node);
    before = await snapshot(node.host);
    await initNode(node);
    await twoLooks(node);
  });

  step("lets a phase be that was stopped by hand, and heals the others", async (node) => {
    await operate(node, "stop", "-p", PROXY, "--single");
    await twoLooks(node);
    expect(Object.keys(await wrong(node))).toEqual([PROXY]);
    expect(await health(node)).toMatchObject({ pf9_kube_service_state: "false", pf9_kube_start_attempt: 0 });
    await node.sh("docker rm -f etcd");
    await waitUntil(async () => Object.keys(await wrong(node)).join() === PROXY, {
      what: "etcd again, and still no kube-proxy",
      deadlineMs: 120_000,
    });
  });

  step("lets it be also after a new start of the daemon and of the host", async (node) => {
    await node.sh("systemctl restart pf9-nodeletd");
    await twoLooks(node);
    expect(await isThere(node, "proxy")).toBe(false);
    await node.host.kill();
    await node.host.start();
    // After a boot nobody but kube-proxy makes the rules by which DNS is reached.
    const others = async () => Object.keys(await wrong(node)).filter((id) => ![PROXY, DNS].includes(id));
    const untilOthersRun = (what: string) =>
      waitUntil(async () => (await others()).length === 0, { what, deadlineMs: 120_000 });
    await untilOthersRun("all of the node after the boot but kube-proxy");
    await twoLooks(node);
    expect(await isThere(node, "proxy")).toBe(false);
    await node.sh("systemctl stop pf9-kubelet");
    await untilOthersRun("the kubelet again, and still no kube-proxy");
    await twoLooks(node);
    expect(await health(node)).toMatchObject({ pf9_kube_start_attempt: 0, pf9_kube_node_state: "ok" });
    expect(await isThere(node, "proxy")).toBe(false);
  });

  step("keeps it again once it was started by hand", async (node) => {
    await operate(node, "start", "-p", PROXY, "--single");
    await untilHealth(node, {
      what: "all services up",
      holds: (found) => found["pf9_kube_service_state"] === "true" && found.pf9_kube_node_state === "ok",
    });
    await timeToHealthy(node, { what: "docker rm -f proxy, held before", fault: "docker rm -f proxy" });
  });

  step("stays stopped as a whole, and starts as a whole with its data", async (node) => {
    await operate(node, "stop");
    await twoLooks(node);
    expect(await node.sh("docker ps -q; systemctl is-active pf9-kubelet || true")).toBe("inactive");
    expect((await health(node)).pf9_kube_start_attempt).toBe(0);
    await operate(node, "start");
    await expectHealthy(node);
    expect((await node.get("configmap kept")).data).toEqual({
      written: "before docker rm -f proxy, held before",
    });
    await twoLooks(node);
    expect(await health(node)).toMatchObject({ pf9_kube_service_state: "true", pf9_kube_node_state: "ok" });
  });

  step("gives way to the operator in the middle of a repair", async (node) => {
    const working = "grep -q reconcile /run/nodelet.lock && ! flock -n /run/nodelet.lock true";
    const { events } = await timeToHealthy(node, {
      what: "docker rm -f etcd, and phases start during the repair",
      // The last holder's name stays in the lock; it must not be taken for a new one.
      fault: `: >/run/nodelet.lock; docker rm -f etcd && for i in $(seq 500); do ${working} && break; sleep 0.01; done && ${working} && nodelet phases start`,
    });
    expect(events.filter((event) => event.startsWith("attempt 1: "))).toHaveLength(1);
    // The task was not done: it was given up.
    expect(events.filter((event) => /^(done|failed) after/.test(event))).toEqual([]);
    expect(await health(node)).toMatchObject({ pf9_kube_start_attempt: 0, last_failed_task: "" });
  });

  for (const { what, act } of damages) {
    step(`is adopted when its status file is ${what}`, async (node) => {
      const containers = await allContainers(node);
      const fields = Object.keys(await health(node)).sort();
      for (const [when, fault] of [
        ["under the daemon", `${act}; touch /run/nodelet/kubelet-ended`],
        ["before its start", restart(act)],
      ] as const) {
        const { changes, events } = await timeToHealthy(node, { what: `status file ${what} ${when}`, fault });
        expect(changes).toEqual([]);
        expect(events.filter((event) => !/ keeps this node$|^node is ok$/.test(event))).toEqual([]);
      }
      expect(await allContainers(node)).toBe(containers);
      expect(Object.keys(await health(node)).sort()).toEqual(fields);
    });
  }

  step("refuses a second daemon, and goes on", async (node) => {
    const facts = async () => [
      await node.sh("systemctl show pf9-nodeletd -P MainPID"),
      await allContainers(node),
    ];
    const first = await facts();
    const done = await node.host.exec(["/opt/pf9/nodelet/nodeletd", "daemon"]);
    expect(done).toMatchObject({ exitCode: 5, stdout: "" });
    expect(done.stderr).toContain(`pid ${first[0]}, "nodelet daemon"`);
    await twoLooks(node);
    expect(await facts()).toEqual(first);
    expect(await containerFacts(node, "etcd")).toContain("/etcd ");
    expect((await health(node)).pf9_kube_node_state).toBe("ok");
  });

  step("is not held up by a question that nobody answers", async (node) => {
    const asked = "(sleep 60 | script -qefc 'nodelet reset' /root/asked) >/dev/null 2>&1 & echo $!";
    const pid = await node.sh(`rm -f /root/asked; ${asked}`);
    await waitUntil(async () => (await node.sh("cat /root/asked")).includes("Type yes to go on"), {
      what: "the question",
      deadlineMs: 30_000,
    });
    expect(await node.sh("cat /run/nodelet.lock")).not.toContain("nodelet reset");
    await node.sh(`kill $(pgrep -P ${pid} -x sleep)`);
    await waitUntil(async () => (await node.sh("cat /root/asked")).includes("Not reset: the answer was"), {
      what: "the end of the question",
      deadlineMs: 30_000,
    });
    await node.sh("rm /root/asked");
  });

  step("is what it was after a reset with the daemon running", async (node) => {
    expect(diff(before, await snapshot(node.host)).length).toBeGreaterThan(100);
    await expectCleanReset(node, before);
    const left =
      "systemctl cat pf9-nodeletd pf9-kubelet; ls -d /run/nodelet /run/nodelet.lock; find /sys/fs/cgroup -name 'pf9*'; pgrep -a nodelet";
    expect(await node.sh(`{ ${left}; } 2>/dev/null || true`)).toBe("");
  });
});
