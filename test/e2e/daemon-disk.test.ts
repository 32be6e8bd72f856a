// A disk that is full, or read-only, under a daemon that runs: no file is ever half, the daemon stays up, and when there is
// room again the node is put right by itself.
import { describe, expect } from "bun:test";
import { during } from "../lab/faults.ts";
import { initNode, story, type TestNode, waitUntil } from "../lab/harness.ts";
import { comesBack, daemonLife, describeNode, DOCUMENT, keepData, lookEvery, UNIT } from "../lab/power.ts";

const STATE = "/var/opt/pf9";
const CONFIG = "/etc/pf9";
const MISSING = "/etc/pf9/kube.d/kubeconfigs/kube-proxy.yaml";
const LOGS = "/var/log/pf9";
const DEADLINE_MS = 120_000;

/** Both are file systems of their own; etcd writes elsewhere, since its own words on a full disk are not ours. */
const mount = (place: string) => `mkdir -p ${place} && mount -t tmpfs -o size=16m none ${place}`;

/** May be said again when some room was made; no file that is there is begun anew for it. */
const fill = (place: string) =>
  `{ dd if=/dev/zero of=$(mktemp -u ${place}/fill.XXXXXX) bs=4k 2>/dev/null || true; }`;
const free = (place: string) => `rm -f ${place}/fill.*`;

const daemon = `$(systemctl show ${UNIT} -p MainPID --value)`;

const BAD = "/dev/shm/half-files";
const STOP = "/dev/shm/half-files.stop";

/** Reads our state over and over, as anybody may at any moment, and notes what is not whole. */
const READER = `
rm -f ${BAD} ${STOP}
until [ -e ${STOP} ]; do
  jq -e .pf9_kube_node_state ${DOCUMENT} >/dev/null || { echo "document:"; cat ${DOCUMENT}; } >>${BAD}
  for file in ${STATE}/nodelet/*.json; do jq -e . $file >/dev/null || echo "$file: $(cat $file)" >>${BAD}; done
  jq -es . ${STATE}/nodelet/journal/journal.jsonl >/dev/null || echo journal >>${BAD}
done`;

describe("a disk that lets nobody write, under the daemon", () => {
  const { step } = story({ name: "dsk1", ip: "10.88.0.98" }, async (node) => {
    await node.sh([STATE, CONFIG, LOGS].map(mount).join(" && "));
    // Nothing rings when there is room again.
    await lookEvery(node, 10);
    await initNode(node, ["--etcd-data-dir", "/var/lib/nodelet-etcd"]);
    await waitUntil(async () => JSON.parse(await node.sh(`cat ${DOCUMENT}`)).pf9_kube_node_state === "ok", {
      what: "the daemon's first word",
      deadlineMs: DEADLINE_MS,
    });
  });

  step(
    "full during a status write: the node is healed all the same, and the document follows",
    async (node) => {
      const since = await whole(node, async () => {
        await during(node, { begin: fill(STATE), end: free(STATE) }, async () => {
          await node.sh("docker rm -f proxy >/dev/null");
          await healed(node);
        });
      });
      await comesBack(node, { what: "state directory full while kube-proxy is gone", since });
    },
  );

  step(
    "full during a start: what cannot be written is tried again, and done when there is room",
    async (node) => {
      const since = await whole(node, async () => {
        await during(
          node,
          { begin: `${fill(STATE)}; ${fill(CONFIG)}`, end: `${free(STATE)}; ${free(CONFIG)}` },
          async () => {
            const since = Date.now();
            // While the daemon is held, so that it does not find the room before it is gone. The container comes first: the
            // file that is mounted into it takes its room as long as it runs.
            await node.sh(
              `kill -STOP ${daemon} && docker rm -f proxy >/dev/null && rm ${MISSING} && ${fill(CONFIG)} && kill -CONT ${daemon}`,
            );
            await logged(node, { since, words: /failed after .*no space left on the device/ });
          },
        );
      });
      await comesBack(node, { what: "disk full during a start", since });
    },
  );

  step("full where the log is: nothing waits for a line of it", async (node) => {
    const since = await whole(node, async () => {
      await during(node, { begin: fill(LOGS), end: free(LOGS) }, async () => {
        await node.sh("docker rm -f proxy >/dev/null");
        await healed(node);
      });
    });
    await comesBack(node, { what: "log directory full while kube-proxy is gone", since });
  });

  step("read-only for a while: the node is healed all the same", async (node) => {
    const since = await whole(node, async () => {
      const to = (mode: string) => `mount -o remount,${mode} ${STATE}`;
      // The kernel refuses it while somebody has a file open for writing, as the daemon has for an instant at every look.
      const begin = `for i in $(seq 200); do ${to("ro")} 2>/dev/null && exit 0; sleep 0.05; done; ${to("ro")}`;
      await during(node, { begin, end: to("rw") }, async () => {
        await node.sh("docker rm -f proxy >/dev/null");
        await healed(node);
      });
    });
    await comesBack(node, { what: "state directory read-only while kube-proxy is gone", since });
  });
});

/**
 * Does something while a reader looks at our files: none may ever be half, the journal loses nothing, and the daemon must
 * live through it. @returns when it was over
 */
async function whole(node: TestNode, work: () => Promise<void>): Promise<number> {
  const journal = `cat ${STATE}/nodelet/journal/journal.jsonl`;
  const [life, isKept, before] = [
    await daemonLife(node),
    await keepData(node, String(Date.now())),
    await node.sh(journal),
  ];
  const reader = await node.host.spawn(["bash", "-c", READER]);
  await work();
  const since = Date.now();
  await node.sh(`touch ${STOP}`);
  await reader.exited;
  expect(await node.sh(`cat ${BAD} 2>/dev/null || true`)).toBe("");
  expect((await node.sh(journal)).startsWith(before)).toBe(true);
  expect(await daemonLife(node)).toBe(life);
  await isKept();
  return since;
}

/** Every check is good, whatever the document still says. */
async function healed(node: TestNode): Promise<void> {
  await waitUntil(async () => (await node.nodelet(["phases", "status"])).exitCode === 0, {
    what: "the checks to be good on a full disk",
    deadlineMs: DEADLINE_MS,
  }).catch(async (error: unknown) => {
    throw new Error(`${(error as Error).message}\n${await describeNode(node)}`);
  });
}

/** The log is on another file system, and has all that the daemon says. */
async function logged(node: TestNode, { since, words }: { since: number; words: RegExp }): Promise<void> {
  const from = new Date(since).toISOString().replace("T", " ").slice(0, 23);
  await waitUntil(
    async () =>
      words.test(await node.sh(`awk '$0 >= "[${from}"' /var/log/pf9/kube/kube.log | grep nodeletd:`)),
    { what: `the daemon to say ${words}`, deadlineMs: DEADLINE_MS },
  );
}
