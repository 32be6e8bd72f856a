import { beforeAll, describe, expect, test } from "bun:test";
import { chmod } from "node:fs/promises";
import { X509Certificate } from "node:crypto";
import { certificatesOf } from "../../../certs/list.ts";
import { ensurePki } from "../../../certs/ensure.ts";
import type { Host } from "../../../src/host/host.ts";
import { generateKey } from "../../../certs/keys.ts";
import { copy, DAY, DIR, ISSUED, params, pkiRoot, snapshot, issuedFiles, type Files } from "./help.ts";

let issued: Files;
let others: Files;
beforeAll(async () => {
  issued = await issuedFiles();
  others = await issuedFiles();
}, 60_000);

const LEAVES = certificatesOf("master").map(({ id }) => id);
const ALL = ["ca", "etcd/ca", "front-proxy-ca", "sa", ...LEAVES];

describe("ensurePki() on a master", () => {
  test("issues everything once and keeps it when run again", async () => {
    await using node = await pkiRoot();
    const first = await node.ensure();
    expect({ ...first, issued: first.issued.sort() }).toEqual({
      outcome: "changed",
      issued: [...ALL].sort(),
      kept: [],
    });
    const files = await snapshot(node);
    const second = await node.ensure();
    expect({ ...second, kept: second.kept.sort() }).toEqual({
      outcome: "unchanged",
      issued: [],
      kept: [...ALL].sort(),
    });
    expect(await snapshot(node)).toEqual(files);
  });

  test("writes keys 0600, certificates 0644 and directories 0700, and tightens a key that is open", async () => {
    await using node = await pkiRoot();
    await node.ensure();
    expect(await node.mode(".")).toBe(0o700);
    expect(await node.mode("etcd")).toBe(0o700);
    for (const name of Object.keys(await snapshot(node))) {
      expect([name, await node.mode(name)]).toEqual([name, name.endsWith(".key") ? 0o600 : 0o644]);
    }
    const key = await node.read("admin.key");
    for (const name of ["admin.key", "ca.key", "sa.key"]) await chmod(node.at(name), 0o644);
    expect(await node.ensure()).toMatchObject({ outcome: "changed", issued: [] });
    expect([await node.mode("admin.key"), await node.mode("ca.key"), await node.mode("sa.key")]).toEqual([
      0o600, 0o600, 0o600,
    ]);
    expect(await node.read("admin.key")).toBe(key);
  });

  test("issues what carries a name again when names change, and nothing else", async () => {
    await using node = await pkiRoot(issued);
    const renamed = await node.ensure({ params: { ...params, extraNames: ["other.example.com"] } });
    expect(renamed.issued).toEqual(["apiserver", "join-server"]);
    const moved = await node.ensure({
      params: { ...params, extraNames: ["other.example.com"], nodeIp: "10.0.0.2" },
    });
    expect(moved.issued).toEqual(["apiserver", "etcd/server", "etcd/peer", "join-server", "kubelet-server"]);
    const cert = new X509Certificate(await node.read("kubelet-server.crt"));
    expect([cert.checkIP("10.0.0.2"), cert.checkIP("10.0.0.1")]).toEqual(["10.0.0.2", undefined]);
  });

  test("keeps a certificate when the same address is only written in another way", async () => {
    await using node = await pkiRoot(issued);
    expect((await node.ensure({ params: { ...params, masterIp: "FD00:0:0::0010" } })).issued).toEqual([]);
  });

  test("issues a certificate again that is corrupt, empty, of another authority, or for another key", async () => {
    await using node = await pkiRoot(issued);
    await using foreign = await pkiRoot(others);
    await node.write("admin.crt", "rubbish");
    await node.write("kube-scheduler.crt", "");
    await copy(foreign, { to: node, files: ["kube-proxy.crt", "kube-proxy.key"] });
    await node.write("etcd/peer.key", await foreign.read("etcd/peer.key"));
    await node.write("kubelet-client.key", "rubbish");
    await node.write("kube-controller-manager.crt", await node.read("kube-scheduler.key"));
    const { issued: done } = await node.ensure();
    expect(done.sort()).toEqual([
      "admin",
      "etcd/peer",
      "kube-controller-manager",
      "kube-proxy",
      "kube-scheduler",
      "kubelet-client",
    ]);
    expect(await node.ensure()).toMatchObject({ outcome: "unchanged" });
  });

  test("issues a certificate again that was made for another use or subject", async () => {
    await using node = await pkiRoot(issued);
    for (const ext of ["crt", "key"]) {
      await node.write(`kubelet-client.${ext}`, await node.read(`kubelet-server.${ext}`));
      await node.write(`kube-scheduler.${ext}`, await node.read(`kube-proxy.${ext}`));
    }
    expect((await node.ensure()).issued).toEqual(["kube-scheduler", "kubelet-client"]);
  });

  test("issues leaves of the control plane again when they have expired, and keeps them to the last day", async () => {
    await using node = await pkiRoot(issued);
    const ofEveryNode = certificatesOf("worker").map(({ id }) => id);
    const others = LEAVES.filter((id) => !ofEveryNode.includes(id));
    const last = await node.ensure({ now: new Date(ISSUED.getTime() + 364 * DAY) });
    expect(last.issued).toEqual(ofEveryNode);
    const ended = await node.ensure({ now: new Date(ISSUED.getTime() + 365 * DAY) });
    expect(ended.issued.sort()).toEqual(others.sort());
  });

  test("ends no certificate after its authority", async () => {
    await using node = await pkiRoot(issued);
    await node.ensure({ now: new Date(ISSUED.getTime() + 3600 * DAY) });
    const [ca, leaf] = [await node.read("ca.crt"), await node.read("admin.crt")].map(
      (pem) => new X509Certificate(pem),
    );
    expect(leaf?.validToDate).toEqual(ca?.validToDate as Date);
  });

  test("issues all leaves again when asked to, and no authority", async () => {
    await using node = await pkiRoot(issued);
    const before = await snapshot(node);
    expect((await node.ensure({ regenerate: true })).issued.sort()).toEqual([...LEAVES].sort());
    const after = await snapshot(node);
    const same = Object.keys(after).filter((name) => before[name] === after[name]);
    expect(same.sort()).toEqual([
      "ca.crt",
      "ca.key",
      "etcd/ca.crt",
      "etcd/ca.key",
      "front-proxy-ca.crt",
      "front-proxy-ca.key",
      "sa.key",
      "sa.pub",
    ]);
  });

  test("ends at the same place after a kill between a key and its certificate", async () => {
    await using node = await pkiRoot(issued);
    // The key of a leaf is new, its certificate still the old one; a CA and the service account have a key only.
    await node.write("apiserver.key", (await generateKey("rsa")).privatePem);
    await node.remove("etcd/ca.crt");
    await node.remove("sa.pub");
    const [caKey, saKey] = [await node.read("etcd/ca.key"), await node.read("sa.key")];
    const { issued: done } = await node.ensure();
    expect(done).toContain("apiserver");
    expect(done).toContain("etcd/ca");
    expect(done).toContain("sa");
    expect([await node.read("etcd/ca.key"), await node.read("sa.key")]).toEqual([caKey, saKey]);
    expect(await node.ensure()).toMatchObject({ outcome: "unchanged", issued: [] });
  });

  test("ends with a good PKI after a kill before any of its writes", async () => {
    const files = Object.fromEntries(Object.entries(issued).filter(([name]) => !name.startsWith("etcd/")));
    const stopped: string[] = [];
    for (const stop of [0, 1, 2, 3]) {
      await using node = await pkiRoot(files);
      let written = 0;
      const killed: Host = {
        ...node.host,
        async ensure(wanted) {
          if (wanted.kind === "file" && !(await node.host.exists(wanted.path)) && written++ === stop) {
            stopped.push(wanted.path.slice(DIR.length + 1));
            throw new Error("killed");
          }
          return await node.host.ensure(wanted);
        },
      };
      await expect(ensurePki(killed, { dir: DIR, role: "master", params, now: ISSUED })).rejects.toThrow(
        "killed",
      );
      const left = await snapshot(node);
      await node.ensure();
      const whole = await snapshot(node);
      expect(Object.keys(whole)).toEqual(Object.keys(issued));
      // An authority, or its key, that the killed run wrote is the one that is used.
      for (const name of ["etcd/ca.key", "etcd/ca.crt"]) if (left[name]) expect(whole[name]).toBe(left[name]);
      expect(await node.ensure()).toMatchObject({ outcome: "unchanged" });
    }
    expect(stopped).toEqual(["etcd/ca.key", "etcd/ca.crt", "etcd/server.key", "etcd/server.crt"]);
  }, 20_000);
});
