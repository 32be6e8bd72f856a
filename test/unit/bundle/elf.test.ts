import { describe, expect, test } from "bun:test";
import { open } from "node:fs/promises";
import { ELF_HEADER_SIZE, programEnd } from "../../../src/bundle/elf.ts";
import { elf } from "./world.ts";

describe("programEnd()", () => {
  test("is the end of the section headers", () => {
    expect(programEnd(elf(5000).subarray(0, ELF_HEADER_SIZE))).toBe(5000);
  });

  test("is the size of a program that a linker made", async () => {
    await using file = await open("/bin/sh", "r");
    const header = Buffer.alloc(ELF_HEADER_SIZE);
    await file.read(header, 0, ELF_HEADER_SIZE, 0);
    expect(programEnd(header)).toBe((await file.stat()).size);
  });

  test.each([
    ["a text", Buffer.from("#!/bin/sh\n".repeat(10))],
    ["half a header", elf(5000).subarray(0, 63)],
    ["nothing", Buffer.alloc(0)],
    ["a 32-bit program", elf(5000).fill(1, 4, 5)],
    ["a big-endian program", elf(5000).fill(2, 5, 6)],
  ])("is not known of %s", (_, header) => {
    expect(programEnd(header)).toBeUndefined();
  });
});
