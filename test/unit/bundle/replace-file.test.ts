import { describe, expect, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { replaceFile } from "../../../src/bundle/replace-file.ts";
import { AppError } from "../../../src/errors.ts";
import { tmpRoot } from "../../fake/root.ts";
import { refusal } from "./world.ts";

describe("replaceFile()", () => {
  test("puts what was made in the place of what was there, and hands on the result", async () => {
    await using root = await tmpRoot();
    await root.write("/a", "old");
    await root.write("/.a.nodelet.tmp", "left by a killed run");
    const fill = async (temporary: string) => {
      expect(await root.read("/a")).toBe("old");
      await writeFile(temporary, "new", { flag: "wx" });
      return 7;
    };
    expect(await replaceFile(root.place("/a"), fill)).toBe(7);
    expect([await root.read("/a"), Object.keys(await root.snapshot())]).toEqual(["new", ["a"]]);
  });

  test("leaves all as it was when that fails", async () => {
    await using root = await tmpRoot();
    await root.write("/a", "old");
    const before = await root.snapshot();
    const failing = (error: Error) => async (temporary: string) => {
      await writeFile(temporary, "half");
      throw error;
    };
    const path = root.place("/a");
    expect(await refusal(() => replaceFile(path, failing(new AppError("Known", { hint: "so" }))))).toBe(
      "Known; so",
    );
    const full = Object.assign(new Error("write"), { code: "ENOSPC" });
    expect(await refusal(() => replaceFile(path, failing(full)), path)).toBe(
      'Cannot write "FILE": no space left on the device; free space on that file system and run the command again',
    );
    expect(await root.snapshot()).toEqual(before);
  });

  test("names a place that cannot be written", async () => {
    await using root = await tmpRoot();
    const path = root.place("/none/a");
    const message = await refusal(
      () => replaceFile(path, (temporary) => writeFile(temporary, "")),
      root.path,
    );
    expect(message).toStartWith('Cannot write "FILE/none/a": ENOENT: no such file or directory');
  });
});
