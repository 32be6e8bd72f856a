import { describe, expect, test } from "bun:test";
import { encodeTrailer, findTrailer, type Trailer, TRAILER_SIZE } from "../../../src/bundle/trailer.ts";
import { bytesOf } from "../../fake/stack.ts";

const TRAILER: Trailer = {
  format: 2,
  payloadOffset: 118_000_000,
  indexOffset: 2 ** 40,
  indexSize: 90_000,
  signaturesSize: 150,
  indexSha256: "0123456789abcdef".repeat(4),
};

describe("a trailer", () => {
  test("has its fields at their places, and reads as it was written", () => {
    const bytes = encodeTrailer(TRAILER);
    expect(bytes.length).toBe(TRAILER_SIZE);
    expect(bytes.toString("hex", 0, 80)).toBe(
      "02000000" +
        "80000000" +
        "8089080700000000" +
        "0000000000010000" +
        "905f010000000000" +
        "9600000000000000" +
        "0123456789abcdef".repeat(4) +
        "0000000000000000",
    );
    expect(bytes.toString("latin1", 112)).toBe("nodelet-bundle/\n");
    expect(findTrailer(Buffer.concat([bytesOf(1, 300), bytes]))).toEqual({
      kind: "trailer",
      trailer: TRAILER,
    });
  });

  test("every flipped byte of it is noticed", () => {
    const missed = Array.from({ length: TRAILER_SIZE }, (_, at) => {
      const bytes = encodeTrailer(TRAILER);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      return findTrailer(bytes).kind;
    });
    // Without the magic it is none.
    expect(missed).toEqual([...Array(112).fill("damaged"), ...Array(16).fill("none")]);
  });

  test("is found when something follows", () => {
    const bytes = Buffer.concat([encodeTrailer(TRAILER), Buffer.from("\n")]);
    expect(findTrailer(bytes)).toEqual({ kind: "buried", after: 1 });
  });

  test.each([
    ["nothing", Buffer.alloc(0)],
    ["other bytes", bytesOf(1, 500)],
    ["the words of its end in a text", Buffer.from(`${"x".repeat(200)}nodelet-bundle/\nand more`)],
    ["the words of its end near the beginning", Buffer.from("nodelet-bundle/\nand more")],
  ])("is not found in %s", (_, bytes) => {
    expect(findTrailer(bytes)).toEqual({ kind: "none" });
  });

  test("is damaged when only the words of its end are there", () => {
    expect(findTrailer(Buffer.from("nodelet-bundle/\n"))).toEqual({ kind: "damaged" });
  });
});
