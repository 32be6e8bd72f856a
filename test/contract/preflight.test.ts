import { describe, expect, test } from "bun:test";
import { parse } from "yaml";
import { allCodes } from "../../src/preflight/codes.ts";
import { hasStackTrace, nodelet } from "./nodelet.ts";

/** What `preflight -o json` prints. */
interface Report {
  passed: { code: string; title: string }[];
  failures: { code: string; message: string; hint?: string }[];
  warnings: { code: string; message: string; hint?: string }[];
  unseen: { code: string; title: string; reason: string }[];
}

const isRoot = process.getuid?.() === 0;
const nobody = isRoot ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : [];

// There is no bundle, so whatever the machine is, it fails; and no default route is needed.
const ARGS = ["--node-ip", "192.0.2.1"];

describe("preflight", () => {
  test("tells everything as data, and fails with 3", async () => {
    const { stdout, stderr, code } = await nodelet(["preflight", ...ARGS, "-o", "json"]);
    expect({ stderr, code }).toEqual({ stderr: "", code: 3 });
    const { passed, failures, warnings, unseen } = JSON.parse(stdout) as Report;
    const codes = [...passed, ...failures, ...warnings, ...unseen].map((one) => one.code);
    const known = new Set(allCodes.map((one) => one.code));
    expect(codes.filter((one) => !known.has(one))).toEqual([]);
    expect(failures.map((one) => one.code)).toContain("Bundle");
    expect(failures.find((one) => one.code === "NodeIpMissing")).toEqual({
      code: "NodeIpMissing",
      message: expect.stringContaining("192.0.2.1 is not on this host"),
      hint: "set --node-ip to one of them",
    });
    expect(passed).toContainEqual({ code: "NotLinux", title: "the host runs Linux" });
  });

  test("needs no root, and says what it could not see", async () => {
    const { stdout, code } = await nodelet(["preflight", ...ARGS, "-o", "yaml"], { before: nobody });
    expect(code).toBe(3);
    const { failures, unseen } = parse(stdout) as Report;
    expect(failures.map((one) => one.code)).not.toContain("NotRoot");
    expect(unseen).toContainEqual({
      code: "NotRoot",
      title: "nodelet runs as root",
      reason: "init itself must run as root",
    });
  });

  test("as a table it has the counts, and ends with how to learn more", async () => {
    const { stdout, stderr } = await nodelet(["preflight", ...ARGS]);
    expect(stderr).toBe("");
    expect(stdout).toMatch(/^LEVEL +CODE +MESSAGE, -> REMEDY\nfailure +\w+ +\S/);
    expect(stdout).toMatch(
      /\n\d+ checks passed, \d+ failures?, \d+ warnings?.*\nnodelet explain CODE tells more\n$/,
    );
    expect(hasStackTrace(stdout)).toBe(false);
  });

  test("for a worker leaves out what only a master has", async () => {
    const { stdout } = await nodelet([
      "preflight",
      "join",
      ...ARGS,
      "--etcd-data-dir",
      "/proc/1",
      "-o",
      "json",
    ]);
    const { failures } = JSON.parse(stdout) as Report;
    expect(failures.map((one) => one.code)).not.toContain("EtcdLeftovers");
    const asMaster = await nodelet([
      "preflight",
      "join",
      "--role",
      "master",
      ...ARGS,
      "--etcd-data-dir",
      "/proc/1",
      "-o",
      "json",
    ]);
    if (isRoot) {
      expect((JSON.parse(asMaster.stdout) as Report).failures.map((one) => one.code)).toContain(
        "EtcdLeftovers",
      );
    }
  });

  test("tells a wrong configuration as init does", async () => {
    const { stdout, stderr, code } = await nodelet(["preflight", "--storage-checklist", "srv=1"]);
    expect({ stdout, code }).toEqual({ stdout: "", code: 4 });
    expect(stderr).toContain('"srv" is not an absolute path');
  });
});

describe("explain", () => {
  test("lists all codes", async () => {
    const { stdout, stderr, code } = await nodelet(["explain", "-o", "json"]);
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
    const list = JSON.parse(stdout) as { code: string; level: string }[];
    expect(list.map((one) => one.code)).toEqual(allCodes.map((one) => one.code));
    expect(new Set(list.map((one) => one.level))).toEqual(new Set(["failure", "warning"]));
  });

  test.each(allCodes.map((one) => one.code))("has a page for %s", async (name) => {
    const { stdout, stderr, code } = await nodelet(["explain", name]);
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
    expect(stdout).toStartWith(`${name} (`);
    expect(stdout).toContain("\nWhat to do\n  1. ");
    expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(120);
  });
});
