import { describe, expect, test } from "bun:test";
import { AppError } from "../../../src/errors.ts";
import { pretty, run } from "../../../src/host/run.ts";

describe("run()", () => {
  test("gives output and exit code apart", async () => {
    const result = await run(["sh", "-c", "echo out; echo err >&2; exit 3"], { check: false });
    expect(result).toEqual({ stdout: "out\n", stderr: "err\n", exitCode: 3 });
  });

  test("an argument is one word whatever is in it", async () => {
    const word = `a b'c"d $HOME *;|`;
    expect((await run(["printf", "%s\n", word])).stdout).toBe(`${word}\n`);
  });

  test("the environment is ours alone", async () => {
    process.env.NODELET_LEAK = "secret";
    try {
      const { stdout } = await run(["env"], { env: { MORE: "1" } });
      const names = stdout
        .trim()
        .split("\n")
        .map((line) => line.split("=")[0] ?? "");
      expect(names.filter((name) => !["PWD", "SHLVL", "_"].includes(name)).sort()).toEqual([
        "LANG",
        "LC_ALL",
        "MORE",
        "PATH",
      ]);
    } finally {
      delete process.env.NODELET_LEAK;
    }
  });

  test("input reaches the program; without it standard input is at its end", async () => {
    expect((await run(["cat"], { input: "text" })).stdout).toBe("text");
    expect((await run(["cat"])).stdout).toBe("");
  });

  test("a program that is not there is named, with the way out", async () => {
    const error = (await run(["nodelet-none", "x"]).catch((reason: unknown) => reason)) as AppError;
    expect(error).toBeInstanceOf(AppError);
    expect(error.message).toBe('Cannot run "nodelet-none": it is not on this host');
    expect(error.hint).toBe("install the package that brings nodelet-none");
  });

  test("a failure shows the command as a shell takes it, the code, and the last lines", async () => {
    await expect(run(["sh", "-c", "seq 9 >&2; exit 4"])).rejects.toThrow(
      "Command \"sh -c 'seq 9 >&2; exit 4'\" failed with exit code 4: 5; 6; 7; 8; 9",
    );
  });

  test("a failure without words on stderr shows those on stdout", async () => {
    await expect(run(["sh", "-c", "echo why; exit 1"])).rejects.toThrow("failed with exit code 1: why");
  });

  test("the deadline kills a program that does not end", async () => {
    await expect(run(["sleep", "600"], { timeoutMs: 50 })).rejects.toThrow(
      'Cannot finish "sleep 600": it was killed; expected an end within 0.05 s',
    );
  });

  test("the deadline holds although a child of the program keeps its output open", async () => {
    const work = run(["sh", "-c", "sleep 20 & echo $!; wait"], { timeoutMs: 50 });
    await expect(work).rejects.toThrow("it was killed; expected an end within 0.05 s");
  });

  test("a signal ends the program", async () => {
    const controller = new AbortController();
    const work = run(["sleep", "600"], { signal: controller.signal, check: false });
    controller.abort();
    expect((await work).exitCode).not.toBe(0);
  });
});

test("pretty() quotes what a shell would split", () => {
  expect(pretty(["a", "b c", "it's", ""])).toBe("a 'b c' 'it'\\''s' ''");
});
