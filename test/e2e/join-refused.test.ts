// One master and one bare host with the program alone: tokens that open nothing, hosts that may not join, joins that are killed, and what
// a worker's credential cannot do. After each refusal both sides are as they were.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Moment, settleKernel, signalAt } from "../lab/faults.ts";
import { initNode, startNode, type TestNode, waitUntil } from "../lab/harness.ts";
import { bringNft } from "../lab/nft.ts";
import { diff, type Snapshot, snapshot } from "../lab/snapshot.ts";

const SETUP_MS = 300_000;
const [MASTER_IP, WORKER_IP] = ["10.89.0.81", "10.89.0.82"];
const WORKER = "e2e-join-worker";
const NFT_TABLE = "joinstory";

let master: TestNode;
let worker: TestNode;
let before: Snapshot;

beforeAll(async () => {
  [master, worker] = await Promise.all([
    startNode({ name: "e2e-join-master", ip: MASTER_IP, bare: true }),
    startNode({ name: WORKER, ip: WORKER_IP, bare: true, joiner: true }),
  ]);
  await Promise.all([settleKernel(master), settleKernel(worker)]);
  await Promise.all([initNode(master), bringNft(worker)]);
  before = await snapshot(worker.host);
}, SETUP_MS);

afterAll(async () => {
  await Promise.all([master, worker].map((node) => node?.[Symbol.asyncDispose]()));
}, SETUP_MS);

/** Makes a token on the master. @returns its text */
async function token(...words: string[]): Promise<string> {
  const done = await master.nodelet(["token", "create", "--quiet", ...words]);
  expect(done).toMatchObject({ exitCode: 0, stderr: "" });
  return done.stdout;
}

const idOf = (text: string) => text.split(".")[0] ?? "";

/** All that a join changes on the master: tokens and nodes. */
async function listing(): Promise<unknown> {
  const tokens = await master.nodelet(["token", "list", "-o", "json"]);
  const nodes = (await master.get("nodes")).items as { metadata: { name: string; uid: string } }[];
  return { tokens: tokens.stdout, nodes: nodes.map(({ metadata: { name, uid } }) => `${name} ${uid}`) };
}

/** The joiner is as it was. The lock file is empty of meaning once its holder is gone. */
async function expectAsBefore(): Promise<void> {
  await worker.sh("rm -f /run/nodelet.lock");
  expect(diff(before, await snapshot(worker.host))).toEqual([]);
}

const join = (input: string, ...more: string[]) =>
  worker.nodelet(["join", MASTER_IP, "--token-file", "-", ...more], { input });

/** A join is refused with these words, and neither side is other than before. */
async function expectRefused(work: () => ReturnType<typeof join>, words: string): Promise<void> {
  const known = await listing();
  const done = await work();
  expect({ ...done, exitCode: done.exitCode > 0 }).toEqual({
    exitCode: true,
    stdout: "",
    stderr: expect.stringContaining(words),
  });
  await expectAsBefore();
  expect(await listing()).toEqual(known);
}

async function undo(): Promise<void> {
  expect(await worker.nodelet(["reset", "--yes"])).toMatchObject({ exitCode: 0, stderr: "" });
}

describe("a token that opens nothing", () => {
  test("because it expired", async () => {
    const text = await token("--role", "worker", "--ttl", "1s");
    await waitUntil(async () => (await master.nodelet(["token", "list"])).stdout.includes("expired"), {
      what: "the end of the token",
      deadlineMs: 10_000,
    });
    await expectRefused(() => join(text), `The token "${idOf(text)}" expired at `);
  });

  test("because it was revoked", async () => {
    const text = await token("--role", "worker");
    expect((await master.nodelet(["token", "revoke", idOf(text)])).exitCode).toBe(0);
    await expectRefused(() => join(text), `The token "${idOf(text)}" was revoked`);
  });

  test("because it is for another role", async () => {
    const text = await token("--role", "master");
    await expectRefused(
      () => join(text, "--role", "worker"),
      "Cannot join as a worker: the token is for a master",
    );
  });

  test("because it is for another cluster", async () => {
    const text = (await token("--role", "worker")).trim().replace(/[^.]+$/, "A".repeat(43));
    await expectRefused(
      () => join(text),
      "whoever answers is not of the cluster that the token was made for",
    );
  });

  test("because its secret is another", async () => {
    const text = (await token("--role", "worker")).replace(/\.[^.]+\./, `.${"x".repeat(27)}.`);
    await expectRefused(() => join(text), `The token "${idOf(text)}" is not one of this cluster`);
  });
});

describe("a host that may not join", () => {
  let text: string;
  beforeAll(async () => {
    text = await token("--role", "worker");
  }, SETUP_MS);

  test("because it is called as the master is", () =>
    expectRefused(
      () => join(text, "--node-name", "e2e-join-master"),
      'There is a node "e2e-join-master" already',
    ));

  test("because it is called as the API is", () =>
    expectRefused(
      () => join(text, "--node-name", "kubernetes.default.svc"),
      'The name "kubernetes.default.svc" is one of the API of this cluster',
    ));

  test("because it is a copy of the master's disk", async () => {
    const own = await worker.sh("cat /etc/machine-id");
    // Written into the file that is there, which other programs may hold; its content is put back.
    const write = (id: string) => worker.sh("cat >/etc/machine-id", { input: `${id}\n` });
    await write(await master.sh("cat /etc/machine-id"));
    const done = await join(text).finally(() => write(own));
    expect(done.stderr).toContain("have the same /etc/machine-id");
    await expectAsBefore();
  });

  test("because the master does not reach its kubelet's port", async () => {
    const rule = `add rule inet ${NFT_TABLE} in ip saddr ${MASTER_IP} tcp dport 10250 drop`;
    const chain = `add chain inet ${NFT_TABLE} in { type filter hook input priority 0 ; }`;
    await worker.sh("nft -f -", { input: `add table inet ${NFT_TABLE}\n${chain}\n${rule}\n` });
    const done = await join(text).finally(() => worker.sh(`nft delete table inet ${NFT_TABLE}`));
    expect(done).toMatchObject({ exitCode: 3, stdout: "" });
    expect(done.stderr).toContain(
      `[PortsClosed] The master does not reach TCP port 10250 of this host (${WORKER_IP})`,
    );
    await expectAsBefore();
  });
});

const CERTS = "/etc/pf9/kube.d/certs";
const MOMENTS: Moment[] = [
  { when: { true: `[ -e ${CERTS}/kubelet-client.key ]` } },
  { when: { true: `[ -e ${CERTS}/ca.crt ]` } },
  { when: { true: `[ -e ${CERTS}/kubelet-client.crt ]` } },
  { when: { logged: "phase 040-docker-configure start: begin" }, plusMs: 50 },
  { when: { logged: "phase 080-kubelet-configure-start start: begin" }, plusMs: 100 },
  { when: { logged: "phase 110-label-taint-node start: begin" } },
];

describe("a join with a token for one host", () => {
  let text: string;

  test(
    "is killed at many moments, and completes when it is run again",
    async () => {
      text = await token("--role", "worker", "--uses", "1");
      await worker.sh("umask 077; cat >/root/token", { input: text });
      const args = ["join", MASTER_IP, "--token-file", "/root/token"];
      for (const moment of MOMENTS) {
        const killed = await signalAt(worker, { args, moment, signal: "KILL" });
        expect(killed, JSON.stringify(moment)).toMatchObject({ exitCode: 137, stdout: "" });
      }
      const done = await worker.nodelet(args);
      expect(done.stdout).toStartWith(`Node "${WORKER}" (${WORKER_IP}) has joined as a worker after `);
      const used = JSON.parse((await master.nodelet(["token", "list", "-o", "json"])).stdout) as {
        id: string;
      }[];
      expect(used.find(({ id }) => id === idOf(text))).toMatchObject({ state: "used up", used: 1, uses: 1 });
    },
    SETUP_MS,
  );

  describe("makes a worker whose credential", () => {
    const as = async (...words: string[]) => {
      const argv = ["/opt/pf9/bin/kubectl", "--kubeconfig", "/etc/pf9/kube.d/kubeconfigs/kubelet.yaml"];
      return await worker.host.exec([...argv, ...words]);
    };
    const secret = (name: string) => ({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name, namespace: "default" },
      stringData: { a: "b" },
    });

    beforeAll(async () => {
      const envFrom = [{ secretRef: { name: "of-own" } }];
      await master.apply(secret("of-own"), secret("of-others"), {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "own", namespace: "default" },
        // Never started: it is about what the node may read for it.
        spec: {
          nodeName: WORKER,
          containers: [{ name: "c", image: "none.invalid/x:1", imagePullPolicy: "Never", envFrom }],
        },
      });
    }, SETUP_MS);

    test("reads a secret of its own pod", async () => {
      await waitUntil(async () => (await as("get", "secret", "of-own", "-o", "name")).exitCode === 0, {
        what: "the node's right to its pod's secret",
        deadlineMs: 20_000,
      });
    });

    test.each([
      ["another secret", ["get", "secret", "of-others"], "no relationship found between node"],
      ["all secrets", ["get", "secrets", "-A"], "is forbidden"],
      [
        "what masters know of tokens",
        ["-n", "kube-system", "get", "secret", "nodelet-join"],
        "no relationship found",
      ],
      ["another Node", ["label", "node", "e2e-join-master", "x=y"], "is not allowed to modify node"],
      [
        "a master's label",
        ["label", "node", WORKER, "node-role.kubernetes.io/master="],
        "is not allowed to modify labels",
      ],
      [
        "a label kept for administrators",
        ["label", "node", WORKER, "node-restriction.kubernetes.io/a=b"],
        "is not allowed to modify labels",
      ],
      ["its taints", ["taint", "node", WORKER, "a=b:NoSchedule"], "is not allowed to modify taints"],
      ["its own removal", ["delete", "node", WORKER], "is forbidden"],
    ])("has no power over %s", async (_what, words, why) => {
      const done = await as(...words);
      expect(done).toMatchObject({ exitCode: 1, stdout: "", stderr: expect.stringContaining(why) });
    });
  });

  test(
    "lets nobody else in, not even the same host after a reset",
    async () => {
      await worker.sh("rm /root/token");
      await undo();
      await expectRefused(() => join(text), `The token "${idOf(text)}" was used 1 of 1 times`);
    },
    SETUP_MS,
  );

  test(
    "is the command that token create prints, given to a shell as it is",
    async () => {
      const made = await master.nodelet(["token", "create", "--role", "worker"]);
      const command = /^nodelet join [^]*/m.exec(made.stdout)?.[0] ?? "";
      expect(await worker.sh(command)).toStartWith(`Node "${WORKER}" (${WORKER_IP}) has joined as a worker`);
      await undo();
      await expectAsBefore();
    },
    SETUP_MS,
  );
});
