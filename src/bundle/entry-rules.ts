import { isAbsolute, normalize } from "node:path";
import type { BundleEntry, RuntimeLinkEntry } from "./index-format.ts";
import { quoted } from "./quoted.ts";

/** An object of an index that nobody has judged yet. */
export type Raw = Readonly<Record<string, unknown>>;

/** Kinds of entries that this program knows. */
const KINDS: readonly unknown[] = ["binary", "cni", "image", "runtime", "licence", "manifest"];

// Written in this order, so a payload that is taken over gives the same bytes as its stack.
const FIELDS = [
  "kind",
  "name",
  "version",
  "path",
  "size",
  "sha256",
  "mode",
  "reference",
  "imageId",
  "source",
  "platform",
  "layers",
];

const DIGEST = /^[0-9a-f]{64}$/;
const IMAGE_ID = /^sha256:[0-9a-f]{64}$/;
// A file system takes names of 255 bytes; what stands beside a file while it is written needs some of them.
// A licence is called as its package, which may have a plus.
const NAME = /^[a-z0-9][a-z0-9._+-]{0,199}$/;
const RUNTIME_NAME = /^(?:bin|lib|lib\/xtables)\/(?!xtables$)[A-Za-z0-9][A-Za-z0-9._+-]{0,199}$/;
const FILE_NAME = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,199}$/;
const REFERENCE = /^[a-z0-9][a-z0-9.:/_-]{0,199}:[\w][\w.-]{0,127}$/;
const VERSION = /^[\w.+~:-]{1,100}$/;
const PLATFORM = /^[a-z0-9]{1,20}\/[a-z0-9]{1,20}$/;
/** One line that a terminal may show. */
const LINE = /^[^\p{C}\p{Zl}\p{Zp}]*$/u;

/** True for a text that matches. */
function is(pattern: RegExp, value: unknown): value is string {
  return typeof value === "string" && pattern.test(value);
}

/** True for 64 lower-case hex digits. */
export function isDigest(value: unknown): value is string {
  return is(DIGEST, value);
}

/** True for the name of a bundle. */
export function isName(value: unknown): value is string {
  return is(NAME, value);
}

/** True for `os/architecture`. */
export function isPlatform(value: unknown): value is string {
  return is(PLATFORM, value);
}

/** True for a number of bytes. */
export function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** The fields of an object that have these names, if it is one, and nothing else that it brings along. */
export function picked(value: unknown, fields: readonly string[]): Raw {
  if (typeof value !== "object" || value === null) return {};
  const own = fields.filter((field) => Object.hasOwn(value, field));
  return Object.fromEntries(own.map((field) => [field, (value as Raw)[field]]));
}

/** True for an entry of a kind that a newer version may have added. What is no kind at all is judged, and told. */
export function isOfLaterKind(value: unknown): boolean {
  const { kind } = picked(value, ["kind"]);
  return !KINDS.includes(kind) && kind !== "runtime-link" && is(/^[a-z][a-z-]{0,40}$/, kind);
}

/** Reads an entry. @returns it, or what is wrong with it in words */
export function readEntry(value: unknown): BundleEntry | string {
  const entry = picked(value, FIELDS);
  const problem = entryProblem(entry);
  return problem === undefined
    ? (entry as unknown as BundleEntry)
    : `entry ${quoted(entry.name)}: ${problem}`;
}

/** Reads a link of the runtime. @returns it, or what is wrong with it in words */
export function readLink(value: unknown): RuntimeLinkEntry | string {
  const { kind, name, target } = picked(value, ["kind", "name", "target"]);
  const fail = (what: string) => `entry ${quoted(name)}: ${what}`;
  if (kind !== "runtime-link") return fail(`kind is ${quoted(kind)}; expected runtime-link`);
  if (!isRuntimeName(name)) return fail("name is no place in bin, lib or lib/xtables");
  if (!is(FILE_NAME, target)) return fail(`target ${quoted(target)} is not a name in the same directory`);
  return { kind, name, target };
}

function entryProblem(entry: Raw): string | undefined {
  if (!KINDS.includes(entry.kind))
    return `kind is ${quoted(entry.kind)}; expected one of ${KINDS.join(", ")}`;
  return nameProblem(entry) ?? fieldProblem(entry) ?? pathProblem(entry) ?? imageProblem(entry);
}

function nameProblem({ kind, name }: Raw): string | undefined {
  if (kind === "runtime")
    return isRuntimeName(name) ? undefined : "name is no place in bin, lib or lib/xtables";
  return is(NAME, name)
    ? undefined
    : "name has other characters than a-z, 0-9, dot, plus and dash, or too many";
}

function isRuntimeName(name: unknown): name is string {
  return is(RUNTIME_NAME, name) && !name.includes("..");
}

function fieldProblem(entry: Raw): string | undefined {
  const { kind, size, sha256, mode, version, platform, source } = entry;
  if (!isSize(size)) return `size is ${quoted(size)}; expected bytes`;
  if ((kind !== "image" || sha256 !== undefined) && !isDigest(sha256))
    return `sha256 is ${quoted(sha256)}; expected 64 hex digits`;
  if (kind === "runtime" && mode !== 0o755 && mode !== 0o644)
    return `mode is ${quoted(mode)}; expected 0755 or 0644 as a number`;
  if (!is(VERSION, version)) return `version is ${quoted(version)}; expected a version without blanks`;
  if (!isPlatform(platform)) return `platform is ${quoted(platform)}; expected os/architecture`;
  return is(LINE, source) ? undefined : `source is ${quoted(source)}; expected one line`;
}

function pathProblem({ path }: Raw): string | undefined {
  if (path === undefined) return undefined;
  if (!is(LINE, path) || path === "") return `path is ${quoted(path)}; expected a file of the bundle`;
  const leadsOut = isAbsolute(path) || normalize(path).split("/").includes("..");
  return leadsOut ? `path ${quoted(path)} leads out of the bundle` : undefined;
}

function imageProblem({ kind, imageId, reference, layers = [] }: Raw): string | undefined {
  if (kind !== "image") return undefined;
  if (!is(IMAGE_ID, imageId)) return `imageId is ${quoted(imageId)}; expected sha256:…`;
  if (!is(REFERENCE, reference)) return `reference ${quoted(reference)} is not an image name with a tag`;
  if (!Array.isArray(layers)) return `layers are ${quoted(layers)}; expected a list of digests`;
  const bad = layers.findIndex((layer) => !isDigest(layer));
  return bad < 0 ? undefined : `layer ${quoted(layers[bad])} is no digest; expected 64 hex digits`;
}
