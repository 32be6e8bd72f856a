import { describe, expect, test } from "bun:test";
import { lineReader, printable } from "../../../src/site-phases/output.ts";

function linesOf(...chunks: (string | number[])[]): string[] {
  const lines: string[] = [];
  const reader = lineReader((line) => lines.push(line));
  for (const chunk of chunks)
    reader.add(typeof chunk === "string" ? new TextEncoder().encode(chunk) : Uint8Array.from(chunk));
  reader.end();
  return lines;
}

describe("lineReader()", () => {
  test("gives lines however they come, the last one without its line break too", () => {
    expect(linesOf("a", "b\nc\n", "\nd")).toEqual(["ab", "c", "", "d"]);
    expect(linesOf("a\n")).toEqual(["a"]);
    expect(linesOf()).toEqual([]);
  });

  test("puts a character together that came in two parts, and takes what is not UTF-8", () => {
    expect(linesOf([0xc3], [0xa4, 0x0a, 0xff, 0x41])).toEqual(["ä", "\uFFFDA"]);
  });

  test("cuts a long line, and goes on with the next", () => {
    const [first, second] = linesOf("x".repeat(700), "x".repeat(700), `${"x".repeat(5000)}\nnext`);
    expect(first).toBe(`${"x".repeat(1000)}…`);
    expect(second).toBe("next");
  });
});

test.each([
  ["plain ä\t€", "plain ä\t€"],
  ["\u001b[1;31mred\u001b[0m", "red"],
  ["a\r", "a"],
  ["10%\r20%", "10%\\x0d20%"],
  ["\u001b]0;title\u0007", "\\x1b]0;title\\x07"],
  ["\0\u0085", "\\x00\\x85"],
  ["a\u202eb\u2028c\uFEFF", "a\\u{202e}b\\u{2028}c"],
  ["\ud800x", "\\u{d800}x"],
])("printable(%j) is %j", (line, shown) => {
  expect(printable(line)).toBe(shown);
});
