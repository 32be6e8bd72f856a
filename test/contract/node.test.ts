import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { writeBundle } from "../fake/bundle.ts";
import { snapshot, tmpRoot } from "../fake/root.ts";
import { hasStackTrace, nodelet, NODELET } from "./nodelet.ts";

const isRoot = process.getuid?.() === 0;
const NODE_FLAGS = ["--node-ip", "10.0.0.5", "--node-name", "n1"];

/** A root and a bundle beside it. */
async function setUp() {
  const top = await tmpRoot();
  const [root, bundle] = [join(top.path, "root"), join(top.path, "bundle")];
  await top.write("/root/keep", "me");
  await writeBundle(bundle);
  const inside = (...args: string[]) => nodelet([...args, "--root", root]);
  const init = (...args: string[]) =>
    inside("init", "--bundle", bundle, "--insecure-bundle", ...NODE_FLAGS, ...args);
  return { top, root, bundle, inside, init, [Symbol.asyncDispose]: () => top[Symbol.asyncDispose]() };
}

describe("on a host that is no node", () => {
  test("init without a bundle says what it needs", async () => {
    await using t = await setUp();
    expect(await t.inside("init", ...NODE_FLAGS)).toEqual({
      stdout: "",
      stderr: `error: Cannot open the bundle: none was given, this program carries none, and this host has none installed\n  name it with --bundle FILE\n`,
      code: 1,
    });
    expect(Object.keys(await snapshot(t.root))).toEqual(["keep"]);
  });

  test("phases list shows what there will be", async () => {
    await using t = await setUp();
    const { stdout, stderr, code } = await t.inside("phases", "list");
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
    const [head, first] = stdout.split("\n");
    expect(head?.split(/ {2,}/)).toEqual(["INDEX NUMBER", "FILE NAME", "NAME", "STATUS CHECK"]);
    expect(first?.split(/ {2,}/)).toEqual([
      "1",
      "020-gen-certs",
      "Generate certs / Send signing request to CA",
      "true",
    ]);
    const asJson = JSON.parse((await t.inside("phases", "list", "-o", "json")).stdout) as {
      index: number;
      id: string;
    }[];
    expect(asJson.map(({ index }) => index)).toEqual(asJson.map((_, at) => at + 1));
    expect(Object.keys(await snapshot(t.root))).toEqual(["keep"]);
  });

  test("phases list has a site's own in their place, by file name, and runs none of them", async () => {
    await using t = await setUp();
    const ran = join(t.top.path, "ran");
    const file = "/root/etc/pf9/nodelet/phases.d/076-data-disk";
    await t.top.write(file, `#!/bin/sh\ntouch ${ran}\necho Title\n`, 0o755);
    const { stdout, stderr, code } = await t.inside("phases", "list");
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
    expect(stdout).toMatch(/ 075-misc-scripts .*\n\d+ +076-data-disk +data-disk +false\n\d+ +080-/);
    const done = await t.init("--dry-run");
    expect({ stderr: done.stderr, code: done.code }).toEqual({ stderr: "", code: 0 });
    expect(done.stdout).toMatch(/^SCRIPT +\S+\/076-data-disk +not run +-> +start$/m);
    await t.top.write(file.replace("076", "080"), "", 0o777);
    const place = join(t.root, "etc/pf9/nodelet/phases.d/080-data-disk");
    expect(await t.init()).toEqual({
      stdout: "",
      stderr: `error: Configuration is not valid: 2 problems
  ${place}: has mode 0777, so others can write it; expected no write permission for them
  ${place}: has the number of the program's own phase 080-kubelet-configure-start; expected one of its own
`,
      code: 4,
    });
    expect(Object.keys(await t.top.snapshot())).not.toContain("ran");
    expect(Object.keys(await snapshot(t.root))).not.toContain("var");
  });

  test.each(["start", "stop", "restart"])("phases %s has nothing to work on", async (verb) => {
    await using t = await setUp();
    expect(await t.inside("phases", verb)).toEqual({
      stdout: "",
      stderr: `error: Cannot ${verb} phases: this host is not a node\n  run nodelet init first\n`,
      code: 1,
    });
    expect(Object.keys(await snapshot(t.root))).toEqual(["keep"]);
  });

  test("status says so, and how to change it", async () => {
    await using t = await setUp();
    expect(await t.inside("status")).toEqual({
      stdout: "This host is not a node. Make it one: nodelet init\n",
      stderr: "",
      code: 1,
    });
  });

  test("reset has nothing to undo", async () => {
    await using t = await setUp();
    expect(await t.inside("reset")).toEqual({
      stdout: "Nothing to undo: this host is not a node.\n",
      stderr: "",
      code: 0,
    });
    expect(await t.inside("reset", "--dry-run")).toEqual({
      stdout: "0 changes would be undone; none was.\n",
      stderr: "",
      code: 0,
    });
  });

  test("kubeconfig names the file that is missing", async () => {
    await using t = await setUp();
    const { stdout, stderr, code } = await t.inside("kubeconfig");
    expect({ stdout, code }).toEqual({ stdout: "", code: 1 });
    expect(stderr).toStartWith('error: Cannot read "/etc/pf9/kube.d/certs/');
  });

  test("a phase that does not exist is told with the range", async () => {
    await using t = await setUp();
    const { stdout, stderr, code } = await t.inside("phases", "status", "-p", "99");
    expect({ stdout, code }).toEqual({ stdout: "", code: 2 });
    expect(stderr).toBe(
      'error: Cannot find the phase "99"; expected an index from 1 to 20 or an id such as "020-gen-certs"\n  see "nodelet phases list"\n',
    );
  });
});

describe("init --dry-run", () => {
  test("shows the plan and writes nothing", async () => {
    await using t = await setUp();
    const before = await t.top.snapshot();
    const { stdout, code, stderr } = await t.init("--dry-run");
    expect({ code, traced: hasStackTrace(stderr) }).toEqual({ code: 0, traced: false });
    expect(stdout).toMatch(/^KIND +WHAT +OLD +NEW\n/);
    expect(stdout).toMatch(/^FILE +\/etc\/pf9\/kube\.env +absent +-> +\d+ B, 0600/m);
    expect(stdout).toMatch(/^UNIT +pf9-kubelet\.service/m);
    expect(stdout).toMatch(/\d+ changes would be made; none was\.\n$/);
    expect(stdout).not.toContain("PRIVATE KEY");
    expect(await t.top.snapshot()).toEqual(before);
  });
});

describe("init under another root", () => {
  test("writes every file there, plans the rest, and reset takes it all back", async () => {
    await using t = await setUp();
    const before = await t.top.snapshot();
    const { stdout, stderr, code } = await t.init();
    expect({ code, stderr: stderr.split("\n").filter((line) => !/^\[ ?\d+\/\d+\] /.test(line)) }).toEqual({
      code: 0,
      stderr: [""],
    });
    expect(stdout).toMatch(/^UNIT +pf9-kubelet\.service +unknown +-> +active, enabled$/m);
    expect(stdout).toMatch(/^CONTAINER +etcd +unknown +-> +running /m);
    expect(stdout).toMatch(/^SYSCTL +net\.ipv4\.ip_forward +unknown +-> +1$/m);
    expect(stdout).toEndWith("concern a running host and were not made.\n");
    const after = await t.top.snapshot();
    const changed = Object.keys(after).filter(
      (name) => !name.startsWith("root/") && after[name] !== before[name],
    );
    expect(changed).toEqual([]);
    await checkFiles(t.top);

    const again = await t.init("-o", "json");
    expect(JSON.parse(again.stdout)).toMatchObject({ node: "n1", ip: "10.0.0.5", changed: [] });

    const asked = await t.inside("reset");
    expect(asked).toEqual({
      stdout: "",
      stderr:
        "error: Cannot reset without a confirmation: standard input is not a terminal; expected --yes\n",
      code: 2,
    });
    const undone = await t.inside("reset", "--yes");
    expect({ stderr: undone.stderr, code: undone.code }).toEqual({ stderr: "", code: 0 });
    expect(await t.top.snapshot()).toEqual(before);
  });
});

/** The files of a rendered node: which there are, for whose eyes, and that they can be read by a YAML reader. */
async function checkFiles(top: Awaited<ReturnType<typeof tmpRoot>>): Promise<void> {
  const secret = [
    "/etc/pf9/kube.env",
    "/etc/pf9/kube.d/certs/ca.key",
    "/etc/pf9/kube.d/certs/sa.key",
    "/etc/pf9/kube.d/kubeconfigs/admin.yaml",
    "/etc/pf9/kube.d/kubeconfigs/kubelet.yaml",
    "/etc/pf9/kube.d/configs/encryption.yaml",
    "/etc/pf9/kube.d/configs/kubelet.yaml",
    "/etc/pf9/kube.d/manifests/k8s-master.yaml",
    "/var/opt/pf9/nodelet/cluster.json",
    "/var/log/pf9/kube/kube.log",
  ];
  for (const name of secret) expect([name, await top.mode(`/root${name}`)]).toEqual([name, 0o600]);
  for (const name of secret.filter((one) => one.endsWith(".yaml"))) {
    const [document] = parseAllDocuments((await top.read(`/root${name}`)) ?? "");
    expect([name, document?.errors]).toEqual([name, []]);
  }
  for (const name of ["/opt/pf9/bin/kubelet", "/opt/cni/bin/bridge"])
    expect(await top.mode(`/root${name}`)).toBe(0o755);
  expect(await top.read("/root/etc/systemd/system/pf9-kubelet.service")).toContain(
    "ExecStart=/opt/pf9/bin/kubelet",
  );
}

describe("who may, and when", () => {
  const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

  test.skipIf(!isRoot).each([["init"], ["phases start"], ["reset"]])(
    "%s as somebody else than root is refused with 3",
    async (command) => {
      const { stdout, stderr, code } = await nodelet(command.split(" "), { before: nobody });
      expect({ stdout, code }).toEqual({ stdout: "", code: 3 });
      expect(stderr).toBe(
        "error: Cannot go on: 1 preflight check failed\n  [NotRoot] Running as user 65534; expected root\n    run it with sudo\n  nodelet explain CODE tells more\n",
      );
    },
  );

  test.skipIf(!isRoot)("a second nodelet is refused with 5, and told who is at work", async () => {
    const script =
      "const { takeLock } = await import(process.argv[1]); const lock = takeLock('/run/nodelet.lock', 'a test'); process.stdout.write('taken'); setInterval(() => lock, 1000);";
    const module = join(import.meta.dir, "../../src/host/lock.ts");
    const holder = Bun.spawn([process.execPath, "-e", script, module], { stdout: "pipe", stderr: "inherit" });
    try {
      await holder.stdout.getReader().read();
      for (const command of ["init", "reset", "phases start"]) {
        const { stdout, stderr, code } = await nodelet(command.split(" "));
        expect({ stdout, code }).toEqual({ stdout: "", code: 5 });
        expect(stderr).toMatch(
          new RegExp(
            `^error: Cannot start: another nodelet is at work on this host: pid ${holder.pid}, "a test", since \\S+\\n  wait for it to end, or stop it with Ctrl-C where it runs\\n$`,
          ),
        );
      }
    } finally {
      holder.kill();
      await holder.exited;
    }
  });

  test("a pipe that is closed early is no crash", async () => {
    const child = Bun.spawnSync(["sh", "-c", `${NODELET} config default | head -1`], {
      env: { PATH: "/usr/bin:/bin" },
    });
    expect({ code: child.exitCode, traced: hasStackTrace(child.stderr.toString()) }).toEqual({
      code: 0,
      traced: false,
    });
  });
});
