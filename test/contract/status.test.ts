import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { parse } from "yaml";
import { writeBundle } from "../fake/bundle.ts";
import { tmpRoot } from "../fake/root.ts";
import { hasStackTrace, nodelet, NODELET } from "./nodelet.ts";

/** A root that is a rendered node: all files of one, and nothing that runs. */
async function renderedNode() {
  const top = await tmpRoot();
  const [root, bundle] = [join(top.path, "root"), join(top.path, "bundle")];
  await writeBundle(bundle);
  const inside = (...args: string[]) => nodelet([...args, "--root", root]);
  const { code } = await inside(
    "init",
    "--bundle",
    bundle,
    "--insecure-bundle",
    "--node-ip",
    "10.0.0.5",
    "--node-name",
    "n1",
  );
  expect(code).toBe(0);
  return { top, inside, [Symbol.asyncDispose]: () => top[Symbol.asyncDispose]() };
}

const NOT_A_NODE = "This host is not a node. Make it one: nodelet init\n";

/** Watches until something was told, ends it as Ctrl-C does, and gives all that it told. */
async function watchOnce(...args: string[]) {
  await using top = await tmpRoot();
  const child = Bun.spawn([NODELET, "status", "--watch", "--root", top.path, ...args], {
    env: {},
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const reader = child.stdout.getReader();
  const told = new TextDecoder().decode((await reader.read()).value);
  child.kill("SIGINT");
  const more = await reader.read();
  return { told, more: more.done, stderr: await new Response(child.stderr).text(), code: await child.exited };
}

describe("status --watch", () => {
  test("tells a state once, and ends with its code", async () => {
    expect(await watchOnce()).toEqual({ told: NOT_A_NODE, more: true, stderr: "", code: 1 });
  });

  test("as json is a line for each state", async () => {
    const { told, code } = await watchOnce("-o", "json");
    expect({ told, code }).toEqual({ told: '{"state":"none"}\n', code: 1 });
  });

  test("whose reader went away ends without a word", async () => {
    await using top = await tmpRoot();
    // The host becomes a node while it is watched, so there is something to write that nobody reads.
    const script = `{ "$0" status --watch --root "$1" 2>"$1/told"; echo $? >"$1/code"; } | head -1; :`;
    const watched = Bun.spawn(["sh", "-c", script, NODELET, top.path], { env: { PATH: "/usr/bin:/bin" } });
    const reader = watched.stdout.getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe(NOT_A_NODE);
    await writeBundle(top.place("/bundle"));
    await nodelet([
      ...["init", "--root", top.path, "--bundle", top.place("/bundle"), "--insecure-bundle"],
      ...["--node-ip", "10.0.0.5", "--node-name", "n1"],
    ]);
    await watched.exited;
    expect([await top.read("/told"), await top.read("/code")]).toEqual(["", "1\n"]);
  });
});

describe("status of a node on which nothing runs", () => {
  test("names what fails, and what to do for the daemon", async () => {
    await using t = await renderedNode();
    const { stdout, stderr, code } = await t.inside("status");
    expect({ stderr, code }).toEqual({ stderr: "", code: 1 });
    expect(stdout).toStartWith(
      "State:         failed\nNode:          n1 (10.0.0.5), master\nCluster:       ",
    );
    expect(stdout).toContain("\nDaemon:        not running; start it: systemctl start pf9-nodeletd\n");
    expect(stdout).toMatch(/^ {2}(stopped|failed): 055-etcd-run \(Start etcd\): /m);
    expect(stdout).toMatch(/^Certificates: {2}\d+ days left \(\S+\)$/m);
    expect(stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
  });

  test("json and yaml have everything", async () => {
    await using t = await renderedNode();
    const asJson = JSON.parse((await t.inside("status", "-o", "json")).stdout) as Record<string, unknown>;
    expect(asJson).toMatchObject({
      state: "failed",
      node: "n1",
      daemon: { running: false },
      health: null,
      held: [],
      configProblems: [],
      versions: { kubernetes: "v1.20.2" },
      events: [],
    });
    const asYaml = parse((await t.inside("status", "-o", "yaml")).stdout) as object;
    expect(Object.keys(asYaml)).toEqual(Object.keys(asJson));
  });

  test("has the health document's fields, or says that it is damaged", async () => {
    await using t = await renderedNode();
    const document = {
      pf9_kube_start_attempt: 3,
      pf9_kube_node_state: "retrying",
      last_failed_task: "Start etcd",
    };
    await t.top.write("/root/var/opt/pf9/kube_status", JSON.stringify(document));
    const { stdout } = await t.inside("status", "-o", "json");
    const { health, healthDamaged } = JSON.parse(stdout) as { health: object; healthDamaged: boolean };
    expect(health).toMatchObject(document);
    expect([Object.keys(health).length, healthDamaged]).toEqual([14, false]);

    await t.top.write("/root/var/opt/pf9/kube_status", '{"pf9_kube_');
    const damaged = await t.inside("status");
    expect({ stderr: damaged.stderr, code: damaged.code }).toEqual({ stderr: "", code: 1 });
    expect(damaged.stdout).toContain("\nDocument:      damaged; the daemon writes it anew\n");
  });

  test("phases that were stopped by hand are no failure", async () => {
    await using t = await renderedNode();
    const list = JSON.parse((await t.inside("phases", "list", "-o", "json")).stdout) as { id: string }[];
    await t.top.write("/root/var/opt/pf9/nodelet/held.json", JSON.stringify(list.map(({ id }) => id)));
    const { stdout, code } = await t.inside("status");
    expect(code).toBe(7);
    expect(stdout).toStartWith("State:         stopped\n");
    expect(stdout).toContain(
      "\nHeld:          all phases, stopped by hand; start them: nodelet phases start\n",
    );
  });

  test("a configuration with a mistake is told, and the one in force is looked at", async () => {
    await using t = await renderedNode();
    const applied = "nodeName: n1\nnodeIp: 10.0.0.7\n";
    await t.top.write("/root/etc/pf9/nodelet/50-site.yaml", "apiPort: x\n");
    const without = await t.inside("status");
    expect({ stdout: without.stdout, code: without.code }).toEqual({ stdout: "", code: 4 });
    expect(without.stderr).toContain('50-site.yaml:1: apiPort: "x" is not accepted');

    await t.top.write("/root/var/opt/pf9/nodelet/applied.yaml", applied);
    const { stdout, stderr } = await t.inside("status");
    expect({ stderr, traced: hasStackTrace(stdout) }).toEqual({ stderr: "", traced: false });
    expect(stdout).toContain("\nNode:          n1 (10.0.0.7), master\n");
    expect(stdout).toMatch(/^Configuration: not valid, the one before stays in force:\n.*50-site\.yaml:1/m);
  });
});

test("status --help says what the exit codes mean", async () => {
  const { stdout, code } = await nodelet(["status", "--help"]);
  expect(code).toBe(0);
  for (const line of [
    /^ {2}0 +ok$/m,
    /^ {2}1 +failed/m,
    /^ {2}6 +converging/m,
    /^ {2}7 +stopped on purpose/m,
  ])
    expect(stdout).toMatch(line);
});
