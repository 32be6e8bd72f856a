import { describe, expect, spyOn, test } from "bun:test";
import { rm } from "node:fs/promises";
import { AppError, InterruptedError } from "../../../src/errors.ts";
import type { Ctx } from "../../../src/ctx.ts";
import type { Phase, PhaseState } from "../../../src/runner/phase.ts";
import { startPhases } from "../../../src/runner/run.ts";
import { statusOf } from "../../../src/runner/status.ts";
import { hearing, reasonOf } from "../runner/help.ts";
import { eventually, isAlive, script, siteWorld } from "./help.ts";

const isRoot = process.getuid?.() === 0;

/** A world with one script, and its phase. */
async function withScript(parts: Parameters<typeof script>[0], config: Record<string, unknown> = {}) {
  const t = await siteWorld({ "300-a": script(parts) }, { config });
  const [phase] = await t.find();
  if (!phase) throw new Error("the script was not found");
  return {
    ...t,
    phase,
    pid: async () =>
      Number(
        await Bun.file(t.file(".pid"))
          .text()
          .catch(() => "0"),
      ),
  };
}

/** Writes a process id where the world can read it: what begins with a dot is no script. */
const notePid = (pid: string) => `echo ${pid} > "${"$"}{0%/*}/.pid"`;

const startOf = (ctx: Ctx, phase: Phase) => startPhases(ctx, { phases: [phase], listen: hearing().listen });

describe.skipIf(!isRoot)("a script's start and stop", () => {
  test("have its output in the log, line by line, and the environment of kube.env and no other", async () => {
    process.env.NODELET_LEAK = "secret";
    await using t = await withScript(
      { start: "pwd; env; printf 'bad\\377\\033[1mbold\\n\\nlast' >&2", stop: "echo $1 $#" },
      { apiPort: 7443, extraEnv: { SITE: "it's $HOME" } },
    );
    expect(await t.phase.start(t.ctx)).toBe("changed");
    delete process.env.NODELET_LEAK;
    expect(t.logged[0]).toBe("300-a: /");
    expect(t.logged).toEqual(
      expect.arrayContaining([
        "300-a: K8S_API_PORT=7443",
        "300-a: SITE=it's $HOME",
        "300-a: MASTER_IP=",
        "300-a: LC_ALL=C.UTF-8",
        "300-a: bad\uFFFDbold",
        "300-a: last",
      ]),
    );
    expect(t.logged.join("\n")).toContain("300-a: PATH=/opt/pf9/bin:");
    expect(t.logged.join("\n")).not.toContain("NODELET_LEAK");
    t.logged.length = 0;
    expect(await t.phase.stop(t.ctx, () => {})).toBe("changed");
    expect(t.logged).toEqual(["300-a: stop 1"]);
  });

  test("may say that they changed nothing, in the last line alone", async () => {
    await using t = await withScript({
      start: "echo done; echo unchanged",
      stop: "echo unchanged; echo done",
    });
    expect(await t.phase.start(t.ctx)).toBe("unchanged");
    expect(await t.phase.stop(t.ctx, () => {})).toBe("changed");
  });

  test.each([
    ["echo out; echo no disk >&2; echo out; exit 3", "it ended with exit code 3: no disk"],
    ["echo no disk; exit 3", "it ended with exit code 3: no disk"],
    ["exit 3", "it ended with exit code 3"],
    ["kill -SEGV $$", "it was ended by SIGSEGV"],
  ])("fail with the code and the last words: %s", async (start, problem) => {
    await using t = await withScript({ title: "Mount", start });
    const error = (await reasonOf(startOf(t.ctx, t.phase))) as AppError;
    expect(error.message).toBe(`Cannot start the phase "300-a" (Mount): ${problem}`);
    expect(error.hint).toBe("see /var/log/pf9/kube/kube.log");
  });

  test("do not block however much they say on both pipes, and the log takes 10000 lines of it", async () => {
    await using t = await withScript({ start: "seq 200000 >&2 & seq 200000; wait" });
    expect(await t.phase.start(t.ctx)).toBe("changed");
    expect(t.logged).toHaveLength(10_001);
    expect(t.logged.at(-1)).toBe("300-a: said more than 10000 lines; the rest is left out");
  });

  test("do not wait for what a script leaves running, and leave it alone", async () => {
    await using t = await withScript({ start: `sleep 600 & ${notePid("$!")}; echo started` });
    expect(await t.phase.start(t.ctx)).toBe("changed");
    expect(t.logged).toEqual(["300-a: started"]);
    const pid = await t.pid();
    expect(await isAlive(pid)).toBe(true);
    process.kill(pid, "SIGKILL");
  });

  test("are killed at their deadline with all that they started, which may clean up first", async () => {
    const child = "(trap 'echo cleaned' TERM; sleep 600 & wait $!) &";
    const stubborn = `(trap '' TERM; sleep 601) & ${notePid("$!")};`;
    await using t = await withScript(
      { title: "Mount", start: `${child} ${stubborn} echo waiting; wait` },
      { phaseScriptTimeoutSeconds: 1 },
    );
    const error = (await reasonOf(startOf(t.ctx, t.phase))) as AppError;
    expect(error.message).toBe(
      'Cannot start the phase "300-a" (Mount): it did not end within 1 s and was killed: waiting',
    );
    expect(error.hint).toBe("see /var/log/pf9/kube/kube.log, or set phaseScriptTimeoutSeconds");
    expect(t.logged).toContain("300-a: cleaned");
    await eventually(async () => !(await isAlive(await t.pid())));
  });

  test("are ended when the operator asks, and it is said", async () => {
    await using t = await withScript({ start: `${notePid("$$")}; echo waiting; sleep 600` });
    const work = reasonOf(startOf(t.ctx, t.phase));
    await eventually(() => t.logged.includes("300-a: waiting"));
    t.abort();
    const error = (await work) as AppError;
    expect(error).toBeInstanceOf(InterruptedError);
    expect(error.message).toBe(
      'Interrupted: did not start the phase "300-a"; its script was ended with all that it started',
    );
    expect(error.hint).toBe("run the same command again to go on");
    expect(t.logged.at(-1)).toBe("300-a: ended by the operator, with all that it started");
    expect(await isAlive(await t.pid())).toBe(false);
  });

  test("are not begun after the operator asked", async () => {
    await using t = await withScript({ stop: "echo stopping" });
    t.abort();
    expect(await reasonOf(t.phase.stop(t.ctx, () => {}))).toBeInstanceOf(InterruptedError);
    expect(t.logged).toEqual(["300-a: ended by the operator, with all that it started"]);
  });

  test("fail in words when the script has gone meanwhile", async () => {
    await using t = await withScript({});
    await rm(t.file("300-a"));
    const error = await reasonOf(startOf(t.ctx, t.phase));
    expect(error.message).toBe(
      'Cannot start the phase "300-a" (A step): it cannot be run: ENOENT; expected a program, or a first line such as #!/bin/sh',
    );
  });
});

describe.skipIf(!isRoot)("a script's status", () => {
  const rowOf = async (ctx: Ctx, phase: Phase) => {
    const [row] = await statusOf(ctx, { phases: [phase], notes: {}, busy: false });
    return { statusCheck: row?.statusCheck, status: row?.status, message: row?.message };
  };

  test.each<[string, PhaseState["state"], string]>([
    ["echo well", "running", ""],
    ["echo looking; exit 1", "failed", "looking"],
    ["echo looking; echo no mount >&2; exit 1", "failed", "no mount"],
    ["exit 7", "failed", "it ended with exit code 7"],
  ])("%s", async (status, state, message) => {
    await using t = await withScript({ status });
    expect(await rowOf(t.ctx, t.phase)).toEqual({ statusCheck: true, status: state, message });
    expect(t.logged).toEqual([]);
  });

  test("is N/A for a script that cannot tell", async () => {
    await using t = await withScript({});
    expect(await rowOf(t.ctx, t.phase)).toEqual({ statusCheck: false, status: "N/A", message: "" });
  });

  test("is killed when the runner gives up a check that hangs, with all that it started", async () => {
    await using t = await withScript({ status: `trap '' TERM; sleep 600 & ${notePid("$!")}; wait` });
    const late = new AbortController();
    const timeout = spyOn(AbortSignal, "timeout").mockReturnValue(late.signal);
    try {
      const row = rowOf(t.ctx, t.phase);
      await eventually(async () => await isAlive(await t.pid()));
      late.abort();
      expect(await row).toEqual({
        statusCheck: true,
        status: "failed",
        message: "the check did not end within 10 s",
      });
      await eventually(async () => !(await isAlive(await t.pid())));
    } finally {
      timeout.mockRestore();
    }
  });
});
