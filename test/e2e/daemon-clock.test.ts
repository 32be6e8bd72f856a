// The daemon's clock jumps, forwards and backwards: it goes on looking, and finds nothing to put right.
import { describe, expect } from "bun:test";
import { caDigest, expectHealthy } from "../lab/faults.ts";
import { initNode, story, type TestNode, waitUntil } from "../lab/harness.ts";
import { daemonLife, DOCUMENT, eventsSince, lookEvery, UNIT } from "../lab/power.ts";

/**
 * The kernel's clock is that of all lab hosts, so only the daemon is told another time, by the C library. What it measures
 * durations with stays as it is, as with a real jump.
 */
const CLOCK = "/var/lib/clock";
const ENVIRONMENT = {
  LD_PRELOAD: "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
  FAKETIME_TIMESTAMP_FILE: CLOCK,
  FAKETIME_NO_CACHE: "1",
  DONT_FAKE_MONOTONIC: "1",
  FAKETIME_DONT_FAKE_MONOTONIC: "1",
};
const DROP_IN = `/etc/systemd/system/${UNIT}.d/clock.conf`;

/** What makes the daemon look, and changes nothing: a file of ours, and the end of a container in the system's name. */
const RING = {
  file: "touch /etc/pf9/kube.d/kubeconfigs/admin.yaml",
  engine:
    "docker run --rm --label io.kubernetes.pod.namespace=kube-system --entrypoint etcd $(docker inspect -f '{{.Image}}' etcd) --version >/dev/null",
};
const DEADLINE_MS = 120_000;

const HOUR_S = 3600;
const DAY_S = 24 * HOUR_S;
const JUMPS = [
  { name: "two days forwards", by: 2 * DAY_S },
  { name: "an hour backwards", by: -HOUR_S },
  { name: "back to the true time", by: 0 },
];

describe("the clock of nodeletd jumps", () => {
  const { step } = story({ name: "clk1", ip: "10.88.0.99" }, async (node) => {
    // So that it looks only when something rings.
    await lookEvery(node, 3600);
    await initNode(node);
    const variables = Object.entries(ENVIRONMENT).map((pair) => `Environment=${pair.join("=")}`);
    const dropIn = ["[Service]", "UnsetEnvironment=", ...variables].join("\n");
    await node.sh(
      `mkdir -p $(dirname ${DROP_IN}) && echo '${dropIn}' >${DROP_IN} && echo +0 >${CLOCK} &&
      systemctl daemon-reload && systemctl restart ${UNIT}`,
    );
    await lookedAt(node, { by: 0, ring: RING.file });
  });

  for (const { name, by } of JUMPS) {
    step(`${name}: checks go on, the certificates are good, and nothing is restarted`, async (node) => {
      const [before, told] = [await identity(node), await eventsSince(node, 0)];
      await setClock(node, by);
      await lookedAt(node, { by, ring: RING.engine });
      await lookedAt(node, { by, ring: RING.file });
      await fedWatchdog(node);
      expect(await document(node)).toMatchObject({
        pf9_kube_node_state: "ok",
        pf9_kube_service_state: "true",
        pf9_kube_start_attempt: 0,
        current_task: "",
      });
      expect(await eventsSince(node, 0)).toEqual(told);
      expect(await identity(node)).toEqual(before);
      await expectHealthy(node);
    });

    step(`${name}: a command that sees that time too finds nothing to do`, async (node) => {
      const before = await identity(node);
      for (const args of [
        ["phases", "status"],
        ["phases", "start"],
        ["certs", "list"],
      ]) {
        const done = await node.nodelet(args, { env: ENVIRONMENT });
        expect({ args, exitCode: done.exitCode }).toEqual({ args, exitCode: 0 });
      }
      expect(await identity(node)).toEqual(before);
    });
  }

  step("a check that failed before a jump is told as long as without one", async (node) => {
    await node.sh("docker kill proxy >/dev/null");
    const failed = await waitUntil(
      async () => {
        const found = await document(node);
        return found["last_failed_status_check"] !== "" && found["pf9_kube_node_state"] === "ok"
          ? found
          : undefined;
      },
      { what: "the daemon to have healed kube-proxy", deadlineMs: DEADLINE_MS },
    );
    await setClock(node, 2 * DAY_S);
    for (const ring of [RING.engine, RING.file]) await lookedAt(node, { by: 2 * DAY_S, ring });
    const { last_failed_status_check, last_failed_status_time } = await document(node);
    const kept = { last_failed_status_check, last_failed_status_time };
    expect(failed).toMatchObject(kept);
    await expectHealthy(node);
  });
});

async function setClock(node: TestNode, by: number): Promise<void> {
  // In one piece: the clock must not be seen with half a number.
  await node.sh(`echo ${by < 0 ? by : `+${by}`} >${CLOCK}.new && mv ${CLOCK}.new ${CLOCK}`);
}

async function document(node: TestNode): Promise<Record<string, unknown>> {
  return JSON.parse(await node.sh(`cat ${DOCUMENT}`)) as Record<string, unknown>;
}

/** Rings until the daemon looks, by its own clock, which shows the true time and so much more. */
async function lookedAt(node: TestNode, { by, ring }: { by: number; ring: string }): Promise<void> {
  const asked = Math.floor(Date.now() / 1000) + by;
  await waitUntil(
    async () => {
      const { status_check_timestamp, current_status_check } = await document(node);
      const at = Number(status_check_timestamp);
      // A slow look writes the document before its end, with the check that it is at.
      if (at > asked && at < asked + DEADLINE_MS / 1000 && current_status_check === "") return true;
      await node.sh(ring);
      return false;
    },
    { what: `a look of the daemon at a clock ${by} s off after "${ring}"`, deadlineMs: DEADLINE_MS },
  );
}

/** Waits until the daemon tells systemd once more that it is alive. */
async function fedWatchdog(node: TestNode): Promise<void> {
  const fed = () => node.sh(`systemctl show ${UNIT} -p WatchdogTimestampMonotonic --value`);
  const before = await fed();
  await waitUntil(async () => (await fed()) !== before, { what: "a sign of life", deadlineMs: DEADLINE_MS });
}

/** What must not be made anew: certificates, containers, the kubelet and the daemon. */
async function identity(node: TestNode): Promise<Record<string, string>> {
  return {
    ca: await caDigest(node),
    certs: await node.sh("cd /etc/pf9/kube.d/certs && find . -type f | sort | xargs sha256sum"),
    containers: await node.sh(
      "docker ps --no-trunc -q --filter name=etcd --filter name=proxy --filter name=k8s_ | sort",
    ),
    kubelet: await node.sh("systemctl show pf9-kubelet -p MainPID -p NRestarts"),
    daemon: await daemonLife(node),
  };
}
