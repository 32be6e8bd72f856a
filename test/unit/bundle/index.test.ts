import { describe, expect, test } from "bun:test";
import { parseIndex } from "../../../src/bundle/bundle.ts";
import { AppError } from "../../../src/errors.ts";
import { binaryEntry, fakeIndex, imageEntry } from "../../fake/bundle.ts";

const FROM = "/srv/stack/index.json";

/** An index of one entry: the etcd image, with fields replaced. */
const withEntry = (more: object) =>
  JSON.stringify({ ...fakeIndex(), entries: [{ ...imageEntry("etcd"), ...more }] });
const withIndex = (more: object) => JSON.stringify({ ...fakeIndex(), ...more });

test("parseIndex() takes what the assembly writes", () => {
  expect(parseIndex(JSON.stringify(fakeIndex()), FROM)).toEqual(fakeIndex());
});

describe("parseIndex() refuses", () => {
  test.each([
    ["a file that is cut off", '{"format": 1, "entr', "it is not JSON; the file may be cut off"],
    ["an empty file", "", "it is not JSON; the file may be cut off"],
    ["JSON that is no object", "null", "its format is undefined; expected 1"],
    ["a newer format", withIndex({ format: 2 }), "its format is 2; expected 1"],
    ["no entries", withIndex({ entries: undefined }), "it has no list of entries"],
    ["entries that are no list", withIndex({ entries: {} }), "it has no list of entries"],
    [
      "an entry that is nothing",
      withIndex({ entries: [null] }),
      'entry "undefined": kind is "undefined"; expected binary, cni or image',
    ],
    [
      "another kind",
      withEntry({ kind: "rpm" }),
      'entry "etcd": kind is "rpm"; expected binary, cni or image',
    ],
    [
      "a name with a slash",
      withEntry({ name: "../etcd" }),
      'entry "../etcd": name has other characters than a-z, 0-9, dot and dash',
    ],
    [
      "no name",
      withEntry({ name: undefined }),
      'entry "undefined": name has other characters than a-z, 0-9, dot and dash',
    ],
    ["a short digest", withEntry({ sha256: "abc" }), 'entry "etcd": sha256 is "abc"; expected 64 hex digits'],
    [
      "an upper-case digest",
      withEntry({ sha256: "A".repeat(64) }),
      `entry "etcd": sha256 is "${"A".repeat(64)}"; expected 64 hex digits`,
    ],
    ["a negative size", withEntry({ size: -1 }), 'entry "etcd": size is -1; expected bytes'],
    ["a size that is no whole number", withEntry({ size: 1.5 }), 'entry "etcd": size is 1.5; expected bytes'],
    ["no size", withEntry({ size: undefined }), 'entry "etcd": size is undefined; expected bytes'],
    [
      "no path",
      withEntry({ path: undefined }),
      'entry "etcd": path is "undefined"; expected a file of the bundle',
    ],
    ["an empty path", withEntry({ path: "" }), 'entry "etcd": path is ""; expected a file of the bundle'],
    [
      "an absolute path",
      withEntry({ path: "/etc/shadow" }),
      'entry "etcd": path "/etc/shadow" leads out of the bundle',
    ],
    [
      "a path upwards",
      withEntry({ path: "a/../../b" }),
      'entry "etcd": path "a/../../b" leads out of the bundle',
    ],
    [
      "an id without algorithm",
      withEntry({ imageId: "a".repeat(64) }),
      `entry "etcd": imageId is "${"a".repeat(64)}"; expected sha256:…`,
    ],
    [
      "a reference without tag",
      withEntry({ reference: "nodelet.local/etcd" }),
      'entry "etcd": reference "nodelet.local/etcd" is not an image name with a tag',
    ],
    [
      "a reference with a blank",
      withEntry({ reference: "a b:1" }),
      'entry "etcd": reference "a b:1" is not an image name with a tag',
    ],
    [
      "two of one kind and name",
      withIndex({ entries: [imageEntry("etcd"), imageEntry("etcd")] }),
      "there are two entries for image etcd",
    ],
  ])("%s", (_, text, what) => {
    const parse = () => parseIndex(text, FROM);
    expect(parse).toThrow(AppError);
    expect(parse).toThrow(new AppError(`Cannot read the bundle index "${FROM}": ${what}`));
  });

  test("with the way out", () => {
    let hint: string | undefined;
    try {
      parseIndex("{", FROM);
    } catch (error) {
      hint = (error as AppError).hint;
    }
    expect(hint).toBe("make the bundle again");
  });
});

test("one name may be a program and an image", () => {
  const entries = [imageEntry("kube-proxy"), binaryEntry("kube-proxy")];
  expect(parseIndex(withIndex({ entries }), FROM).entries.length).toBe(2);
});
