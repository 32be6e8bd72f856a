import { describe, expect, test } from "bun:test";
import type { NodeStatus } from "../../../src/cli/status-look.ts";
import {
  exitCodeOf,
  type SeenPhase,
  type StateFacts,
  stateOf,
  type StatusState,
} from "../../../src/cli/status-state.ts";
import { age, statusText } from "../../../src/cli/status-text.ts";
import type { NodeState } from "../../../src/daemon/health.ts";
import { health } from "../daemon/view-help.ts";

const NOW = Date.parse("2026-06-01T12:00:00Z");

function phase(id: string, status: SeenPhase["status"] = "running", message = ""): SeenPhase {
  return { index: 1, id, title: `Title of ${id}`, statusCheck: true, status, message };
}

const ETCD = "055-etcd-run";
const well = [phase("020-gen-certs"), phase(ETCD), phase("210-drain-pods", "N/A")];
const broken = [phase("020-gen-certs"), phase(ETCD, "failed", "no answer")];
const down = [phase("020-gen-certs", "stopped"), phase("045-docker-start"), phase(ETCD, "stopped")];

describe("stateOf()", () => {
  const state = (facts: Partial<Omit<StateFacts, "health">> & { told?: NodeState }) =>
    stateOf({
      phases: well,
      desired: "true",
      kept: true,
      busy: false,
      health: health({ pf9_kube_node_state: facts.told ?? "ok" }),
      ...facts,
    });

  test.each<[string, Parameters<typeof state>[0], StatusState]>([
    ["all is well", {}, "ok"],
    ["all is well, and nobody keeps it", { kept: false }, "ok"],
    ["what nobody keeps does not become well by itself", { phases: broken, kept: false }, "failed"],
    ["it just failed, and the daemon has not seen it", { phases: broken }, "converging"],
    ["the daemon is at it", { phases: broken, told: "retrying" }, "retrying"],
    ["the daemon has tried for long", { phases: broken, told: "failed" }, "failed"],
    ["an operator is at it", { phases: broken, kept: false, busy: true }, "converging"],
    ["a phase is at work", { phases: [phase(ETCD, "executing")], busy: true }, "converging"],
    ["all checks are good, but the last attempt failed", { told: "retrying" }, "retrying"],
    ["what the last daemon told is of no interest", { kept: false, told: "failed" }, "ok"],
    ["a phase is held", { phases: [phase(ETCD, "held")] }, "stopped"],
    ["a phase is held, and another fails", { phases: [...broken, phase("x", "held")] }, "converging"],
    ["nobody is to do anything", { desired: "ignore", phases: broken }, "failed"],
    ["nobody is to do anything, and all is well", { desired: "ignore", told: "failed" }, "ok"],
    ["all is to be stopped, and is", { desired: "false", phases: down }, "stopped"],
    ["all is to be stopped, and is not yet", { desired: "false" }, "converging"],
    ["all is to be stopped, and nobody does it", { desired: "false", kept: false }, "failed"],
    ["the daemon is stopping", { desired: "false", phases: down, told: "converging" }, "converging"],
    [
      "all is to be stopped, and was without a daemon",
      { desired: "false", phases: down, kept: false },
      "stopped",
    ],
  ])("%s", (_, facts, expected) => {
    expect(state(facts)).toBe(expected);
  });

  test("without a document the checks alone tell", () => {
    const facts = { desired: "true", kept: false, busy: false, health: undefined } as const;
    expect(stateOf({ ...facts, phases: well })).toBe("ok");
    expect(stateOf({ ...facts, phases: broken })).toBe("failed");
  });

  test.each([
    ["ok", 0],
    ["failed", 1],
    ["none", 1],
    ["converging", 6],
    ["retrying", 6],
    ["stopped", 7],
  ] as const)("%s ends with code %d", (state, code) => {
    expect(exitCodeOf(state)).toBe(code);
  });
});

function status(fields: Partial<NodeStatus> = {}): NodeStatus {
  return {
    state: "ok",
    node: "n1",
    ip: "10.0.0.5",
    role: "master",
    clusterId: "9cc21e49-d15f-42ac-9e59-8b5ef1a5745a",
    kubernetesVersion: "v1.20.2",
    bundle: "kubernetes-1.20.2",
    desired: "true",
    removed: null,
    daemon: {
      running: true,
      version: "1.2.3",
      startedAt: NOW - 3 * 3_600_000,
      task: "",
      tasks: { ok: 0, failed: 0 },
      passMs: 84.4,
    },
    health: health(),
    healthDamaged: false,
    phases: well,
    wrong: [],
    held: [],
    heldBack: [],
    configProblems: [],
    configChanges: [],
    drift: [],
    certificates: [
      { name: "ca", daysLeft: 3649, status: "ok", notAfter: "2036-05-28T12:00:00Z" },
      { name: "apiserver", daysLeft: 364, status: "ok", notAfter: "2027-05-31T12:00:00Z" },
    ],
    certificateDaysLeft: 364,
    certificateFirst: "apiserver",
    versions: { nodelet: "1.2.3", kubernetes: "v1.20.2", docker: "20.10.24", kernel: "6.1.0-13-amd64" },
    events: [],
    ...fields,
  };
}

/** The value of a field, on one line. */
function fieldOf(text: string, label: string): string | undefined {
  const [, value] = new RegExp(`^${label}: +(.*(?:\n {3,}.*)*)`, "m").exec(text) ?? [];
  return value?.replace(/\n +/g, " ");
}

describe("statusText()", () => {
  test("of a node that is well", () => {
    const events = [
      { at: "2026-06-01T11:59:48Z", what: "all checks are good again" },
      { at: "2026-06-01T11:59:55Z", what: "node is ok" },
    ];
    expect(statusText(status({ events }), NOW)).toBe(`State:         ok
Node:          n1 (10.0.0.5), master
Cluster:       9cc21e49-d15f-42ac-9e59-8b5ef1a5745a
Daemon:        nodelet 1.2.3, running for 3 h; its last look took 84 ms
Phases:        3 of 3 well
Certificates:  364 days left (apiserver)
Versions:      nodelet 1.2.3, Kubernetes v1.20.2, Docker 20.10.24,
               Linux 6.1.0-13-amd64
Events:        12 s ago  all checks are good again
               5 s ago   node is ok
`);
  });

  test("of a node that is healed", () => {
    const text = statusText(
      status({
        state: "retrying",
        phases: [...broken, phase("130-uncordon-node", "unknown"), phase("020-gen-certs", "executing")],
        wrong: [phase(ETCD, "failed", "no answer")],
        drift: [{ kind: "container", key: "etcd" }],
        daemon: { ...status().daemon, task: 'attempt 3: starting, because "Start etcd" fails' } as never,
        health: health({
          pf9_kube_start_attempt: 3,
          current_task: "Start etcd",
          last_failed_status_check: "Start etcd",
          last_failed_status_time: NOW / 1000 - 130,
          last_failed_task: "Start etcd",
        }),
      }),
      NOW,
    );
    expect(text).toContain(`
Phases:        1 of 4 well, 1 at work, 1 did not answer
  failed: 055-etcd-run (Title of 055-etcd-run): no answer
`);
    expect(fieldOf(text, "Now")).toBe('attempt 3: starting, because "Start etcd" fails; at "Start etcd"');
    expect(fieldOf(text, "Attempts")).toBe("3");
    expect(fieldOf(text, "Last failed")).toBe('check "Start etcd", 2 min ago; task "Start etcd"');
    expect(fieldOf(text, "Changed")).toBe("container etcd");
  });

  test.each<[string, Partial<NodeStatus>, string, string]>([
    [
      "no daemon",
      { daemon: { running: false } },
      "Daemon",
      "not running; start it: systemctl start pf9-nodeletd",
    ],
    [
      "a mute daemon",
      { daemon: { running: false, silent: "pid 7" } },
      "Daemon",
      "does not answer on its socket: pid 7",
    ],
    [
      "a damaged document",
      { health: null, healthDamaged: true },
      "Document",
      "damaged; the daemon writes it anew",
    ],
    [
      "some phases held",
      { held: [ETCD], heldBack: ["a", "b"] },
      "Held",
      "055-etcd-run: stopped by hand; 2 more need them; start: nodelet phases start",
    ],
    [
      "all phases held",
      { held: well.map(({ id }) => id) },
      "Held",
      "all phases, stopped by hand; start them: nodelet phases start",
    ],
    ["stopped by the configuration", { state: "stopped" }, "Phases", "stopped, as kubeServiceState says"],
    [
      "a configuration with problems",
      { configProblems: ["a: wrong", "b: wrong"] },
      "Configuration",
      "not valid, the one before stays in force: a: wrong; b: wrong",
    ],
    ["a new configuration", { configChanges: ["a: 1 -> 2"] }, "Configuration", "not in force yet: a: 1 -> 2"],
    [
      "many bad certificates",
      {
        certificates: ["a", "b", "c", "d", "e"].map((name) => ({
          name,
          daysLeft: 3,
          status: "expiring",
          notAfter: "2026-06-04T12:00:00Z",
        })),
      },
      "Certificates",
      "364 days left (apiserver); a expiring, b expiring, c expiring and 2 more",
    ],
    ["no certificate", { certificateFirst: null, certificates: [] }, "Certificates", "none can be read"],
  ])("%s", (_, fields, label, value) => {
    expect(fieldOf(statusText(status(fields), NOW), label)).toBe(value);
  });

  test("a node that was removed from its cluster", () => {
    const removed = { at: "2026-01-01T00:00:00.000Z", by: "nodelet node remove on m1" };
    const text = statusText(status({ state: "stopped", desired: "false", removed }), NOW);
    expect(text).toMatch(/removed from the cluster by nodelet node remove on m1; run\s+nodelet reset/);
    expect(text).not.toContain("kubeServiceState");
  });

  test("stays within 80 columns, whatever is told, and shows the last five events", () => {
    const long = "there is no such file; ".repeat(40);
    const text = statusText(
      status({
        wrong: [phase(ETCD, "failed", long)],
        configProblems: [long],
        events: [1, 2, 3, 4, 5, 6].map((at) => ({ at: `2026-06-01T11:0${at}:00Z`, what: `${at} ${long}` })),
      }),
      NOW,
    );
    const lines = text.split("\n");
    expect(lines.filter((line) => line.length > 80)).toEqual([]);
    expect(lines.length).toBeLessThan(60);
    expect(fieldOf(text, "Events")).toStartWith("58 min ago  2 there");
  });
});

describe("age()", () => {
  test.each([
    [-5, "0 s"],
    [119_400, "119 s"],
    [120_000, "2 min"],
    [119 * 60_000, "119 min"],
    [2 * 3_600_000, "2 h"],
    [47 * 3_600_000, "47 h"],
    [49 * 3_600_000, "2 days"],
  ])("%d ms are %s", (ms, text) => {
    expect(age(ms)).toBe(text);
  });
});
