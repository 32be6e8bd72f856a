import { beforeAll, describe, expect, test } from "bun:test";
import { listCertificates } from "../../../certs/report.ts";
import { DAY, DIR, ISSUED, params, pkiRoot, issuedFiles, type Files } from "./help.ts";

let issued: Files;
beforeAll(async () => {
  issued = await issuedFiles();
}, 60_000);

const now = ISSUED;
const later = (days: number) => new Date(now.getTime() + days * DAY);

describe("listCertificates()", () => {
  test("tells what a certificate is", async () => {
    await using node = await pkiRoot(issued);
    const list = await listCertificates(node.host, { dir: DIR, role: "master", params, now });
    expect(list.map(({ name }) => name)).toHaveLength(20);
    expect(list.filter(({ status }) => status !== "ok")).toEqual([]);
    expect(list.find(({ name }) => name === "kubelet-server")).toEqual({
      name: "kubelet-server",
      path: `${DIR}/kubelet-server.crt`,
      subject: "O=system:nodes, CN=system:node:node-a",
      issuer: "CN=kubernetes-ca",
      notBefore: new Date("2026-05-31T12:00:00Z"),
      notAfter: new Date("2027-06-01T12:00:00Z"),
      daysLeft: 365,
      names: ["DNS:node-a", "IP:10.0.0.1"],
      status: "ok",
    });
  });

  test("tells what is expiring, expired, missing and invalid, and why", async () => {
    await using node = await pkiRoot(issued);
    const states = async (role: "master" | "worker", at: Date) =>
      (await listCertificates(node.host, { dir: DIR, role, params, now: at })).map(
        ({ name, status, daysLeft, reason }) => [name, status, daysLeft, reason],
      );
    expect(await states("worker", later(336))).toEqual([
      ["ca", "ok", 3314, undefined],
      ["kube-proxy", "expiring", 29, "ends within 30 days"],
      ["health-check", "expiring", 29, "ends within 30 days"],
      ["kubelet-client", "expiring", 29, "ends within 30 days"],
      ["kubelet-server", "expiring", 29, "ends within 30 days"],
    ]);
    await node.remove("kube-proxy.crt");
    await node.remove("kubelet-client.key");
    expect(await states("worker", now)).toEqual([
      ["ca", "ok", 3650, undefined],
      ["kube-proxy", "missing", undefined, "there is no such file"],
      ["health-check", "ok", 365, undefined],
      ["kubelet-client", "invalid", 365, "the key is missing"],
      ["kubelet-server", "ok", 365, undefined],
    ]);
    await node.write("ca.key", "rubbish");
    expect(
      (await states("worker", later(366))).map(([name, status, , reason]) => [name, status, reason]),
    ).toEqual([
      ["ca", "invalid", "its key: it is not a readable private key"],
      ["kube-proxy", "missing", "there is no such file"],
      ["health-check", "expired", "expired on 2027-06-01T12:00:00.000Z"],
      ["kubelet-client", "expired", "expired on 2027-06-01T12:00:00.000Z; the key is missing"],
      ["kubelet-server", "expired", "expired on 2027-06-01T12:00:00.000Z"],
    ]);
    await node.remove("ca.crt");
    expect((await states("worker", now)).at(-1)).toEqual([
      "kubelet-server",
      "invalid",
      365,
      "its authority is missing",
    ]);
  });

  test("changes nothing on an empty node", async () => {
    await using node = await pkiRoot();
    const list = await listCertificates(node.host, { dir: DIR, role: "master", params });
    expect(list.every(({ status }) => status === "missing")).toBe(true);
    expect(await node.host.list("/")).toEqual([]);
  });
});
