// The security defaults, read off a live cluster.
import { describe, expect } from "bun:test";
import { initNode, STACK, story, type TestNode } from "../lab/harness.ts";

const CERTS = "/etc/pf9/kube.d/certs";
const ETCD_TLS = `--cacert ${CERTS}/etcd/ca.crt --cert ${CERTS}/etcd/healthcheck-client.crt --key ${CERTS}/etcd/healthcheck-client.key`;
/** Stands for all that must stay secret. */
const CANARY = "canary-7f3a9c51e2";

/** Makes a request from the host. @returns the status, or curl's own error */
async function curl(node: TestNode, args: string): Promise<string> {
  const done = await node.host.exec(["bash", "-c", `curl -sS -m 5 -o /dev/null -w '%{http_code}' ${args}`]);
  return done.exitCode === 0 ? done.stdout : done.stderr.trim();
}

/** The connection was made, and ended by the other side in the middle of TLS. */
const refused = expect.stringMatching(/^curl: \((35|55|56)\)/);

describe("a node as init leaves it", () => {
  const { step } = story({ name: "e2e-security", ip: "10.88.0.101" }, async (node) => {
    await initNode(node);
    await node.apply({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "canary", namespace: "default" },
      stringData: { value: CANARY },
    });
  });

  step("shows keys, kubeconfigs and its state to root alone", async (node) => {
    const places = "/etc/pf9 /var/opt/pf9 /var/log/pf9 /etc/cni /etc/systemd/system/pf9-kubelet.service";
    // The balancer runs without any right, and reads this one as its own user.
    const balancers = "/etc/pf9/kube.d/configs/balancer/health-check.pem";
    expect(await node.sh(`find ${places} ! -user root -o ! -group root`)).toBe(balancers);
    expect(await node.sh(`stat -c '%a %u' ${balancers}`)).toMatch(/^[46]00 64440$/);
    expect(await node.sh(`find ${places} ! -type l -perm /0022`)).toBe("");
    const closed =
      "/etc/pf9/kube.d /etc/pf9/nodelet /var/opt/pf9/etcd/data /var/opt/pf9/nodelet /var/log/pf9/kube";
    expect(await node.sh(`stat -c '%a %F' ${closed} | sort -u`)).toBe("700 directory");
    // Without a secret in it, and for the eyes of the balancer's user: haproxy.cfg.
    const secret = String.raw`find /etc/pf9 -type f ! -name '*.crt' ! -name 'sa.pub' ! -name haproxy.cfg -perm /0077`;
    expect(await node.sh(secret)).toBe("");
    expect(Number(await node.sh("find /etc/pf9 -name '*.key' | wc -l"))).toBeGreaterThan(10);
    expect(await node.sh("find /var/opt/pf9/etcd/data -perm /0077")).toBe("");
  });

  step("refuses anonymous requests to the API, its health included", async (node) => {
    for (const path of ["/api", "/healthz", "/version", "/metrics", "/api/v1/namespaces/default/secrets"]) {
      expect([path, await curl(node, `--cacert ${CERTS}/ca.crt https://127.0.0.1:6443${path}`)]).toEqual([
        path,
        "401",
      ]);
    }
    expect(await curl(node, "http://127.0.0.1:8080/version")).toContain("Failed to connect");
  });

  step("lets nobody to etcd without a certificate of etcd's own authority", async (node) => {
    const url = `https://127.0.0.1:2379/health --cacert ${CERTS}/etcd/ca.crt`;
    const admin = `--cert ${CERTS}/admin.crt --key ${CERTS}/admin.key`;
    expect(await curl(node, `https://127.0.0.1:2379/health ${ETCD_TLS}`)).toBe("200");
    expect(await curl(node, url)).toEqual(refused);
    expect(await curl(node, `${url} ${admin}`)).toEqual(refused);
    expect(
      await curl(node, `https://${node.ip}:2380/members --cacert ${CERTS}/etcd/ca.crt ${admin}`),
    ).toEqual(refused);
    for (const port of [2379, 2380]) {
      const plain = await curl(node, `http://${node.ip}:${port}/version`);
      expect(plain).toMatch(/^400$|reset by peer|Empty reply/);
    }
    expect(await curl(node, `http://${node.ip}:2381/metrics`)).toContain("Failed to connect");
  });

  step("stores secrets encrypted", async (node) => {
    const get = `ETCDCTL_API=3 etcdctl ${ETCD_TLS} --endpoints https://127.0.0.1:2379 get /registry/secrets/default/canary --print-value-only`;
    const stored = await node.sh(`${get} | tr -d '\\0'`);
    expect(stored).toStartWith("k8s:enc:secretbox:v1:key1:");
    expect(stored).not.toContain(CANARY);
    const encoded = Buffer.from(CANARY).toString("base64");
    const files = await node.sh(`grep -rlaE '${CANARY}|${encoded}' /var/opt/pf9/etcd /var/log/pf9 || true`);
    expect(files).toBe("");
    // The same search does find what is not a secret.
    await node.sh(
      `/opt/pf9/bin/kubectl --kubeconfig /etc/pf9/kube.d/kubeconfigs/admin.yaml create configmap open --from-literal=a=${CANARY}-open`,
    );
    expect(await node.sh(`grep -rla '${CANARY}-open' /var/opt/pf9/etcd | head -1`)).toContain(
      "/var/opt/pf9/etcd/data/member/",
    );
  });

  step("writes an audit log that says who did what, without what is secret", async (node) => {
    const line = await node.sh(
      `grep '"resource":"secrets"' /var/log/pf9/kube/audit/audit.log | grep '"name":"canary"' | grep '"verb":"create"'`,
    );
    const entry = JSON.parse(line);
    expect(entry).toMatchObject({
      level: "Metadata",
      user: { username: "kubernetes-admin" },
      responseStatus: { code: 201 },
    });
    expect(entry).not.toHaveProperty("requestObject");
    expect(entry).not.toHaveProperty("responseObject");
  });

  step("lets no stranger to the kubelet", async (node) => {
    for (const path of ["/pods", "/metrics", "/healthz", "/run/default/x/y"]) {
      expect([path, await curl(node, `-k https://${node.ip}:10250${path}`)]).toEqual([path, "401"]);
    }
    const proxy = `--cert ${CERTS}/kube-proxy.crt --key ${CERTS}/kube-proxy.key --cacert ${CERTS}/ca.crt`;
    expect(await curl(node, `${proxy} https://${node.ip}:10250/pods`)).toBe("403");
    expect(await curl(node, `http://${node.ip}:10255/pods`)).toContain("Failed to connect");
  });

  step("keeps the kubelet's own credential to its own node", async (node) => {
    const secret = await node.kubectl(["get", "secret", "canary"], { as: "kubelet" });
    expect(secret).toMatchObject({ exitCode: 1, stdout: "", stderr: expect.stringContaining("Forbidden") });
    await node.apply({ apiVersion: "v1", kind: "Node", metadata: { name: "another" } });
    const other = await node.kubectl(["label", "node", "another", "mine=yes"], { as: "kubelet" });
    expect(other).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('is not allowed to modify node "another"'),
    });
    const role = await node.kubectl(["label", "node", node.name, "node-role.kubernetes.io/x=y"], {
      as: "kubelet",
    });
    expect(role).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("is not allowed to modify labels"),
    });
    const own = await node.kubectl(["label", "node", node.name, "mine=yes"], { as: "kubelet" });
    expect(own).toMatchObject({ exitCode: 0, stdout: `node/${node.name} labeled\n` });
    await node.kubectl(["delete", "node", "another"]);
  });

  step("speaks TLS 1.2 and newer with authenticated ciphers, nothing older", async (node) => {
    const ports = [6443, 2379, 2380, 10250, 10257, 10259];
    const handshake = async (port: number, options: string) => {
      const address = port === 2380 || port === 10250 ? node.ip : "127.0.0.1";
      const script = `openssl s_client -connect ${address}:${port} ${options} </dev/null 2>&1 | grep -E '^ *(Protocol|New,|Cipher)' | head -1`;
      return (await node.host.exec(["bash", "-c", script])).stdout.trim();
    };
    for (const port of ports) {
      expect([port, await handshake(port, "-tls1_2")]).toEqual([
        port,
        expect.stringMatching(/TLSv1\.2, Cipher is ECDHE-.*GCM/),
      ]);
      expect([port, await handshake(port, "-tls1_1 -cipher ALL:@SECLEVEL=0")]).toEqual([
        port,
        expect.stringMatching(/NONE|^$/),
      ]);
      expect([
        port,
        await handshake(port, "-tls1_2 -cipher AES128-SHA:ECDHE-RSA-AES128-SHA:@SECLEVEL=0"),
      ]).toEqual([port, expect.stringMatching(/NONE|^$/)]);
    }
  });

  step(
    "runs etcd and kube-proxy as containers of the very images of the index, with bounded logs",
    async (node) => {
      const index = JSON.parse(await node.sh(`cat ${STACK}/index.json`)).entries as {
        name: string;
        imageId?: string;
      }[];
      const idOf = (name: string) => index.find((entry) => entry.name === name && entry.imageId)?.imageId;
      const [etcd, proxy] = JSON.parse(await node.sh("docker inspect etcd proxy"));
      expect([etcd.Config.Image, proxy.Config.Image]).toEqual([idOf("etcd"), idOf("kube-proxy")]);
      for (const { HostConfig } of [etcd, proxy]) {
        expect(HostConfig.LogConfig).toEqual({
          Type: "json-file",
          Config: { "max-file": "10", "max-size": "10m" },
        });
        expect(HostConfig).toMatchObject({
          RestartPolicy: { Name: "always" },
          ReadonlyRootfs: true,
          NetworkMode: "host",
        });
      }
      expect(etcd.HostConfig).toMatchObject({ Privileged: false, CapDrop: ["ALL"], CapAdd: [] });
      expect(etcd.HostConfig.SecurityOpt).toContain("no-new-privileges");
      const status = await node.sh(`cat /proc/${etcd.State.Pid}/status`);
      expect(status).toMatch(/^CapEff:\t0{16}$/m);
      expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    },
  );

  step("has no secret on a command line, in an environment or in a log", async (node) => {
    // A line out of the middle of each key, and the key that encrypts secrets.
    const words = await node.sh(
      `for key in $(find /etc/pf9 -name '*.key'); do sed -n '3p' $key; done; sed -n 's/.*secret: *//p' /etc/pf9/kube.d/configs/encryption.yaml`,
    );
    const list = words.split("\n").filter((word) => word.length > 30);
    expect(list.length).toBeGreaterThan(10);
    const input = list.join("\n");
    const search = (where: string) =>
      node.sh(`cat > /dev/shm/words; ${where} | grep -cFf /dev/shm/words || true; rm /dev/shm/words`, {
        input,
      });
    expect(await search("cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'")).toBe(
      "0",
    );
    expect(await search("cat /var/log/pf9/kube/kube.log /var/log/pf9/kube/audit/*")).toBe("0");
    expect(await search("journalctl --no-pager -o cat")).toBe("0");
    expect(await search("cat /var/opt/pf9/nodelet/cluster.json /var/opt/pf9/nodelet/phases.json")).toBe("0");
    expect(await search("docker ps -aq | xargs docker inspect")).toBe("0");
    expect(await search("for c in $(docker ps -aq); do docker logs $c 2>&1; done")).toBe("0");
    // The same search does find a key where it is.
    expect(await search("cat /etc/pf9/kube.d/certs/sa.key")).toBe("1");
  });

  step("has profiling off, and the scheduler and the controller manager on loopback alone", async (node) => {
    const admin = `--cert ${CERTS}/admin.crt --key ${CERTS}/admin.key`;
    expect(await curl(node, `${admin} --cacert ${CERTS}/ca.crt https://127.0.0.1:6443/debug/pprof/`)).toBe(
      "404",
    );
    for (const port of [10257, 10259]) {
      expect([port, await curl(node, `${admin} -k https://127.0.0.1:${port}/debug/pprof/`)]).toEqual([
        port,
        "404",
      ]);
      expect([port, await curl(node, `-k https://127.0.0.1:${port}/metrics`)]).toEqual([port, "403"]);
      expect([port, await curl(node, `-k https://${node.ip}:${port}/healthz`)]).toEqual([
        port,
        expect.stringContaining("Failed to connect"),
      ]);
    }
    const open = await node.sh(
      "ss -Hltn | awk '{print $4}' | grep -vE '^(127\\.|\\[::1\\])' | sed 's/.*://' | sort -nu",
    );
    expect(open.split("\n")).toEqual(["2379", "2380", "6442", "6443", "10250"]);
  });
});
