import { describe, expect, test } from "bun:test";
import type { BundleEntry } from "../../../src/bundle/index-format.ts";
import { neededEntries, neededImages, type NodeImages } from "../../../src/bundle/needed.ts";
import { binaryEntry, fakeIndex, imageEntry } from "../../fake/bundle.ts";

const DOCKERD = { ...binaryEntry("x"), kind: "runtime", name: "bin/dockerd", mode: 0o755 } as BundleEntry;

const INDEX = fakeIndex([imageEntry("coredns"), imageEntry("keepalived"), DOCKERD]);

const BRIDGE = { networkPlugin: "bridge", masterVip: "10.0.0.9" } as const;

const names = (entries: readonly BundleEntry[]) => entries.map(({ name }) => name);

describe("neededEntries()", () => {
  test("gives a master everything", () => {
    expect(neededEntries(INDEX, { ...BRIDGE, role: "master", runtime: "bundled" })).toEqual(INDEX.entries);
    expect(neededEntries(INDEX, { ...BRIDGE, role: "none", runtime: "bundled" })).toEqual(INDEX.entries);
  });

  test("gives a worker everything but the control plane", () => {
    expect(names(neededEntries(INDEX, { ...BRIDGE, role: "worker", runtime: "bundled" }))).toEqual([
      "pause",
      "kube-proxy",
      "haproxy",
      "kubelet",
      "kubectl",
      "bridge",
      "coredns",
      "bin/dockerd",
    ]);
  });

  test("gives a host with Docker no other one", () => {
    const master = neededEntries(INDEX, { ...BRIDGE, role: "master", runtime: "host" });
    expect(names(INDEX.entries).filter((name) => !names(master).includes(name))).toEqual(["bin/dockerd"]);
  });
});

test("neededImages() gives the images of a role", () => {
  const images = INDEX.entries.filter((entry) => entry.kind === "image");
  expect(neededImages({ images }, { ...BRIDGE, role: "master" })).toEqual(images);
  expect(names(neededImages({ images }, { ...BRIDGE, role: "worker" }))).toEqual([
    "pause",
    "kube-proxy",
    "haproxy",
    "coredns",
  ]);
});

test("neededImages() gives keepalived to masters with an address in common", () => {
  const images = INDEX.entries.filter((entry) => entry.kind === "image");
  const given = (node: NodeImages) => names(neededImages({ images }, node)).includes("keepalived");
  expect(given({ ...BRIDGE, role: "master" })).toBe(true);
  expect(given({ ...BRIDGE, role: "worker" })).toBe(false);
  expect(given({ networkPlugin: "bridge", role: "master" })).toBe(false);
});

test("neededImages() gives flannel to nodes whose pod network it is", () => {
  const images = fakeIndex([imageEntry("flannel")]).entries.filter((entry) => entry.kind === "image");
  const given = (networkPlugin: string) => names(neededImages({ images }, { role: "worker", networkPlugin }));
  expect(given("flannel")).toEqual(["pause", "kube-proxy", "haproxy", "flannel"]);
  expect(given("bridge")).toEqual(["pause", "kube-proxy", "haproxy"]);
});
