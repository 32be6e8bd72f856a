import { describe, expect, test } from "bun:test";
import { explainCode } from "../../../src/cli/explain.ts";
import { reportText } from "../../../src/cli/preflight.ts";
import { wrapText } from "../../../src/cli/wrap.ts";
import { ExitCode, UsageError } from "../../../src/errors.ts";

function fakeIo() {
  let text = "";
  const io = {
    out: (more: string) => void (text += more),
    err: () => {},
    terminal: false,
    screen: false,
    ask: () => undefined,
  };
  return { io, text: () => text };
}

describe("the text of a report", () => {
  test("has failures, warnings and what was not seen apart, and the counts", () => {
    const report = {
      errors: [{ code: "PortInUse", message: "Port 6443 is held", hint: "stop it" }],
      warnings: [
        { code: "CpusFew", message: "One processor", hint: "give it more" },
        { code: "MachineId", message: "No id" },
      ],
      passed: [{ code: "SwapOn", title: "swap is off" }],
      unseen: [{ code: "DiskSlow", title: "the disk is quick", reason: "only root can see it" }],
    };
    expect(reportText(report)).toBe(`LEVEL     CODE       MESSAGE, -> REMEDY
failure   PortInUse  Port 6443 is held
                     -> stop it

warning   CpusFew    One processor
                     -> give it more
warning   MachineId  No id

not seen  DiskSlow   whether the disk is quick: only root can see it

1 check passed, 1 failure, 2 warnings, 1 not seen. This host cannot become a node as it is.
nodelet explain CODE tells more
`);
  });

  test("is one line when there is nothing to tell", () => {
    const passed = ["A", "B"].map((code) => ({ code, title: "" }));
    expect(reportText({ errors: [], warnings: [], passed, unseen: [] })).toBe(
      "2 checks passed, 0 failures, 0 warnings. This host can become a node.\n",
    );
  });
});

describe("explain", () => {
  const page = (code: string | undefined, output: "table" | "json" = "table") => {
    const { io, text } = fakeIo();
    expect(explainCode(io, { options: { output }, code })).toBe(ExitCode.ok);
    return text();
  };

  test("tells of a code what was checked, why, the ways out, and what init does", () => {
    expect(page("nodename")).toBe(`NodeName (failure)
Expected: the node's name can be one

What is checked
  The node's name (nodeName, else the host name in lower case): a DNS name of at most 63 characters,
  and not localhost.

Why it matters
  It is the name of the Node object, stands in certificates, and no other node may have it.

What to do
  1. Set --node-name NAME.
  or
  1. Rename the host: hostnamectl set-hostname NAME.

What init does by itself
  Capital letters are made small.
`);
  });

  test("lists all codes without one", () => {
    expect(page(undefined)).toMatch(/^CODE +LEVEL +EXPECTED\nNotLinux +failure +the host runs Linux\n/);
    const list = JSON.parse(page(undefined, "json")) as unknown[];
    expect(list[0]).toEqual({ code: "NotLinux", level: "failure", title: "the host runs Linux" });
  });

  test("gives the same as data", () => {
    expect(JSON.parse(page("SwapOn", "json"))).toMatchObject({
      code: "SwapOn",
      level: "failure",
      ways: [[expect.stringContaining("swapoff"), expect.any(String)], [expect.any(String)]],
    });
  });

  test("names the nearest for a code that there is not", () => {
    const call = () => explainCode(fakeIo().io, { options: { output: "table" }, code: "PortUsed" });
    expect(call).toThrow(UsageError);
    expect(call).toThrow('Cannot explain "PortUsed": there is no such code; expected one of nodelet explain');
  });
});

test("text is broken at blanks, and a long word stands by itself", () => {
  const long = "x".repeat(120);
  expect(wrapText(`a ${long} b`, { first: "1. ", others: "   " })).toBe(`1. a\n   ${long}\n   b\n`);
});
