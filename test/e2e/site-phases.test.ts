// Phases that a site adds in /etc/pf9/nodelet/phases.d, and its kube_override.env, on a real node.
import { describe, expect } from "bun:test";
import { initNode, BUNDLE, story, type TestNode, waitUntil } from "../lab/harness.ts";
import { operate, type PhaseLine, phases, wrong } from "../lab/phases.ts";

const DIR = "/etc/pf9/nodelet/phases.d";
const LOG = "/var/log/pf9/kube/kube.log";
const DEADLINE_S = 4;

/** 076 tells of its environment; 150 of the node that it finds, and keeps a file while it is started. */
const X = `#!/bin/sh
case "$1" in
name) echo "Tell of the environment" ;;
start) echo "role=$ROLE mtu=$MTU_SIZE zone=$SITE_ZONE"; printf 'junk \\377\\033[1m!\\n' >&2 ;;
stop) echo gone ;;
*) exit 64 ;;
esac
`;
const Y = `#!/bin/bash
case "$1" in
name) echo "Keep a file" ;;
start)
  [ ! -e /run/site-y ] || { echo unchanged; exit; }
  /opt/pf9/bin/kubectl --kubeconfig /etc/pf9/kube.d/kubeconfigs/admin.yaml get nodes --no-headers
  touch /run/site-y ;;
stop) [ -e /run/site-y ] || { echo unchanged; exit; }; rm /run/site-y ;;
can_run_status) ;;
status) [ -e /run/site-y ] || { echo "there is no /run/site-y" >&2; exit 1; } ;;
*) exit 64 ;;
esac
`;

async function write(node: TestNode, file: { path: string; text: string; mode: string }): Promise<void> {
  const script = `mkdir -p "$(dirname ${file.path})" && cat > ${file.path} && chmod ${file.mode} ${file.path}`;
  const done = await node.host.exec(["bash", "-c", script], { input: file.text });
  expect(done).toMatchObject({ exitCode: 0, stderr: "" });
}

const addScript = (node: TestNode, name: string, text: string, mode = "0755") =>
  write(node, { path: `${DIR}/${name}`, text, mode });

/** The lines of kube.log without their time, from a line on. */
async function logLines(node: TestNode, from = 0): Promise<string[]> {
  const lines = (await node.sh(`cat ${LOG}`)).split("\n");
  return lines.slice(from).map((line) => line.replace(/^\[[^\]]*\] /, ""));
}

/** Ids of phases in the order in which they began. */
const begun = (lines: readonly string[], verb: "start" | "stop") =>
  lines.flatMap((line) => new RegExp(`^phase (\\S+) ${verb}: begin$`).exec(line)?.[1] ?? []);

const rowOf = async (node: TestNode, id: string) => {
  const { stdout } = await phases(node, "status", "-p", id, "-o", "json");
  const [row] = JSON.parse(stdout) as PhaseLine[];
  return row && { title: row.title, statusCheck: row.statusCheck, status: row.status, message: row.message };
};

/** A script whose words hang; what it starts can be told from any other process. */
const hanging = (verb: string) => `#!/bin/sh
case "$1" in
name) echo "Hang" ;;
can_run_status) ;;
${verb}) echo waiting; (trap '' TERM; sleep 98765) & sleep 98766 ;;
esac
`;
const sleepers = (node: TestNode) => node.sh("pgrep -fc '^sleep 9876[56]$' || true");

describe("a site's own phases", () => {
  const { step } = story({ name: "siteph", ip: "10.88.0.61" }, async (node) => {
    // The daemon looks on: the story is about what the operator's commands do.
    const config = `kubeServiceState: ignore\nphaseScriptTimeoutSeconds: ${DEADLINE_S}\nmtu: 1400\n`;
    await write(node, { path: "/etc/pf9/nodelet/50-site.yaml", text: config, mode: "0600" });
    await addScript(node, "076-x", X);
    await addScript(node, "150-y", Y);
  });

  step("are refused, all at once and before any change, with 4", async (node) => {
    const ours = "{ find /etc/pf9 /opt/pf9 /opt/cni /var/opt/pf9 /var/log/pf9 2>/dev/null || true; } | sort";
    await addScript(node, "055-etcd", Y);
    await addScript(node, "300-open", `#!/bin/sh\ntouch /run/ran\necho Open\n`, "0775");
    await addScript(node, "301-silent", `#!/bin/sh\ntouch /run/ran\n`);
    const before = await node.sh(ours);
    const init = () => node.nodelet(["init", "--bundle", BUNDLE]);
    const taken = `  ${DIR}/055-etcd: has the number of the program's own phase 055-etcd-run; expected one of its own`;
    expect(await init()).toEqual({
      exitCode: 4,
      stdout: "",
      stderr: `error: Configuration is not valid: 2 problems
${taken}
  ${DIR}/300-open: has mode 0775, so others can write it; expected no write permission for them
`,
    });
    expect(await node.sh("ls /run/ran || true")).toBe("");
    await node.sh(`chmod 0755 ${DIR}/300-open`);
    expect(await init()).toEqual({
      exitCode: 4,
      stdout: "",
      stderr: `error: Configuration is not valid: 2 problems
${taken}
  ${DIR}/301-silent: answers "name" with nothing; expected its title in one line
`,
    });
    expect(await node.sh(ours)).toBe(before);
    await node.sh(`rm ${DIR}/055-etcd ${DIR}/300-open ${DIR}/301-silent /run/ran`);
  });

  step("an override that cannot be taken is refused with 4 as well", async (node) => {
    const path = "/etc/pf9/kube_override.env";
    await write(node, { path, text: "MTU_SIZE=big\nPATH=/tmp\nSITE_ZONE=a b\n", mode: "0644" });
    expect(await node.nodelet(["init", "--bundle", BUNDLE])).toEqual({
      exitCode: 4,
      stdout: "",
      stderr: `error: Configuration is not valid: 3 problems
  ${path}:1: MTU_SIZE: "big" is not accepted; expected a whole number from 576 to 9216
  ${path}:2: "PATH" decides which programs run; expected a variable that programs only read
  ${path}:3: SITE_ZONE: the value has a space or a quote in it; expected quotes around the whole value
`,
    });
    await write(node, { path, text: "# ours\nMTU_SIZE=1380\nexport SITE_ZONE='a b'\n", mode: "0644" });
  });

  step("are in a dry run without being run", async (node) => {
    const done = await node.nodelet(["init", "--bundle", BUNDLE, "--dry-run"]);
    expect(done).toMatchObject({ exitCode: 0 });
    expect(done.stdout).toMatch(new RegExp(`^SCRIPT +${DIR}/076-x +not run +-> +start$`, "m"));
    expect(await node.sh("ls /run/site-y || true")).toBe("");
  });

  step("run in their place, with kube.env and the override, and speak into kube.log", async (node) => {
    const done = await initNode(node, ["--mtu", "1390"]);
    expect(done.stderr).not.toContain("waiting");
    const lines = await logLines(node);
    const order = begun(lines, "start");
    const at = (id: string) => order.indexOf(id);
    expect(at("076-x")).toBeGreaterThan(-1);
    expect(order.slice(0, at("076-x")).every((id) => id < "076")).toBe(true);
    expect(order.slice(at("076-x") + 1).every((id) => id > "076")).toBe(true);
    expect(order.slice(-3)).toEqual(["150-y", "180-configure-start-keepalived", "210-drain-pods"]);
    expect(lines).toContain("076-x: role=master mtu=1380 zone=a b");
    expect(lines).toContain("076-x: junk \uFFFD!");
    expect(lines.find((line) => line.startsWith("150-y: "))).toMatch(/^150-y: siteph +Ready /);
    const env = await node.sh("cat /etc/pf9/kube.env; stat -c %a /etc/pf9/kube.env");
    expect(env).toContain('\nexport MTU_SIZE="1380"\n');
    expect(env).toContain('\nexport SITE_ZONE="a b"\n');
    expect(env).toEndWith("\n600");
    expect(await node.sh("grep -rho '\"mtu\": *[0-9]*' /etc/cni/net.d")).toMatch(/1380$/);
    // What the override says is not kept as if it had been a flag.
    expect(await node.sh("cat /etc/pf9/nodelet/zz-init-flags.yaml")).toContain("mtu: 1390");
  });

  step("are rows of list and status as all others", async (node) => {
    const list = await phases(node, "list");
    expect(list).toMatchObject({ exitCode: 0, stderr: "" });
    expect(list.stdout).toMatch(/^12 +076-x +Tell of the environment +false$/m);
    expect(list.stdout).toMatch(/^21 +150-y +Keep a file +true$/m);
    expect(await rowOf(node, "076-x")).toMatchObject({ status: "N/A", message: "" });
    expect(await rowOf(node, "150-y")).toMatchObject({ status: "running", message: "" });
    expect(await wrong(node, "rm /run/site-y")).toEqual({ "150-y": "failed: there is no /run/site-y" });
    expect(await operate(node, "start")).toEqual(["076-x", "150-y"]);
    expect(await wrong(node)).toEqual({});
  });

  step("stop alone, and in their place among all", async (node) => {
    expect(await operate(node, "stop", "-p", "150-y", "--single")).toEqual(["150-y"]);
    expect(await operate(node, "stop", "-p", "150-y", "--single")).toEqual([]);
    expect(await operate(node, "start", "-p", "y", "--single")).toEqual(["150-y"]);
    const from = (await logLines(node)).length;
    await operate(node, "stop");
    const lines = await logLines(node, from);
    const order = begun(lines, "stop");
    expect(order.slice(0, 3)).toEqual(["210-drain-pods", "180-configure-start-keepalived", "150-y"]);
    expect(order.slice(order.indexOf("080-kubelet-configure-start")).slice(0, 3)).toEqual([
      "080-kubelet-configure-start",
      "076-x",
      "075-misc-scripts",
    ]);
    expect(lines).toContain("076-x: gone");
    expect(await node.sh("ls /run/site-y || true")).toBe("");
    await operate(node, "start");
    expect(await wrong(node)).toEqual({});
  });

  step("are killed at their deadline with all that they started", async (node) => {
    await addScript(node, "150-y", hanging("start"));
    expect(await phases(node, "start", "-p", "150-y", "--single")).toMatchObject({
      exitCode: 1,
      stdout: "",
      stderr: expect.stringContaining(
        `error: Cannot start the phase "150-y" (Hang): it did not end within ${DEADLINE_S} s and was killed: waiting\n` +
          `  see ${LOG}, or set phaseScriptTimeoutSeconds\n`,
      ),
    });
    expect(await logLines(node)).toContain("150-y: waiting");
    expect(await sleepers(node)).toBe("0");
  });

  step("are ended when the operator asks, and the exit code is 130", async (node) => {
    const from = (await logLines(node)).length;
    const running = await node.spawnNodelet(["phases", "start", "-p", "150-y", "--single"]);
    await waitUntil(async () => (await logLines(node, from)).includes("150-y: waiting"), {
      what: "the script to wait",
      deadlineMs: 20_000,
    });
    await running.kill("INT", true);
    expect(await running.exited).toBe(130);
    expect(running.output()).toContain(
      'error: Interrupted: did not start the phase "150-y"; its script was ended with all that it started\n',
    );
    expect(await sleepers(node)).toBe("0");
  });

  step("a check that hangs is given up, and killed", async (node) => {
    // The daemon has checks of its own under way.
    await node.sh("systemctl stop pf9-nodeletd");
    await addScript(node, "150-y", hanging("status"));
    expect(await rowOf(node, "150-y")).toEqual({
      title: "Hang",
      statusCheck: true,
      status: "failed",
      message: "the check did not end within 10 s",
    });
    expect(await sleepers(node)).toBe("0");
    await node.sh("systemctl start pf9-nodeletd");
  });

  step("one that is not right stops no command that has no use for phases", async (node) => {
    await addScript(node, "150-y", Y, "0757");
    const problem = `error: Configuration is not valid: 1 problem\n  ${DIR}/150-y: has mode 0757, so others can write it; expected no write permission for them\n`;
    for (const args of [
      ["phases", "list"],
      ["phases", "start"],
      ["phases", "stop"],
    ])
      expect(await node.nodelet(args)).toEqual({ exitCode: 4, stdout: "", stderr: problem });
    expect(await node.nodelet(["certs", "list"])).toMatchObject({ exitCode: 0, stderr: "" });
    await node.sh(`chmod 0755 ${DIR}/150-y; rm -f /run/site-y`);
    expect(await operate(node, "start", "-p", "150-y", "--single")).toEqual(["150-y"]);
    expect(await wrong(node)).toEqual({});
  });

  step("stay where they are at reset, which does not run them", async (node) => {
    expect(await node.nodelet(["reset", "--yes"])).toMatchObject({ exitCode: 0, stderr: "" });
    expect(await node.sh(`ls ${DIR} /run/site-y`)).toBe(`/run/site-y\n\n${DIR}:\n076-x\n150-y`);
  });
});
