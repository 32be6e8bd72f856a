import { describe, expect, test } from "bun:test";
import { fullReference, imagesMissing, imagesOf } from "../../../src/network/manifest/images.ts";
import { readManifest } from "../../../src/network/manifest/read.ts";

const values = { CONTAINERS_CIDR: "10.20.0.0/16", SERVICES_CIDR: "10.21.0.0/16" };
const read = (text: string) => readManifest(text, { name: "calico", values });

const MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

describe("readManifest()", () => {
  test("reads documents and lists, and passes over those with nothing in them", () => {
    const list =
      "kind: List\napiVersion: v1\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: b}}\n";
    const found = read(`# words\n---\n${MAP}---\n# more words\n---\n${list}---\n`);
    expect(found.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual([
      "ConfigMap a",
      "Secret b",
    ]);
  });

  test("takes numbers and truths as kubectl does", () => {
    expect(
      read(`${MAP}data: {mode: 0644, on: off, time: 22:22, day: 2020-01-01, text: "0644"}\n`)[0]?.data,
    ).toEqual({
      mode: 420,
      true: false,
      time: "22:22",
      day: "2020-01-01",
      text: "0644",
    });
  });

  test("fills placeholders in texts only, and leaves those of others", () => {
    const text = `${MAP}data:\n  cidr: "\${NODELET_CONTAINERS_CIDR}"\n  both: "\${NODELET_SERVICES_CIDR},\${OTHER}"\n`;
    expect(read(text)[0]?.data).toEqual({ cidr: "10.20.0.0/16", both: "10.21.0.0/16,${OTHER}" });
    const evil = readManifest(text, {
      name: "calico",
      values: { ...values, CONTAINERS_CIDR: 'x"\nkind: Pod' },
    });
    expect(evil[0]).toMatchObject({ kind: "ConfigMap", data: { cidr: 'x"\nkind: Pod' } });
  });

  test.each([
    ["", "there is no object in it"],
    ["# nothing\n", "there is no object in it"],
    [
      `${MAP}---\na: [`,
      "document 2: Flow sequence in block collection must be sufficiently indented and end with a ]",
    ],
    ["just words", "document 1: it has no apiVersion and kind; expected an object of the API"],
    ["- 1", "document 1: it has no apiVersion and kind; expected an object of the API"],
    [
      "apiVersion: v1\nkind: Pod\n",
      "document 1: the Pod has the name undefined; expected one that can stand in a path",
    ],
    [
      "apiVersion: v1\nkind: Pod\nmetadata: {name: ../../nodes/n1}\n",
      'document 1: the Pod has the name "../../nodes/n1"; expected one that can stand in a path',
    ],
    [
      "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: a/b}\n",
      'document 1: the Pod "a" has the namespace "a/b"; expected a name',
    ],
    [
      `${MAP}data: {a: "\${NODELET_MTU}"}\n`,
      "document 1: there is no value for ${NODELET_MTU}; expected ${NODELET_CONTAINERS_CIDR} or ${NODELET_SERVICES_CIDR}",
    ],
  ])("refuses %j", (text, why) => {
    expect(() => read(text)).toThrow(`Cannot use the manifest "calico": ${why}`);
  });
});

describe("the images of a manifest", () => {
  const containers = [{ name: "a", image: "calico/node:v3" }];
  const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "p" }, spec: { containers } };
  const job = {
    template: { spec: { containers: [{ image: "b" }], initContainers: [{ image: "c/d" }, {}] } },
  };
  const cron = {
    apiVersion: "batch/v1",
    kind: "CronJob",
    metadata: { name: "c" },
    spec: { jobTemplate: { spec: job } },
  };

  test("are found wherever pods are described, each once", () => {
    expect(imagesOf([pod, cron, pod])).toEqual(["calico/node:v3", "b", "c/d"]);
    expect(imagesOf([{ ...pod, spec: { image: "x", containers: null } }])).toEqual([]);
  });

  test("are compared by their full names", () => {
    const bundle = [{ reference: "docker.io/calico/node:v3" }, { reference: "nodelet.local/pause:3.2" }];
    const images = ["calico/node:v3", "calico/node:v4", "nodelet.local/pause:3.2", "b"];
    expect(imagesMissing(images, bundle as never)).toEqual(["calico/node:v4", "b"]);
  });

  test.each([
    ["a", "docker.io/library/a:latest"],
    ["a/b:1", "docker.io/a/b:1"],
    ["docker.io/a:1", "docker.io/library/a:1"],
    ["localhost/a", "localhost/a:latest"],
    ["host:5000/a/b", "host:5000/a/b:latest"],
    ["quay.io/a/b@sha256:12", "quay.io/a/b@sha256:12"],
  ])("%s is in full %s", (image, full) => {
    expect(fullReference(image)).toBe(full);
  });
});
