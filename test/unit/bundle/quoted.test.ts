import { expect, test } from "bun:test";
import { quoted } from "../../../src/bundle/quoted.ts";

test.each<[unknown, string]>([
  ["etcd", '"etcd"'],
  ["Größe", '"Größe"'],
  ["\u001b[2Jgone\n", '"\\u{1b}[2Jgone\\u{a}"'],
  ["\u009b2J", '"\\u{9b}2J"'],
  ["a\u202eb\u2028", '"a\\u{202e}b\\u{2028}"'],
  ["x".repeat(101), `"${"x".repeat(100)}…"`],
  [undefined, "nothing"],
  [null, "null"],
  [true, "true"],
  [-1.5, "-1.5"],
  [["a", ["b"]], "a list"],
  [{ toString: 1 }, "an object"],
])("a value is shown: case %#", (value, shown) => {
  expect(quoted(value)).toBe(shown);
});
