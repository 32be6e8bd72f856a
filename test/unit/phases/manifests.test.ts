import { describe, expect, test } from "bun:test";
import { parse } from "yaml";
import { loadConfig } from "../../../src/config/load.ts";
import { etcdContainer } from "../../../src/docker/etcd-container.ts";
import { kubeletConfiguration } from "../../../src/kube/kubelet-config.ts";
import { renderKubeletUnit } from "../../../src/kube/kubelet-unit.ts";
import { wantedLabels, wantedTaints } from "../../../src/kube/node.ts";
import { kubeFacts } from "../../../src/kube/versions.ts";
import { bridgeConflist } from "../../../phases/065-cni-configure.ts";
import { mergeSettings } from "../../../phases/040-docker-configure.ts";
import { type ControlPlane, controlPlanePod } from "../../../static-pods/control-plane.ts";
import { flagsOf, renderPod, volumeName } from "../../../static-pods/pod.ts";
import { nodeFacts } from "../../../src/node-facts.ts";
import { paths } from "../../../src/paths.ts";
import { world } from "../../fake/ctx.ts";

const NODE = nodeFacts(loadConfig({ flags: { nodeName: "n1", nodeIp: "10.0.0.5" } }), {
  names: { hostname: "n1", addresses: [], defaultInterface: undefined, hasDocker: true },
  clusterId: "c-1",
  bringsRuntime: false,
});
const configOf = (flags: Record<string, unknown> = {}) => ({
  config: loadConfig({ flags }),
  node: NODE,
});

describe("mergeSettings() of daemon.json", () => {
  test("adds log limits and live restore to nothing", () => {
    expect(mergeSettings({}, configOf())).toEqual({
      "live-restore": true,
      "log-driver": "json-file",
      "log-opts": { "max-size": "10m", "max-file": "10" },
    });
  });

  test("keeps what it does not know, and the operator's own log limits", () => {
    const before = {
      runtimes: { nvidia: { path: "/usr/bin/nvidia-container-runtime" } },
      "default-runtime": "nvidia",
      "log-opts": { "max-size": "1g", labels: "x" },
    };
    expect(mergeSettings(before, configOf())).toEqual({ ...before, "live-restore": true });
  });

  test("adds limits to other options of the log", () => {
    const merged = mergeSettings({ "log-opts": { labels: "x" } }, configOf());
    expect(merged["log-opts"]).toEqual({ labels: "x", "max-size": "10m", "max-file": "10" });
  });

  test("leaves another log driver and its options alone", () => {
    const before = { "log-driver": "journald", "log-opts": { tag: "x" } };
    expect(mergeSettings(before, configOf())).toEqual({ ...before, "live-restore": true });
  });

  test("replaces the cgroup driver alone among the options, and only when one is asked for", () => {
    const before = { "exec-opts": ["native.cgroupdriver=cgroupfs", "other=1"] };
    expect(mergeSettings(before, configOf({ dockerCgroupDriver: "systemd" }))["exec-opts"]).toEqual([
      "other=1",
      "native.cgroupdriver=systemd",
    ]);
    expect(mergeSettings(before, configOf())["exec-opts"]).toEqual(before["exec-opts"]);
  });

  describe("of an engine of our own", () => {
    const ours = { ...configOf(), node: { ...NODE, runtime: "bundled" } as const };

    test("it makes no network, and leaves the kernel's settings to phases", () => {
      expect(mergeSettings({}, ours)).toMatchObject({
        "data-root": "/var/opt/pf9/docker",
        bridge: "none",
        iptables: false,
        "ip-forward": false,
      });
    });

    test("what the operator has set stays, but for the place of its data", () => {
      const before = { "data-root": "/srv/docker", "storage-driver": "btrfs", dns: ["10.0.0.2"] };
      expect(mergeSettings(before, ours)).toMatchObject({ ...before, "data-root": "/var/opt/pf9/docker" });
    });

    test("a bridge docker0 that was there stays, also once the engine has made it its own", () => {
      const once = mergeSettings({}, { ...ours, hasBridge: true });
      expect(once["bridge"]).toBe("docker0");
      expect(mergeSettings(once, { ...ours, hasBridge: true })).toEqual(once);
    });
  });

  test("a second time changes nothing", () => {
    const options = configOf({ dockerCgroupDriver: "systemd" });
    const once = mergeSettings({ runtimes: {} }, options);
    expect(mergeSettings(once, options)).toEqual(once);
  });
});

describe("bridgeConflist()", () => {
  const node = { podCidr: "10.20.3.0/24" } as never;

  test("gives pods the node's block, and leaves their source and what passes to nodelet's chains", () => {
    const { plugins } = bridgeConflist({ node }, { mtu: undefined });
    expect(plugins.map(({ type }) => type)).toEqual(["bridge", "portmap"]);
    expect(plugins[0]).toMatchObject({ bridge: "cni0", ipam: { ranges: [[{ subnet: "10.20.3.0/24" }]] } });
    expect(plugins[0]).not.toHaveProperty("mtu");
    expect(plugins[0]).not.toHaveProperty("ipMasq");
  });

  test("sets the MTU that is asked for", () => {
    expect(bridgeConflist({ node }, { mtu: 1400 }).plugins[0]).toMatchObject({ mtu: 1400 });
  });
});

describe("renderKubeletUnit()", () => {
  // The grammar of the configuration refuses most of what must be quoted; the unit does not rely on that.
  const unitOf = ({
    kubeletFlags = [],
    resolver = "/etc/resolv.conf",
    ...flags
  }: { kubeletFlags?: string[]; resolver?: string; [key: string]: unknown } = {}) =>
    renderKubeletUnit({
      config: { ...loadConfig({ flags }), kubeletFlags },
      node: { name: "n1", ip: "10.0.0.5" } as never,
      facts: kubeFacts("v1.20.2"),
      pauseImage: "nodelet.local/pause:1",
      resolver,
      inputs: "0123abcd",
    });

  test("has each flag on a line of its own, all but the last continued", () => {
    const lines = unitOf().split("\n");
    const from = lines.findIndex((line) => line.startsWith("ExecStart="));
    const flags = lines.slice(from + 1, lines.indexOf("Restart=always"));
    expect(flags.every((line) => line.startsWith("  --"))).toBe(true);
    expect(flags.slice(0, -1).every((line) => line.endsWith(" \\"))).toBe(true);
    expect(flags.at(-1)).not.toEndWith("\\");
    expect(lines).toContain("Environment=NODELET_INPUTS=0123abcd");
  });

  test.each([
    ["--a=1", "  --a=1\n"],
    ["--a=50%", "  --a=50%%\n"],
    ["--a=$HOME", "  --a=$$HOME\n"],
    ["--a=b c", '  "--a=b c"\n'],
    ["--a=it's", '  "--a=it\'s"\n'],
    ['--a="b"', '  "--a=\\"b\\""\n'],
    ["--a=b\\c", "  --a=b\\\\c\n"],
  ])("systemd reads %s as one word with every letter", (flag, line) => {
    expect(unitOf({ kubeletFlags: [flag] })).toContain(line);
  });

  test("the operator's flags come last, so that they win", () => {
    const text = unitOf({ kubeletFlags: ["--v=9"] });
    expect(text.indexOf("--v=2")).toBeLessThan(text.indexOf("--v=9"));
  });

  test.each([
    ["/etc/resolv.conf", undefined],
    ["/run/systemd/resolve/resolv.conf", "  --resolv-conf=/run/systemd/resolve/resolv.conf \\"],
    ["", "  --resolv-conf= \\"],
  ])(
    "says where name servers for pods are, where that is not the kubelet's own default: %s",
    (resolver, line) => {
      const found = unitOf({ resolver })
        .split("\n")
        .find((one) => one.includes("--resolv-conf"));
      expect(found).toBe(line as string);
    },
  );

  test("leaves labels to the API that a kubelet may not give itself", () => {
    const text = unitOf({ nodeLabels: "rack=7,node-role.kubernetes.io/edge=" });
    expect(text).toContain("--node-labels=rack=7 ");
  });

  test("registers with the operator's taints", () => {
    expect(unitOf({ nodeTaints: "a=b:NoSchedule,c:NoExecute" })).toContain(
      "--register-with-taints=a=b:NoSchedule,c=:NoExecute ",
    );
  });
});

describe("taints and labels of the node", () => {
  const bundle = { kubernetesVersion: "v1.20.2" } as never;
  const taintsOf = (current: Parameters<typeof wantedTaints>[0], flags: Record<string, unknown> = {}) =>
    wantedTaints(current, { ...configOf(flags), bundle });
  const master = { key: "node-role.kubernetes.io/master", effect: "NoSchedule" };
  const theirs = { key: "node.kubernetes.io/disk-pressure", effect: "NoSchedule" };

  test("everybody else's stay", () => expect(taintsOf([theirs])).toEqual([theirs]));

  test("the master's is set where pods are not allowed, and goes where they are", () => {
    expect(taintsOf([theirs], { allowWorkloadsOnMaster: "false" })).toEqual([theirs, master]);
    expect(taintsOf([master, theirs])).toEqual([theirs]);
  });

  test("one of key and effect is replaced, not doubled", () => {
    const wanted = { key: "a", value: "new", effect: "NoSchedule" };
    expect(taintsOf([{ ...wanted, value: "old" }], { nodeTaints: "a=new:NoSchedule" })).toEqual([wanted]);
  });

  test("the master's, given by the operator as well, is there once", () => {
    const flags = {
      allowWorkloadsOnMaster: "false",
      nodeTaints: "node-role.kubernetes.io/master=x:NoSchedule",
    };
    expect(taintsOf([], flags)).toEqual([{ ...master, value: "x" }]);
  });

  test("labels say what the node is, and what the operator wants", () => {
    expect(wantedLabels({ ...configOf({ nodeLabels: "a=b" }), bundle })).toEqual({
      "node-role.kubernetes.io/master": "",
      "node-role.kubernetes.io/control-plane": "",
      a: "b",
    });
  });
});

test("etcd talks to clients and peers with mutual TLS alone", async () => {
  await using w = await world();
  const spec = etcdContainer(w.ctx);
  const flags = new Map(
    spec.command.slice(1).map((flag) => flag.replace(/^--/, "").split(/=(.*)/s) as [string, string]),
  );
  for (const name of [
    "listen-client-urls",
    "listen-peer-urls",
    "advertise-client-urls",
    "initial-advertise-peer-urls",
  ]) {
    for (const url of flags.get(name)?.split(",") ?? [""])
      expect([name, url.split(":")[0]]).toEqual([name, "https"]);
  }
  expect(flags.get("listen-metrics-urls")).toBe("http://127.0.0.1:2381");
  expect([flags.get("client-cert-auth"), flags.get("peer-client-cert-auth")]).toEqual(["true", "true"]);
  expect([flags.get("trusted-ca-file"), flags.get("peer-trusted-ca-file")]).toEqual([
    "/certs/ca.crt",
    "/certs/ca.crt",
  ]);
  expect(
    flags
      .get("cipher-suites")
      ?.split(",")
      .every((suite) => /^TLS_ECDHE_.*_GCM_/.test(suite)),
  ).toBe(true);
  expect(spec.mounts).toContainEqual({
    source: "/etc/pf9/kube.d/certs/etcd",
    target: "/certs",
    readOnly: true,
  });
  expect(spec.imageId).toBe(w.bundle.image("etcd").imageId);
});

describe("controlPlanePod()", () => {
  const podOf = (more: Partial<ControlPlane> = {}) =>
    controlPlanePod({
      nodeIp: "10.0.0.5",
      apiPort: 6443,
      etcdServers: ["https://127.0.0.1:2379"],
      servicesCidr: "10.21.0.0/16",
      containersCidr: "10.20.0.0/16",
      clusterId: "c-1",
      runtimeConfig: undefined,
      audit: { maxAgeDays: 30, maxBackups: 10, maxSizeMb: 100 },
      images: { apiServer: "api:1", controllerManager: "cm:1", scheduler: "sched:1" },
      extra: { apiServer: [], controllerManager: [], scheduler: [] },
      places: paths,
      inputs: "0123",
      verbosity: 2,
      ...more,
    });
  const commandOf = (name: string, pod = podOf()) =>
    pod.spec.containers.find((container) => container.name === name)?.command ?? [];

  test("nobody is anonymous, nothing is plain, secrets are encrypted, requests are written down", () => {
    expect(commandOf("kube-apiserver")).toEqual(
      expect.arrayContaining([
        "--anonymous-auth=false",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--encryption-provider-config=/etc/pf9/kube.d/configs/encryption.yaml",
        "--audit-policy-file=/etc/pf9/kube.d/configs/audit-policy.yaml",
        "--audit-log-path=/var/log/pf9/kube/audit/audit.log",
        "--profiling=false",
        "--tls-min-version=VersionTLS12",
        "--etcd-servers=https://127.0.0.1:2379",
      ]),
    );
    expect(commandOf("kube-apiserver").join()).not.toMatch(/--insecure-(port|bind-address)=(?!0,)/);
    for (const name of ["kube-controller-manager", "kube-scheduler"]) {
      expect(commandOf(name)).toEqual(
        expect.arrayContaining(["--bind-address=127.0.0.1", "--profiling=false"]),
      );
    }
  });

  test("no container may gain rights or write to its own files", () => {
    for (const { securityContext, imagePullPolicy } of podOf().spec.containers) {
      expect(securityContext).toMatchObject({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
      });
      expect(securityContext.capabilities).toMatchObject({ drop: ["ALL"] });
      expect(imagePullPolicy).toBe("Never");
    }
  });

  test("volume drivers are looked for where the kubelet looks, which is not below /usr", () => {
    const name = "kube-controller-manager";
    const { volumePluginDir } = kubeletConfiguration({
      ...configOf(),
      cgroupDriver: "cgroupfs",
      master: true,
    });
    expect(volumePluginDir).toBe("/var/opt/pf9/kube/volume-plugins");
    expect(commandOf(name)).toContain(`--flex-volume-plugin-dir=${volumePluginDir}`);
    const { volumeMounts } = podOf().spec.containers.find((one) => one.name === name) ?? {};
    expect(volumeMounts).toContainEqual(
      expect.objectContaining({ mountPath: volumePluginDir, readOnly: true }),
    );
  });

  test("the operator's flags win, and are there once", () => {
    const extra = { apiServer: ["--profiling=true", "--new=a=b"], controllerManager: [], scheduler: [] };
    const command = commandOf("kube-apiserver", podOf({ extra }));
    expect(command.filter((flag) => flag.startsWith("--profiling="))).toEqual(["--profiling=true"]);
    expect(command).toContain("--new=a=b");
  });

  test("every mount has its volume, and names are unique labels of DNS", () => {
    const { containers, volumes } = podOf().spec;
    const names = volumes.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
    const mounts = containers.flatMap(({ volumeMounts }) => volumeMounts);
    for (const { name, mountPath } of mounts) {
      expect(volumes.find((volume) => volume.name === name)?.hostPath.path).toBe(mountPath);
    }
  });

  test("the text is the object", () =>
    expect(parse(renderPod(podOf()))).toEqual(JSON.parse(JSON.stringify(podOf()))));
});

describe("words of a static pod", () => {
  test.each([
    ["/etc/pf9/kube.d/certs", "etc-pf9-kube-d-certs"],
    ["/A//b_c/", "a-b-c"],
    [`/${"x".repeat(80)}`, "x".repeat(63)],
    [`/aaa/${"x".repeat(62)}`, "x".repeat(62)],
  ])("volumeName(%s)", (path, name) => expect(volumeName(path)).toBe(name));

  test("flagsOf() sorts by name, and the last of a name wins", () => {
    expect(flagsOf({ b: "1", a: "2" }, ["--b=3", "--c", "--b=4"])).toEqual(["--a=2", "--b=4", "--c=true"]);
  });
});
