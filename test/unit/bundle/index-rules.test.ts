import { describe, expect, test } from "bun:test";
import { parseIndex } from "../../../src/bundle/index-rules.ts";
import { binaryEntry, fakeIndex, imageEntry } from "../../fake/bundle.ts";
import { indexRefusal, refusal } from "./world.ts";

const FROM = "/srv/stack/index.json";
const OTHER = "0".repeat(64);

/** An index of one entry: the etcd image, with fields replaced. */
const withEntry = (more: object) =>
  JSON.stringify({ ...fakeIndex(), entries: [{ ...imageEntry("etcd"), ...more }] });
const withIndex = (more: object) => JSON.stringify({ ...fakeIndex(), ...more });
const runtimeFile = (name: string, more: object = {}) => ({
  ...binaryEntry("x"),
  kind: "runtime",
  mode: 0o755,
  name,
  ...more,
});
const link = (name: string, target: string) => ({ kind: "runtime-link", name, target });

describe("parseIndex()", () => {
  test("takes what the assembly writes", () => {
    expect(parseIndex(JSON.stringify(fakeIndex()), FROM)).toEqual(fakeIndex());
    expect(parseIndex(withIndex({ format: 1 }), FROM)).toEqual({ ...fakeIndex(), format: 1 });
  });

  test("takes files and links of the runtime", () => {
    const entries = [runtimeFile("bin/dockerd"), runtimeFile("lib/xtables/libxt_tcp.so", { mode: 0o644 })];
    const links = [link("bin/docker", "dockerd")];
    const index = parseIndex(withIndex({ entries, links }), FROM);
    expect(index).toMatchObject({ entries, links });
  });

  test("takes the licence of a package with a plus in its name", () => {
    const entries = [{ ...binaryEntry("libstdc++6"), kind: "licence" }];
    expect(parseIndex(withIndex({ entries }), FROM)).toMatchObject({ entries });
  });

  test("passes over fields and kinds that it does not know, and keeps none of them", () => {
    const later = { kind: "gpu-driver", name: "../../evil", size: "?" };
    const entries = [{ ...imageEntry("etcd"), later: [1] }, later];
    const text = withIndex({ entries, links: [{ kind: "later-link" }], later: {}, requires: [] });
    expect(parseIndex(text, FROM)).toEqual({ ...fakeIndex(), entries: [imageEntry("etcd")] });
  });

  test("keeps nothing of keys that have a meaning to a program", () => {
    const text = withIndex({ entries: [] }).replace("{", '{"__proto__":{"entries":1},"constructor":{},');
    const index = parseIndex(text, FROM);
    expect(Object.keys(index).sort()).toEqual(["entries", "format", "name", "platform"]);
    const entry = JSON.stringify(imageEntry("etcd")).replace("{", '{"__proto__":{"path":"/etc/shadow"},');
    const [found] = parseIndex(withIndex({ entries: [0] }).replace("[0]", `[${entry}]`), FROM).entries;
    expect([found, Object.getPrototypeOf(found)]).toEqual([imageEntry("etcd"), Object.prototype]);
  });

  test("one name may be a program and an image", () => {
    const entries = [imageEntry("kube-proxy"), binaryEntry("kube-proxy")];
    expect(parseIndex(withIndex({ entries }), FROM).entries.length).toBe(2);
  });
});

describe("parseIndex() refuses", () => {
  const NAME = "name has other characters than a-z, 0-9, dot, plus and dash, or too many";
  const PLACE = "name is no place in bin, lib or lib/xtables";
  test.each([
    ["a file that is cut off", '{"format": 1, "entr', "it is not JSON; the file may be cut off"],
    ["an empty file", "", "it is not JSON; the file may be cut off"],
    ["JSON that is no object", "null", "it is no JSON object"],
    ["a list", "[]", "it is no JSON object"],
    ["brackets without end", "[".repeat(200_000), "it is not JSON; the file may be cut off"],
    ["brackets that go deep", `${"[".repeat(200_000)}${"]".repeat(200_000)}`, "it is no JSON object"],
    ["no format", withIndex({ format: undefined }), "its format is nothing; expected 2"],
    ["format 0", withIndex({ format: 0 }), "its format is 0; expected 2"],
    ["half a format", withIndex({ format: 1.5 }), "its format is 1.5; expected 2"],
    ["a format that is a text", withIndex({ format: "3" }), 'its format is "3"; expected 2'],
    [
      "a format that is an object",
      withIndex({ format: { valueOf: 9 } }),
      "its format is an object; expected 2",
    ],
    ["requirements that are no list", withIndex({ requires: 7 }), "what it requires is 7; expected a list"],
    ["a name with blanks", withIndex({ name: "a b" }), 'its name is "a b"'],
    [
      "a name that a terminal obeys",
      withIndex({ name: "\u001b]0;x\u0007" }),
      'its name is "\\u{1b}]0;x\\u{7}"',
    ],
    ["no platform", withIndex({ platform: null }), "its platform is null; expected os/architecture"],
    ["no entries", withIndex({ entries: undefined }), "it has no list of entries"],
    ["entries that are no list", withIndex({ entries: {} }), "it has no list of entries"],
    ["links that are no list", withIndex({ links: 7 }), "its links are 7; expected a list"],
    [
      "an entry that is nothing",
      withIndex({ entries: [null] }),
      "entry nothing: kind is nothing; expected one of binary, cni, image, runtime, licence, manifest",
    ],
    [
      "what is no kind",
      withEntry({ kind: "../x" }),
      'entry "etcd": kind is "../x"; expected one of binary, cni, image, runtime, licence, manifest',
    ],
    ["a name with a slash", withEntry({ name: "../etcd" }), `entry "../etcd": ${NAME}`],
    ["an absolute name", withEntry({ name: "/etcd" }), `entry "/etcd": ${NAME}`],
    ["a name that is a directory", withEntry({ name: ".." }), `entry "..": ${NAME}`],
    ["a hidden name", withEntry({ name: ".etcd" }), `entry ".etcd": ${NAME}`],
    ["a name with a line break", withEntry({ name: "etcd\n" }), `entry "etcd\\u{a}": ${NAME}`],
    ["a name with a zero", withEntry({ name: "etcd\0" }), `entry "etcd\\u{0}": ${NAME}`],
    ["a name that is too long", withEntry({ name: "e".repeat(201) }), `entry "${"e".repeat(100)}…": ${NAME}`],
    ["no name", withEntry({ name: undefined }), `entry nothing: ${NAME}`],
    ["a name that is an object", withEntry({ name: { toString: 1 } }), `entry an object: ${NAME}`],
    ["a short digest", withEntry({ sha256: "abc" }), 'entry "etcd": sha256 is "abc"; expected 64 hex digits'],
    [
      "an upper-case digest",
      withEntry({ sha256: "A".repeat(64) }),
      `entry "etcd": sha256 is "${"A".repeat(64)}"; expected 64 hex digits`,
    ],
    [
      "a digest in a list",
      withEntry({ sha256: [OTHER] }),
      'entry "etcd": sha256 is a list; expected 64 hex digits',
    ],
    [
      "a program without digest",
      withIndex({ entries: [{ ...binaryEntry("x"), sha256: undefined }] }),
      'entry "x": sha256 is nothing; expected 64 hex digits',
    ],
    ["a negative size", withEntry({ size: -1 }), 'entry "etcd": size is -1; expected bytes'],
    ["a size that is no whole number", withEntry({ size: 1.5 }), 'entry "etcd": size is 1.5; expected bytes'],
    [
      "a size of 2^53",
      withEntry({ size: 2 ** 53 }),
      'entry "etcd": size is 9007199254740992; expected bytes',
    ],
    [
      "an endless size",
      withEntry({ size: 0 }).replace('"size":0', '"size":1e999'),
      'entry "etcd": size is Infinity; expected bytes',
    ],
    ["no size", withEntry({ size: null }), 'entry "etcd": size is null; expected bytes'],
    [
      "a version with a blank",
      withEntry({ version: "v1 --evil" }),
      'entry "etcd": version is "v1 --evil"; expected a version without blanks',
    ],
    [
      "an entry's platform that is none",
      withEntry({ platform: "linux" }),
      'entry "etcd": platform is "linux"; expected os/architecture',
    ],
    [
      "a source of two lines",
      withEntry({ source: "a\nb" }),
      'entry "etcd": source is "a\\u{a}b"; expected one line',
    ],
    ["an empty path", withEntry({ path: "" }), 'entry "etcd": path is ""; expected a file of the bundle'],
    [
      "a path with a zero",
      withEntry({ path: "a\0b" }),
      'entry "etcd": path is "a\\u{0}b"; expected a file of the bundle',
    ],
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
      "layers that are no list",
      withEntry({ layers: "abc" }),
      'entry "etcd": layers are "abc"; expected a list of digests',
    ],
    [
      "a layer that is no digest",
      withEntry({ layers: ["../etc"] }),
      'entry "etcd": layer "../etc" is no digest; expected 64 hex digits',
    ],
    [
      "layers with a hole",
      withEntry({ layers: [null] }),
      'entry "etcd": layer null is no digest; expected 64 hex digits',
    ],
    [
      "two of one kind and name",
      withIndex({ entries: [imageEntry("etcd"), imageEntry("etcd")] }),
      "there are two entries for image etcd",
    ],
    [
      "two images with one reference",
      withIndex({
        entries: [imageEntry("etcd"), { ...imageEntry("other"), reference: "nodelet.local/etcd:v1" }],
      }),
      "there are two entries for image reference nodelet.local/etcd:v1",
    ],
    [
      "a program where a file of the runtime goes",
      withIndex({ entries: [binaryEntry("dockerd"), runtimeFile("bin/dockerd")] }),
      "there are two entries for file bin/dockerd",
    ],
    [
      "a link over a file",
      withIndex({ entries: [runtimeFile("lib/a"), runtimeFile("lib/b")], links: [link("lib/a", "b")] }),
      "there are two entries for file lib/a",
    ],
    [
      "a file of the runtime elsewhere",
      withIndex({ entries: [runtimeFile("etc/x")] }),
      `entry "etc/x": ${PLACE}`,
    ],
    [
      "a file of the runtime upwards",
      withIndex({ entries: [runtimeFile("bin/../x")] }),
      `entry "bin/../x": ${PLACE}`,
    ],
    [
      "an absolute file of the runtime",
      withIndex({ entries: [runtimeFile("/bin/x")] }),
      `entry "/bin/x": ${PLACE}`,
    ],
    [
      "a file where a directory is",
      withIndex({ entries: [runtimeFile("lib/xtables")] }),
      `entry "lib/xtables": ${PLACE}`,
    ],
    [
      "a set-user-id file",
      withIndex({ entries: [runtimeFile("bin/x", { mode: 0o4755 })] }),
      'entry "bin/x": mode is 2541; expected 0755 or 0644 as a number',
    ],
    ["a link elsewhere", withIndex({ links: [link("../x", "y")] }), `entry "../x": ${PLACE}`],
    [
      "a link out of its directory",
      withIndex({ links: [link("bin/x", "../../etc/shadow")] }),
      'entry "bin/x": target "../../etc/shadow" is not a name in the same directory',
    ],
    [
      "an absolute link",
      withIndex({ links: [link("bin/x", "/bin/sh")] }),
      'entry "bin/x": target "/bin/sh" is not a name in the same directory',
    ],
    [
      "a link to nothing",
      withIndex({ entries: [runtimeFile("lib/b")], links: [link("bin/x", "b")] }),
      'entry "bin/x": target "b" is no file of the runtime',
    ],
    [
      "a link to itself",
      withIndex({ entries: [], links: [link("bin/x", "x")] }),
      'entry "bin/x": target "x" is no file of the runtime',
    ],
    [
      "a link among the entries",
      withIndex({ entries: [link("bin/x", "y")] }),
      'entry "bin/x": kind is "runtime-link"; expected one of binary, cni, image, runtime, licence, manifest',
    ],
    [
      "an entry among the links",
      withIndex({ links: [binaryEntry("x")] }),
      'entry "x": kind is "binary"; expected runtime-link',
    ],
  ])("%s", async (_, text, what) => {
    expect(await indexRefusal(() => parseIndex(text, FROM))).toBe(what);
  });

  test.each([
    ["a newer format", withIndex({ format: 3, entries: "other" }), "it has format 3"],
    ["a format of 2^53", withIndex({ format: 2 ** 53 }), "it has format 9007199254740992"],
    ["what it must know", withIndex({ requires: ["deltas"], entries: "other" }), 'it needs "deltas"'],
    ["what it must know, in a word that is none", withIndex({ requires: [{}] }), "it needs an object"],
  ])("%s, whatever else is in it", async (_, text, what) => {
    expect(await refusal(() => parseIndex(text, FROM))).toBe(
      `Cannot read the bundle "${FROM}": ${what}; this program reads format 2 and older; use the nodelet that came with it, or a newer one`,
    );
  });
});
