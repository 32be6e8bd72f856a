import { describe, expect, test } from "bun:test";
import { exposition } from "../../../src/daemon/exposition.ts";
import { processFacts, renderMetrics } from "../../../src/daemon/metrics.ts";
import { check, health, view } from "./view-help.ts";

const USAGE = { residentBytes: 65_060_864, cpuSeconds: 1.25 };

/** The lines of metrics by name, without what is said about them. */
function linesOf(text: string, name: string): string[] {
  return text.split("\n").filter((line) => line.startsWith(name));
}

describe("exposition()", () => {
  test("writes help, type and each number", () => {
    const samples = [{ labels: { a: "1", b: "2" }, value: 0.5 }, { value: 3 }];
    expect(exposition([{ name: "x_total", type: "counter", help: "What x is.", samples }])).toBe(
      '# HELP x_total What x is.\n# TYPE x_total counter\nx_total{a="1",b="2"} 0.5\nx_total 3\n',
    );
  });

  test("a label may have any text", () => {
    const samples = [{ labels: { a: 'say "no"\\\nor {not}, läuft' }, value: 1 }];
    expect(exposition([{ name: "x", type: "gauge", help: 'a\\b\n"c"', samples }])).toBe(
      '# HELP x a\\\\b\\n"c"\n# TYPE x gauge\nx{a="say \\"no\\"\\\\\\nor {not}, läuft"} 1\n',
    );
  });

  test.each([
    [Number.NaN, "NaN"],
    [Number.POSITIVE_INFINITY, "+Inf"],
    [Number.NEGATIVE_INFINITY, "-Inf"],
    [1e21, "1e+21"],
    [-1, "-1"],
  ])("%p is %p", (value, text) => {
    expect(exposition([{ name: "x", type: "gauge", help: "", samples: [{ value }] }])).toEndWith(
      `\nx ${text}\n`,
    );
  });

  test("what is not known is left out, and with it what is said about it", () => {
    const metric = { name: "x", type: "gauge", help: "X." } as const;
    expect(exposition([{ ...metric, samples: [{ value: undefined }] }])).toBe("");
    expect(exposition([{ ...metric, samples: [] }])).toBe("");
    expect(exposition([{ ...metric, samples: [{ value: undefined }, { value: 1 }] }])).toEndWith("\nx 1\n");
  });
});

describe("renderMetrics()", () => {
  test("of a node that is well", () => {
    const text = renderMetrics(
      view({
        health: health({ status_check_timestamp: 1_594_197_441 }),
        certificates: [
          { name: "etcd/ca", daysLeft: 3649, status: "ok", notAfter: "2036-11-18T05:54:13.000Z" },
          { name: "apiserver", daysLeft: undefined, status: "missing", notAfter: undefined },
        ],
        etcd: { up: true, version: "3.4.23", members: 3, started: 2, dbSize: 2048, dbSizeInUse: 1024 },
      }),
      USAGE,
    );
    expect(text.split("\n").filter((line) => !line.startsWith("#"))).toEqual([
      'nodelet_node_state{state="ok"} 1',
      'nodelet_node_state{state="converging"} 0',
      'nodelet_node_state{state="retrying"} 0',
      'nodelet_node_state{state="failed"} 0',
      'nodelet_desired_state{state="true"} 1',
      'nodelet_desired_state{state="false"} 0',
      'nodelet_desired_state{state="ignore"} 0',
      "nodelet_service_up 1",
      "nodelet_start_attempts 0",
      'nodelet_tasks_total{outcome="ok"} 2',
      'nodelet_tasks_total{outcome="failed"} 1',
      "nodelet_task_running 0",
      "nodelet_check_duration_seconds 0.084",
      "nodelet_last_check_timestamp_seconds 1594197441",
      "nodelet_config_valid 1",
      "nodelet_drift_things 0",
      'nodelet_phase_up{phase="055-etcd-run",title="Start etcd"} 1',
      'nodelet_phase_held{phase="055-etcd-run",title="Start etcd"} 0',
      'nodelet_phase_check_duration_seconds{phase="055-etcd-run",title="Start etcd"} 0.0125',
      'nodelet_certificate_expiry_timestamp_seconds{name="etcd/ca"} 2110600453',
      "nodelet_etcd_up 1",
      "nodelet_etcd_members 3",
      "nodelet_etcd_members_started 2",
      "nodelet_etcd_db_size_bytes 2048",
      "nodelet_etcd_db_size_in_use_bytes 1024",
      'nodelet_build_info{version="1.2.3"} 1',
      "process_resident_memory_bytes 65060864",
      "process_cpu_seconds_total 1.25",
      "process_start_time_seconds 1594197000.5",
      "",
    ]);
  });

  test("says once what each metric is, before its numbers", () => {
    const lines = renderMetrics(view(), USAGE).trimEnd().split("\n");
    const told = lines.filter((line) => line.startsWith("# TYPE ")).map((line) => line.split(" ")[2]);
    expect(new Set(told).size).toBe(told.length);
    let current = "";
    for (const line of lines) {
      if (line.startsWith("# HELP ")) current = line.split(" ")[2] ?? "";
      else if (line.startsWith("# TYPE "))
        expect(line.split(" ")).toEqual(["#", "TYPE", current, expect.stringMatching(/^(gauge|counter)$/)]);
      else expect(line.split(/[{ ]/)[0]).toBe(current);
    }
  });

  test("of a node that is healed", () => {
    const text = renderMetrics(
      view({
        health: health({
          pf9_kube_node_state: "retrying",
          pf9_kube_service_state: "false",
          pf9_kube_start_attempt: 4,
        }),
        configProblems: ["apiPort: wrong"],
        checks: [check("055-etcd-run", { status: "failed", message: "no answer" })],
        held: ["090-kube-proxy-start"],
        phases: [
          { id: "055-etcd-run", title: "Start etcd" },
          { id: "090-kube-proxy-start", title: "Start proxy" },
        ],
        drift: [{ kind: "container", key: "etcd" }],
        task: "attempt 4",
        etcd: { up: false, missing: "etcd does not answer" },
      }),
      USAGE,
    );
    expect(linesOf(text, "nodelet_node_state")).toContain('nodelet_node_state{state="retrying"} 1');
    expect(linesOf(text, "nodelet_phase_up")).toEqual([
      'nodelet_phase_up{phase="055-etcd-run",title="Title of 055-etcd-run"} 0',
    ]);
    expect(linesOf(text, "nodelet_phase_held")[1]).toBe(
      'nodelet_phase_held{phase="090-kube-proxy-start",title="Start proxy"} 1',
    );
    for (const line of [
      "nodelet_service_up 0",
      "nodelet_start_attempts 4",
      "nodelet_task_running 1",
      "nodelet_config_valid 0",
      "nodelet_drift_things 1",
      "nodelet_etcd_up 0",
    ])
      expect(text).toContain(`\n${line}\n`);
    expect(linesOf(text, "nodelet_etcd_members")).toEqual([]);
  });

  test("before the first look, and on a node without etcd, what is not known is absent", () => {
    const text = renderMetrics(view({ passMs: undefined, checks: [], phases: [] }), USAGE);
    for (const name of ["check_duration", "last_check", "phase", "etcd", "certificate"])
      expect(text).not.toContain(`nodelet_${name}`);
  });

  test("a process knows what it uses", () => {
    const { residentBytes, cpuSeconds } = processFacts();
    expect(residentBytes).toBeGreaterThan(1e6);
    expect(cpuSeconds).toBeGreaterThan(0);
  });
});
