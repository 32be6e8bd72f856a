import { EMPTY_HEALTH, type HealthDocument } from "../../../src/daemon/health.ts";
import type { Check } from "../../../src/daemon/pass.ts";
import type { NodeView, ViewSource } from "../../../src/daemon/view.ts";

/** The check of a phase. */
export function check(id: string, fields: Partial<Check> = {}): Check {
  return {
    index: 1,
    id,
    title: `Title of ${id}`,
    statusCheck: true,
    status: "running",
    message: "",
    ms: 12.5,
    ...fields,
  };
}

/** The health document of a node that is well, but for some fields. */
export function health(fields: Partial<HealthDocument> = {}): HealthDocument {
  return { ...EMPTY_HEALTH, pf9_kube_node_state: "ok", pf9_kube_service_state: "true", ...fields };
}

/** The view of a node with one phase that is well, but for some fields. */
export function view(fields: Partial<NodeView> = {}): NodeView {
  return {
    health: health(),
    node: { name: "n1", ip: "10.0.0.5", role: "master", clusterId: "c-1" },
    desired: "true",
    configProblems: [],
    phases: [{ id: "055-etcd-run", title: "Start etcd" }],
    checks: [check("055-etcd-run", { title: "Start etcd" })],
    held: [],
    drift: [],
    passMs: 84,
    task: "",
    tasks: { ok: 2, failed: 1 },
    startedAt: 1_594_197_000_500,
    version: "1.2.3",
    certificates: [],
    versions: {},
    etcd: undefined,
    events: [],
    ...fields,
  };
}

/** Answers with one view, always. */
export function sourceOf(one: NodeView): ViewSource {
  return { now: () => one, view: async () => one };
}
