// Twenty times stopped and started while the daemon runs: nothing is left behind by any of it.
import { describe, expect } from "bun:test";
import { initNode, story, type TestNode, waitUntil } from "../lab/harness.ts";
import { operate } from "../lab/phases.ts";
import { comesBack, lookEvery, say, seconds, UNIT } from "../lab/power.ts";

const CYCLES = 20;
/** As many as fit well into the time of one test. */
const AT_ONCE = 5;
const DEADLINE_MS = 120_000;

/** What is counted after the first cycle, which makes what is made once, and after the last one. */
const COUNTS = `
pid() { systemctl show $1 -p MainPID --value; }
files() { ls /proc/$(pid $1)/fd | wc -l; }
echo "containers $(docker ps -aq | wc -l)"
echo "stopped containers $(docker ps -aq --filter status=exited --filter status=created --filter status=dead | wc -l)"
echo "volumes $(docker volume ls -q | wc -l)"
echo "mounts $(wc -l </proc/self/mountinfo)"
echo "iptables rules $(iptables-save | grep -c ^-A)"
echo "iptables chains $(iptables-save | grep -c ^:)"
echo "interfaces $(ls /sys/class/net | wc -l)"
echo "files of nodeletd $(files ${UNIT})"
echo "files of dockerd $(files docker)"
echo "files of containerd $(files containerd)"
echo "files of the kubelet $(files pf9-kubelet)"
echo "processes $(ls -d /proc/[0-9]* | wc -l)"
echo "resident MB of nodeletd $(awk '/VmRSS/ {print int($2 / 1024)}' /proc/$(pid ${UNIT})/status)"`;

/** What comes and goes by itself, within so much. */
const SLACK: Readonly<Record<string, number>> = {
  "files of nodeletd": 5,
  "files of dockerd": 10,
  "files of containerd": 10,
  "files of the kubelet": 10,
  processes: 10,
  // The kubelet keeps one dead container of each that it started anew.
  containers: 2,
  "stopped containers": 2,
  "resident MB of nodeletd": 40,
};

describe(`${CYCLES} cycles of stop and start`, () => {
  const { step } = story({ name: "cyc1", ip: "10.88.0.94" }, async (node) => {
    await lookEvery(node, 10);
    await initNode(node);
    await cycle(node);
    await comesBack(node, { what: "the first cycle", since: Date.now() });
  });
  let first: Record<string, number> = {};

  for (let begin = 1; begin <= CYCLES; begin += AT_ONCE) {
    const end = begin + AT_ONCE - 1;
    step(`are obeyed, and the daemon does not interfere: ${begin} to ${end}`, async (node) => {
      if (begin === 1) first = await counts(node);
      const begun = performance.now();
      for (let number = begin; number <= end; number++) await cycle(node);
      say(`cycles ${begin} to ${end}: ${seconds((performance.now() - begun) / AT_ONCE)} each`);
      await comesBack(node, { what: `cycle ${end}`, since: Date.now() });
    });
  }

  step("leave nothing behind", async (node) => {
    let last: Record<string, number> = {};
    const grown = () =>
      Object.keys(first).filter((what) => (last[what] ?? Infinity) > (first[what] ?? 0) + (SLACK[what] ?? 0));
    // What is on its way out, such as dead containers of pods, may take its time.
    await waitUntil(async () => ((last = await counts(node)), grown().length === 0), {
      what: "all that was made to be gone",
      deadlineMs: DEADLINE_MS,
    }).catch(() => undefined);
    for (const [what, count] of Object.entries(last)) say(`${what}: ${first[what]} -> ${count}`);
    expect(grown()).toEqual([]);
    expect(Object.keys(last)).toHaveLength(13);
  });
});

async function cycle(node: TestNode): Promise<void> {
  await operate(node, "stop");
  expect(await node.sh("docker ps -q")).toBe("");
  await operate(node, "start");
}

async function counts(node: TestNode): Promise<Record<string, number>> {
  const lines = (await node.sh(COUNTS)).matchAll(/^(.*) (\d+)$/gm);
  return Object.fromEntries([...lines].map(([, what = "", count]) => [what, Number(count)]));
}
