import { describe, expect, test } from "bun:test";
import { dockerNeed, parseDockerSettings } from "../../../src/docker/settings.ts";

describe("dockerNeed()", () => {
  test.each([
    [{}, {}, "nothing"],
    [{ a: [1] }, { a: [1] }, "nothing"],
    [{}, { "live-restore": true }, "reload"],
    [{ "live-restore": true, x: 1 }, { x: 1 }, "reload"],
    [{}, { "live-restore": true, "log-opts": { "max-size": "10m" } }, "restart"],
    [{ "log-driver": "journald" }, {}, "restart"],
  ])("of %j and then %j is %s", (before, after, need) => {
    expect(dockerNeed(before, after)).toBe(need as ReturnType<typeof dockerNeed>);
  });
});

describe("parseDockerSettings()", () => {
  test("takes no file and an empty one for no settings", () => {
    expect([parseDockerSettings(undefined, "d"), parseDockerSettings(" \n", "d")]).toEqual([{}, {}]);
  });

  test.each(["[]", "null", "{", '"x"'])("refuses %s, and names the file and the way out", (text) => {
    expect(() => parseDockerSettings(text, "/etc/docker/daemon.json")).toThrow(
      expect.objectContaining({
        message: 'Cannot read "/etc/docker/daemon.json": it is not a JSON object',
        hint: "correct or remove it; Docker itself does not start with it",
      }),
    );
  });
});
