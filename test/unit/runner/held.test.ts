import { describe, expect, test } from "bun:test";
import { mkdir, stat } from "node:fs/promises";
import { changeHeld, leftAlone, readHeld } from "../../../src/runner/held.ts";
import { tmpRoot } from "../../fake/root.ts";
import { phase } from "./help.ts";

describe("the phases that an operator holds", () => {
  test("are added and taken out, on the disk, for root alone", async () => {
    await using root = await tmpRoot();
    const file = root.place("/var/state/held.json");
    await changeHeld(file, { add: [phase("b"), phase("a")] });
    expect(await root.read("/var/state/held.json")).toBe('["a","b"]\n');
    expect(await root.mode("/var/state/held.json")).toBe(0o600);
    await changeHeld(file, { add: [phase("c")], remove: [phase("a"), phase("none")] });
    expect([...readHeld(file)]).toEqual(["b", "c"]);
    await changeHeld(file, { remove: [phase("b"), phase("c")] });
    expect(readHeld(file).size).toBe(0);
  });

  test("a change that changes nothing writes nothing", async () => {
    await using root = await tmpRoot();
    const file = root.place("held.json");
    await changeHeld(file, { remove: [phase("a")] });
    expect(await root.snapshot()).toEqual({});
    await changeHeld(file, { add: [phase("a")] });
    const { ino } = await stat(file);
    await changeHeld(file, { add: [phase("a")], remove: [phase("b")] });
    expect((await stat(file)).ino).toBe(ino);
  });

  test("one for another of the same number is a change", async () => {
    await using root = await tmpRoot();
    const file = root.place("held.json");
    await changeHeld(file, { add: [phase("a")] });
    await changeHeld(file, { add: [phase("b")], remove: [phase("a")] });
    expect([...readHeld(file)]).toEqual(["b"]);
  });

  test.each(["", "{", "null", '{"a": 1}', "7", "\0\0"])("a broken file (%p) holds none", async (text) => {
    await using root = await tmpRoot();
    await root.write("held.json", text);
    expect(readHeld(root.place("held.json")).size).toBe(0);
    await changeHeld(root.place("held.json"), { add: [phase("a")] });
    expect([...readHeld(root.place("held.json"))]).toEqual(["a"]);
  });

  test("what is no id in it is let go", async () => {
    await using root = await tmpRoot();
    await root.write("held.json", '["a", 1, null, ["b"]]');
    expect([...readHeld(root.place("held.json"))]).toEqual(["a"]);
  });

  test("a file that cannot be written is named, so that no phase is stopped that would be started again", async () => {
    await using root = await tmpRoot();
    const file = root.place("held.json");
    await mkdir(file);
    await expect(changeHeld(file, { add: [phase("a")] })).rejects.toThrow(`Cannot write "${file}": `);
  });
});

describe("leftAlone()", () => {
  const alone = (phases: Parameters<typeof leftAlone>[0], ...held: string[]) => [
    ...leftAlone(phases, new Set(held)),
  ];
  const named = [
    phase("a", { needs: [] }),
    phase("b", { needs: ["a"] }),
    phase("c", { needs: ["b"] }),
    phase("d", { needs: ["a"] }),
  ];

  test("nothing when nothing is held, or what is held is no phase any more", () => {
    expect(alone(named)).toEqual([]);
    expect(alone(named, "gone")).toEqual([]);
  });

  test("what is held, and what needs it, over any number of steps; not what stands beside it", () => {
    expect(alone(named, "b")).toEqual(["b", "c"]);
    expect(alone(named, "a")).toEqual(["a", "b", "c", "d"]);
    expect(alone(named, "d")).toEqual(["d"]);
  });

  test("a phase that names no needs needs all before it", () => {
    const phases = [phase("a", { needs: [] }), phase("b"), phase("c")];
    expect(alone(phases, "a")).toEqual(["a", "b", "c"]);
    expect(alone(phases, "b")).toEqual(["b", "c"]);
  });

  test("nothing needs a phase of the site, which needs all that it names", () => {
    const phases = [
      phase("a", { needs: [] }),
      phase("s", { needs: ["a"], site: true }),
      phase("b", { needs: ["a", "s"] }),
    ];
    expect(alone(phases, "s")).toEqual(["s"]);
    expect(alone(phases, "a")).toEqual(["a", "s", "b"]);
  });
});
