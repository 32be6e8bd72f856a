// Masters join etcd on bare hosts: killed at many moments, two at once, with a full disk, in the place of a dead one; and they
// go: removed by another one, or by their own reset.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { MemberView } from "../../src/etcd/overview.ts";
import { type Moment, settleKernel, signalAt } from "../lab/faults.ts";
import { initNode, startNode, type TestNode, waitUntil } from "../lab/harness.ts";

const SETUP_MS = 300_000;
const DATA = "/var/opt/pf9/etcd";
const TOKEN = "/root/token";
const KUBECTL = "/opt/pf9/bin/kubectl --kubeconfig /etc/pf9/kube.d/kubeconfigs/admin.yaml";

const hosts = new Map<string, TestNode>();
let token = "";

/** The place of each host, as it may be made more than once. */
const IPS = {
  first: "10.89.0.41",
  second: "10.89.0.42",
  third: "10.89.0.43",
  fourth: "10.89.0.44",
  fifth: "10.89.0.45",
} as const;
type Place = keyof typeof IPS;

const at = (place: Place): TestNode => {
  const node = hosts.get(place);
  if (!node) throw new Error(`Cannot use the host "${place}": it was not started`);
  return node;
};

async function begin(place: Place): Promise<TestNode> {
  const node = await startNode({ name: `e2e-etcd-${place}`, ip: IPS[place], bare: true });
  hosts.set(place, node);
  await settleKernel(node);
  if (token) await giveToken(node);
  return node;
}

const giveToken = (node: TestNode) => node.sh(`umask 077; cat >${TOKEN}`, { input: token });

const joinWords = () => ["join", IPS.first, "--token-file", TOKEN];

async function join(node: TestNode, more: string[] = []): Promise<void> {
  const done = await node.nodelet([...joinWords(), ...more]);
  if (done.exitCode !== 0)
    throw new Error(`join ended with code ${done.exitCode}: ${done.stdout}${done.stderr}`);
}

/** The members as the first master lists them: `name role health`. */
async function membersOf(): Promise<string[]> {
  const { stdout } = await at("first").nodelet(["etcd", "members", "-o", "json"]);
  return (JSON.parse(stdout) as MemberView[]).map(({ name, role, health }) => `${name} ${role} ${health}`);
}

const statusOf = async (place: Place) => (await at(place).nodelet(["etcd", "status"])).stdout;

const voters = (...places: Place[]) => places.map((place) => `e2e-etcd-${place} voter ok`).sort();

/** The members are these and no other, all with a vote and well. */
const expectVoters = (...places: Place[]) =>
  waitUntil(async () => (await membersOf()).join() === voters(...places).join(), {
    what: `etcd of ${places.join(", ")}`,
    deadlineMs: 20_000,
  });

async function undo(node: TestNode): Promise<void> {
  const done = await node.nodelet(["reset", "--yes"]);
  expect(done).toMatchObject({ exitCode: 0, stderr: "" });
}

beforeAll(async () => {
  await Promise.all((["first", "second", "third"] as const).map(begin));
  await initNode(at("first"));
  const made = await at("first").nodelet(["token", "create", "--role", "master", "--uses", "100", "--quiet"]);
  token = made.stdout;
  await Promise.all([giveToken(at("second")), giveToken(at("third"))]);
}, SETUP_MS);

afterAll(async () => {
  await Promise.all([...hosts.values()].map((node) => node[Symbol.asyncDispose]()));
}, SETUP_MS);

const PHASE = "phase 055-etcd-run start:";
const RECORD = "/var/opt/pf9/nodelet/etcd-member.json";

/** From before the first change of the members until after the last one. */
const MOMENTS: Moment[] = [
  { when: { logged: `${PHASE} begin` } },
  { when: { logged: `${PHASE} begin` }, plusMs: 40 },
  { when: { logged: `${PHASE} begin` }, plusMs: 120 },
  { when: { true: `[ -e ${RECORD} ]` } },
  { when: { logged: "changed container etcd" } },
  { when: { true: `[ -d ${DATA}/data/member/wal ]` } },
  { when: { logged: `${PHASE} waiting: added as learner` }, plusMs: 150 },
  { when: { logged: `${PHASE} waiting: learner is catching up` } },
  { when: { true: `grep -q '"joined":true' ${RECORD} 2>/dev/null` } },
  { when: { logged: "phase 100-wait-for-k8s-services start: begin" } },
];

describe("a join that is killed", () => {
  for (const [index, moment] of MOMENTS.entries()) {
    test(`at moment ${index + 1} is completed by the same command, and reset takes the member out again`, async () => {
      const node = at("second");
      const killed = await signalAt(node, { args: joinWords(), moment, signal: "KILL" });
      expect(killed.exitCode).toBe(137);
      await join(node);
      await expectVoters("first", "second");
      await undo(node);
      await expectVoters("first");
    });
  }
});

describe("a join that is killed before its member has a name", () => {
  for (const index of [4, 5]) {
    test(`at moment ${index} leaves nothing in etcd when the host is reset at once`, async () => {
      const node = at("second");
      const moment = MOMENTS[index - 1] as Moment;
      const killed = await signalAt(node, { args: joinWords(), moment, signal: "KILL" });
      expect(killed.exitCode).toBe(137);
      await undo(node);
      await expectVoters("first");
    });
  }
});

describe("a join whose disk is full while it catches up", () => {
  test("says so, and is completed by the same command when there is room", async () => {
    const node = at("second");
    await node.sh(
      `truncate -s 1200M /root/disk; mkfs.ext4 -q /root/disk; mkdir -p ${DATA}; mount -o loop /root/disk ${DATA}`,
    );
    const running = await node.spawnNodelet([
      ...joinWords(),
      "--verbose",
      "--storage-checklist",
      `/var/opt/pf9/docker=0,${DATA}/data=0`,
    ]);
    for await (const { text } of running.lines) {
      if (!text.includes(`${PHASE} begin`)) continue;
      await node.sh(`fallocate -l $(($(df --output=avail -B1 ${DATA} | tail -1) - 30000000)) ${DATA}/fill`);
    }
    expect(await running.exited).toBe(1);
    expect(running.output()).toMatch(
      /Cannot join etcd: the file system of "\/var\/opt\/pf9\/etcd\/data" is full/,
    );
    await node.sh(`rm ${DATA}/fill`);
    await join(node);
    await expectVoters("first", "second");
    await undo(node);
    await node.sh(`umount ${DATA}; rm /root/disk`);
    await expectVoters("first");
  });
});

describe("several masters", () => {
  test("two join at the same instant, and one waits for the other", async () => {
    await Promise.all([join(at("second")), join(at("third"))]);
    await expectVoters("first", "second", "third");
    const waits = await Promise.all(
      [at("second"), at("third")].map((node) =>
        node.sh(`grep -c 'which is joining since' /var/log/pf9/kube/kube.log || true`),
      ),
    );
    expect(waits.map(Number).some((count) => count > 0)).toBe(true);
    expect(await statusOf("second")).toEndWith("3 voters, 3 well; 1 may fail\n");
  });

  test("a dead one is replaced by a new host with its name", async () => {
    await at("third")[Symbol.asyncDispose]();
    await begin("third");
    // Its Node is that of one who lives for some seconds more.
    await waitUntil(
      async () => {
        await join(at("third"));
        return true;
      },
      { what: "the new host to be taken for the dead one", deadlineMs: 120_000 },
    );
    await expectVoters("first", "second", "third");
  });

  test("three become five, go on without two of them, and are three again", async () => {
    await Promise.all([begin("fourth"), begin("fifth")]);
    await Promise.all([join(at("fourth")), join(at("fifth"))]);
    await expectVoters("first", "second", "third", "fourth", "fifth");
    expect(await statusOf("fifth")).toEndWith("5 voters, 5 well; 2 may fail\n");

    await Promise.all([at("fourth").host.kill(), at("fifth").host.kill()]);
    await waitUntil(async () => (await statusOf("second")).endsWith("5 voters, 3 well; none may fail\n"), {
      what: "two dead members seen",
      deadlineMs: 20_000,
    });
    await at("third").sh(`${KUBECTL} create namespace without-two`);
    for (const place of ["fourth", "fifth"] as const) {
      const done = await at("second").nodelet(["node", "remove", `e2e-etcd-${place}`, "--yes"]);
      expect(done).toMatchObject({ exitCode: 0, stderr: "" });
    }
    await expectVoters("first", "second", "third");
    expect(await at("first").sh(`${KUBECTL} get namespace without-two -o name`)).toBe(
      "namespace/without-two",
    );
  });

  test("one without which there is no majority is not removed, and nothing is changed", async () => {
    await at("third").host.kill();
    const before = await at("first").get("nodes");
    const done = await at("first").nodelet(["node", "remove", "e2e-etcd-second", "--yes"]);
    expect(done).toMatchObject({
      exitCode: 1,
      stdout: "",
      stderr: expect.stringContaining(
        'Cannot remove the etcd member "e2e-etcd-second": after it 2 voters, of which 1 is well: no quorum',
      ),
    });
    const after = await at("first").get("nodes");
    const specs = (list: { items: { spec: object }[] }) => list.items.map(({ spec }) => spec);
    expect(specs(after)).toEqual(specs(before));
  });

  test("a dead one is removed, with a warning for the two that are left", async () => {
    const done = await at("first").nodelet(["node", "remove", "e2e-etcd-third", "--yes"]);
    expect(done).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^Removed the master "e2e-etcd-third" after /),
      stderr: expect.stringContaining("warning: two masters tolerate no failure"),
    });
    await expectVoters("first", "second");
  });

  test("one that lives is stopped, and leaves the last one with a majority", async () => {
    const done = await at("first").nodelet(["node", "remove", "e2e-etcd-second", "--yes"]);
    expect(done).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^Removed the master "e2e-etcd-second"/),
    });
    await expectVoters("first");
    const { items } = await at("first").get("nodes");
    expect(items.map((node: { metadata: { name: string } }) => node.metadata.name)).toEqual([
      "e2e-etcd-first",
    ]);
    await undo(at("second"));
  });

  test("the last one cannot be removed", async () => {
    const done = await at("first").nodelet(["node", "remove", "e2e-etcd-first", "--yes"]);
    expect(done).toEqual({
      exitCode: 1,
      stdout: "",
      stderr:
        'error: Cannot remove the node "e2e-etcd-first": it is the last master\n  nodelet reset ends the cluster\n',
    });
  });
});
