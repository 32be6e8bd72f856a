import { describe, expect, test } from "bun:test";
import { mkdir, readdir } from "node:fs/promises";
import { EMPTY_HEALTH, type HealthDocument, readHealth, writeHealth } from "../../../src/daemon/health.ts";
import { tmpRoot } from "../../fake/root.ts";
import { HEALTH_FIELDS } from "../../lab/health-fields.ts";

const full: HealthDocument = {
  pf9_kube_start_attempt: 3,
  last_failed_status_check: "Start etcd",
  pf9_cluster_role: "master",
  last_failed_task: "Start etcd",
  all_tasks: ["Generate certs", "Start etcd"],
  pf9_kube_node_state: "retrying",
  current_status_check: "Start etcd",
  completed_tasks: ["Generate certs"],
  pf9_kube_service_state: "true",
  all_status_checks: ["Start etcd"],
  last_failed_status_time: 1594197441,
  pf9_cluster_id: "37ba60bb",
  current_task: "Start etcd",
  status_check_timestamp: 1594197442,
};

async function reading(content: string | Uint8Array) {
  await using root = await tmpRoot();
  await Bun.write(root.place("kube_status"), content);
  return readHealth(root.place("kube_status"));
}

describe("the health document", () => {
  test("has exactly the fields of the sample, in its order, and is read back as it was written", async () => {
    await using root = await tmpRoot();
    const file = root.place("kube_status");
    await writeHealth(file, full);
    const found = JSON.parse((await root.read("kube_status")) ?? "") as object;
    expect(Object.keys(found)).toEqual(HEALTH_FIELDS);
    expect(Object.keys(EMPTY_HEALTH)).toEqual(HEALTH_FIELDS);
    expect(found).toEqual(full);
    expect(readHealth(file)).toEqual(full);
    expect(await root.mode("kube_status")).toBe(0o644);
    expect(await readdir(root.path)).toEqual(["kube_status"]);
  });

  test.each<[string, string | Uint8Array]>([
    ["empty", ""],
    ["cut off", '{"pf9_kube_start_attempt": 3, "last_fa'],
    ["binary", new Uint8Array([0, 255, 1, 254, 123, 0])],
    ["zeros, as after a power cut", new Uint8Array(512)],
    ["an array", "[1]"],
    ["null", "null"],
    ["a number", "7"],
    ["the key value lines of an old version", "NODE_STATE ok\nATTEMPTS 3\n"],
  ])("that is %s is none", async (_, content) => {
    expect(await reading(content)).toBeUndefined();
  });

  test("that is missing, or a directory, is none", async () => {
    await using root = await tmpRoot();
    expect(readHealth(root.place("kube_status"))).toBeUndefined();
    await mkdir(root.place("kube_status"));
    expect(readHealth(root.place("kube_status"))).toBeUndefined();
  });

  test("of another version: what is known is taken, what is not is let go", async () => {
    const found = await reading(
      JSON.stringify({ schema: 9, pf9_kube_start_attempt: 4, pf9_cluster_id: "c" }),
    );
    expect(found).toEqual({ ...EMPTY_HEALTH, pf9_kube_start_attempt: 4, pf9_cluster_id: "c" });
  });

  test.each<[string, object, Partial<HealthDocument>]>([
    ["a text for a number", { pf9_kube_start_attempt: "4" }, { pf9_kube_start_attempt: 0 }],
    ["a negative number", { pf9_kube_start_attempt: -1 }, { pf9_kube_start_attempt: 0 }],
    ["half an attempt", { pf9_kube_start_attempt: 1.5 }, { pf9_kube_start_attempt: 0 }],
    ["more than can be counted", { pf9_kube_start_attempt: 1e300 }, { pf9_kube_start_attempt: 0 }],
    ["an unknown state", { pf9_kube_node_state: "well" }, { pf9_kube_node_state: "converging" }],
    ["a boolean for a text", { pf9_kube_service_state: true }, { pf9_kube_service_state: "false" }],
    ["an unknown text", { pf9_kube_service_state: "yes" }, { pf9_kube_service_state: "false" }],
    ["a text for a list", { all_tasks: "a" }, { all_tasks: [] }],
    ["numbers in a list", { completed_tasks: ["a", 1] }, { completed_tasks: [] }],
    ["null for a text", { current_task: null }, { current_task: "" }],
  ])("with %s is usable", async (_, wrong, expected) => {
    expect(await reading(JSON.stringify({ ...full, ...wrong }))).toEqual({ ...full, ...expected });
  });

  test("that cannot be written stays as it was", async () => {
    await using root = await tmpRoot();
    const file = root.place("pf9/kube_status");
    await mkdir(root.place("pf9"));
    await writeHealth(file, full);
    // Where the new one is to be written first there is something that does not give way, as on a full disk.
    await mkdir(root.place("pf9/.kube_status.nodelet.tmp"));
    const next = { ...full, pf9_kube_start_attempt: 4 };
    await expect(writeHealth(file, next)).rejects.toThrow(`Cannot write "${file}": `);
    expect(readHealth(file)).toEqual(full);
  });
});
