import { describe, expect, test } from "bun:test";
import { replaceText } from "../../../scripts/stack/relocate.ts";
import { tmpRoot } from "../../fake/root.ts";

const FROM = "/usr/lib/xtables";
const TO = "/opt/lib";

/** A file with this text between others, in the way a compiler leaves them. */
async function withText(text: string) {
  const root = await tmpRoot();
  await root.write("/lib.so", text);
  return { file: root.place("/lib.so"), [Symbol.asyncDispose]: () => root[Symbol.asyncDispose]() };
}

describe("replaceText()", () => {
  test("puts a shorter text in place of the one that is there, and NUL bytes behind it", async () => {
    await using t = await withText(`a\0${FROM}\0%s/lib\0`);
    await replaceText(t.file, { from: FROM, to: TO });
    const padding = "\0".repeat(FROM.length - TO.length);
    expect(await Bun.file(t.file).text()).toBe(`a\0${TO}${padding}\0%s/lib\0`);
  });

  test.each([
    ["is not there", "a\0b\0", "not at all"],
    ["is only the beginning of another text", `${FROM}/more\0`, "not at all"],
    ["is there twice", `${FROM}\0${FROM}\0`, "more than once"],
  ])("refuses a file where the text %s, and leaves it alone", async (_, text, found) => {
    await using t = await withText(text);
    await expect(replaceText(t.file, { from: FROM, to: TO })).rejects.toThrow(
      `Cannot change "${FROM}" to "${TO}" in "${t.file}": found it ${found}; expected once`,
    );
    expect(await Bun.file(t.file).text()).toBe(text);
  });

  test("refuses a longer text", async () => {
    await using t = await withText(`${TO}\0`);
    await expect(replaceText(t.file, { from: TO, to: FROM })).rejects.toThrow("no longer text for it");
  });
});
