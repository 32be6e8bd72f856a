import { expect, test } from "bun:test";
import { counted, fileContent } from "../../../src/bundle/content.ts";
import { bytesContent } from "../../../src/bundle/image-archive.ts";
import { tmpRoot } from "../../fake/root.ts";
import { bytesIn } from "./world.ts";

test("a file is content, any number of times", async () => {
  await using root = await tmpRoot();
  await root.write("/a", "some text");
  const content = fileContent(root.place("/a"), 9);
  expect([content.file, content.size]).toEqual([root.place("/a"), 9]);
  expect([String(await bytesIn(content)), String(await bytesIn(content))]).toEqual([
    "some text",
    "some text",
  ]);
});

test("counted() tells of every piece", async () => {
  const told: number[] = [];
  const content = counted(bytesContent(Buffer.from("some text")), (bytes) => told.push(bytes));
  expect([content.size, String(await bytesIn(content)), told]).toEqual([9, "some text", [9]]);
});

test("counted() leaves a file what it is", async () => {
  const content = fileContent("/a", 9);
  expect(counted(content, () => {})).toBe(content);
});
