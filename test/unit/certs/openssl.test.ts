import { beforeAll, describe, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { authorities, certificatesOf } from "../../../certs/list.ts";
import { openssl, opensslVerify, params, pkiRoot, issuedFiles, type Files } from "./help.ts";

let issued: Files;
beforeAll(async () => {
  issued = await issuedFiles();
}, 60_000);

describe("issued certificates", () => {
  test("pass openssl verify -x509_strict for their purpose, and only for that", async () => {
    await using node = await pkiRoot(issued);
    const check = (path: string, ca: string, purpose: string) =>
      opensslVerify(node.at(`${path}.crt`), { ca: node.at(`${ca}.crt`), args: ["-purpose", purpose] });
    const results: string[] = [];
    const expected: string[] = [];
    for (const { path, ca, usage } of certificatesOf("master")) {
      for (const [purpose, fits] of [
        ["sslclient", usage !== "server"],
        ["sslserver", usage !== "client"],
      ] as const) {
        const ok = (await check(path, ca, purpose)).endsWith(": OK\n");
        results.push(`${path} ${purpose} ${ok}`);
        expected.push(`${path} ${purpose} ${fits}`);
      }
    }
    expect(results).toEqual(expected);
    for (const { path } of authorities) {
      expect(await check(path, path, "crlsign")).toEndWith(": OK\n");
    }
  });

  test("are refused under another authority of the cluster", async () => {
    await using node = await pkiRoot(issued);
    const result = await opensslVerify(node.at("admin.crt"), { ca: node.at("etcd/ca.crt") });
    expect(result).toStartWith("exit 2");
  });

  test("carry the names, critical extensions, key identifiers and dates that they should", async () => {
    await using node = await pkiRoot(issued);
    const text = await openssl("x509", "-noout", "-text", "-in", node.at("apiserver.crt"));
    const lines = text.split("\n").map((line) => line.trim());
    expect(lines).toContain(
      "DNS:node-a, DNS:localhost, DNS:kubernetes, DNS:kubernetes.default, DNS:kubernetes.default.svc, " +
        "DNS:kubernetes.default.svc.cluster.local, DNS:k8s.example.com, DNS:extra.example.com, IP Address:10.0.0.1, " +
        "IP Address:FD00:0:0:0:0:0:0:10, IP Address:192.0.2.7, IP Address:10.21.0.1, IP Address:127.0.0.1, " +
        "IP Address:0:0:0:0:0:0:0:1",
    );
    const after = (name: string) => lines[lines.indexOf(name) + 1];
    expect({
      usage: after("X509v3 Key Usage: critical"),
      constraints: after("X509v3 Basic Constraints: critical"),
      extended: after("X509v3 Extended Key Usage:"),
      subject: lines.find((line) => line.startsWith("Subject:")),
      from: lines.find((line) => line.startsWith("Not Before")),
      to: lines.find((line) => line.startsWith("Not After")),
      algorithms: lines.filter((line) => line === "Signature Algorithm: sha256WithRSAEncryption").length,
    }).toEqual({
      usage: "Digital Signature",
      constraints: "CA:FALSE",
      extended: "TLS Web Server Authentication",
      subject: "Subject: CN = kube-apiserver",
      from: "Not Before: May 31 12:00:00 2026 GMT",
      to: "Not After : Jun  1 12:00:00 2027 GMT",
      algorithms: 2,
    });
    const ca = await openssl("x509", "-noout", "-text", "-in", node.at("ca.crt"));
    expect(ca).toContain("CA:TRUE, pathlen:0");
    expect(ca).toContain("Certificate Sign, CRL Sign");
    const keyId = /Subject Key Identifier: *\n *([0-9A-F:]+)/.exec(ca)?.[1];
    expect(text).toMatch(new RegExp(`Authority Key Identifier: *\\n *(keyid:)?${keyId}`));
  });

  test("have serial numbers of 16 bytes, positive, each another", async () => {
    await using node = await pkiRoot(issued);
    const serials = await Promise.all(
      certificatesOf("master").map(
        async ({ path }) => new X509Certificate(await node.read(`${path}.crt`)).serialNumber,
      ),
    );
    expect(serials.filter((serial) => /^[4-7][0-9A-F]{31}$/.test(serial))).toEqual([...new Set(serials)]);
  });

  test("name nodes as the Node authorizer expects", async () => {
    await using node = await pkiRoot();
    await node.ensure({ params: { ...params, nodeName: "node-b" } });
    for (const name of ["kubelet-client", "kubelet-server"]) {
      const { subject } = new X509Certificate(await node.read(`${name}.crt`));
      expect(subject).toBe("O=system:nodes\nCN=system:node:node-b");
    }
    expect(new X509Certificate(await node.read("apiserver-kubelet-client.crt")).subject).toBe(
      "CN=kube-apiserver-kubelet-client",
    );
  });
});
