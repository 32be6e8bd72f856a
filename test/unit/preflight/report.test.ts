import { describe, expect, test } from "bun:test";
import { EMPTY_BUNDLE } from "../../../src/bundle/bundle.ts";
import { checks } from "../../../src/preflight/checks.ts";
import { allCodes, bundleCodes } from "../../../src/preflight/codes.ts";
import { withVerdict } from "../../../src/preflight/preflight.ts";
import { config, container, preflight } from "./fakes.ts";

const NOBODY = { uid: 1000 };
const codes = (list: readonly { code: string }[]) => list.map(({ code }) => code);

describe("the report of preflight", () => {
  test("names every check once: passed, found something, or not seen", async () => {
    const host = { uid: 1000, cpus: 1, listeners: [{ port: 6443 }, { port: 10250 }], nft: "" };
    const vip = config({ masterVip: "10.88.0.99", masterVipInterface: "eth0" });
    const { passed, errors, warnings, unseen } = await preflight(host, { looking: true, config: vip });
    const all = [
      ...passed,
      ...unseen,
      ...new Map([...errors, ...warnings].map((one) => [one.code, one])).values(),
    ];
    const expected = ["NotLinux", ...codes(checks), "Bundle", ...codes(bundleCodes)];
    expect(codes(all).sort()).toEqual(expected.sort());
  });

  test("tells somebody who only looks what root alone would see, and does not mind who it is", async () => {
    const { errors, unseen } = await preflight({ ...NOBODY, engine: "none" }, { looking: true });
    expect(errors).toEqual([]);
    const reasons = new Map(unseen.map(({ code, reason }) => [code, reason]));
    expect(reasons.get("NotRoot")).toBe("init itself must run as root");
    expect(reasons.get("EtcdLeftovers")).toBe("only root can see it");
    expect(reasons.get("PodContainers")).toBe("Docker does not answer this user");
    expect(reasons.get("DiskSlow")).toBe("only root can see it");
  });

  test("does not judge what was not seen", async () => {
    const host = {
      ...NOBODY,
      unwritable: ["/etc/systemd/system"],
      engine: { containers: [container("etcd")] },
    };
    const { errors } = await preflight(host, { looking: true });
    expect(codes(errors)).toEqual(["ContainerNameTaken"]);
  });

  test("says that an engine which is installed does not answer", async () => {
    const { unseen } = await preflight({ engine: "none" });
    expect(codes(unseen)).toEqual([
      "CgroupVersion",
      "DockerTooOld",
      "StorageDriver",
      "ContainerNameTaken",
      "PodContainers",
    ]);
    expect(new Set(unseen.map(({ reason }) => reason))).toEqual(new Set(["Docker does not answer"]));
  });

  test("says of a bundle that cannot be opened only that, with the other findings", async () => {
    const bundleProblem = { message: "Cannot open the bundle", hint: "name it" };
    const { errors, passed, unseen } = await preflight({ listeners: [{ port: 6443 }] }, { bundleProblem });
    expect(errors).toEqual([
      expect.objectContaining({ code: "PortInUse" }),
      { code: "Bundle", message: "Cannot open the bundle", hint: "name it" },
    ]);
    expect([...codes(passed), ...codes(unseen)].filter((code) => code.startsWith("Bundle"))).toEqual([]);
  });

  test("does not miss programs that a bundle would bring which cannot be opened", async () => {
    const host = {
      missingPrograms: ["iptables", "socat"],
      engine: "none",
      units: [{ name: "docker.service", load: "not-found", active: false, mainPid: 0 }],
    } as const;
    const plan = {
      node: { runtime: "bundled" },
      bundle: EMPTY_BUNDLE,
      bundleProblem: { message: "Cannot open the bundle" },
    } as const;
    const { errors, warnings, unseen } = await preflight(host, plan);
    expect([codes(errors), codes(warnings)]).toEqual([["Bundle"], []]);
    expect(codes(unseen)).toEqual(expect.arrayContaining(["ProgramMissing", "ProgramMissed"]));
  });

  test("takes in what others have looked at", async () => {
    const report = await preflight();
    const about = { code: "Certificates", level: "error", title: "they are good" } as const;
    expect(withVerdict(report, { about, findings: [], unseen: undefined }).passed.at(-1)).toEqual({
      code: "Certificates",
      title: "they are good",
    });
    const bad = { code: "Certificates", message: "they are not" };
    const worse = withVerdict(report, { about, findings: [bad], unseen: undefined });
    expect([worse.errors, worse.passed.length]).toEqual([[bad], report.passed.length]);
  });
});

test("no two checks have one code", () => {
  expect(new Set(codes(allCodes)).size).toBe(allCodes.length);
});
