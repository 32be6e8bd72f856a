import {
  type Document,
  isMap,
  isNode,
  isScalar,
  LineCounter,
  type Pair,
  parseAllDocuments,
  type YAMLError,
} from "yaml";
import { messageOf } from "../errors.ts";
import type { ConfigKey } from "./config.ts";
import { fields } from "./fields.ts";
import { quote } from "./grammar.ts";
import { closest } from "./suggest.ts";
import { fieldOf, keyOf, pathText, type Validated, validate } from "./validate.ts";

/** The text of one configuration file. */
export interface ConfigSource {
  path: string;
  text: string;
  /** What is wrong with the file itself, for example its owner; reported with the problems of its content. */
  problems?: readonly string[];
}

/** A valid value and where it was given, as the start of a message: `/etc/pf9/nodelet/a.yaml:3: apiPort`. */
export interface Given {
  key: ConfigKey;
  value: unknown;
  at: string;
}

/** What a file or the flags give. */
export interface Layer {
  given: Given[];
  /** Keys whose value is not valid. */
  bad: ConfigKey[];
  problems: string[];
}

interface OpenFile {
  path: string;
  text: string;
  lines: LineCounter;
  document: Document;
}

/** Reads one file; never throws, what is wrong is in `problems`. */
export function readSource({ path, text, problems = [] }: ConfigSource): Layer {
  const layer: Layer = { given: [], bad: [], problems: [...problems] };
  const lines = new LineCounter();
  // In the failsafe schema every scalar is its own text: 010 and 1.20 are not turned into other numbers.
  const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, schema: "failsafe" });
  const [document, second] = Array.isArray(documents) ? documents : [];
  if (!document) return layer;
  const file: OpenFile = { path, text, lines, document };
  const errors = [...document.errors, ...document.warnings];
  layer.problems.push(...errors.map((error) => syntaxProblem(file, error)));
  if (second) {
    layer.problems.push(
      `${path}:${lineAt(file, second.range[0])}: a second document begins; expected one per file`,
    );
  }
  // A key given twice leaves the rest readable; after any other error the content is not what was meant.
  if (errors.some(({ code }) => code !== "DUPLICATE_KEY") || isEmpty(document.contents)) return layer;
  if (!isMap(document.contents)) {
    layer.problems.push(
      `${path}:${lineAt(file, document.contents?.range?.[0])}: no keys found; expected key: value`,
    );
    return layer;
  }
  readPairs(file, { pairs: document.contents.items, layer });
  return layer;
}

function readPairs(file: OpenFile, { pairs, layer }: { pairs: readonly Pair[]; layer: Layer }): void {
  const seen = new Map<ConfigKey, string>();
  for (const pair of pairs) {
    const name = isScalar(pair.key) ? String(pair.key.value) : undefined;
    const where = `${file.path}:${lineOf(file, pair.key)}`;
    const key = name === undefined ? undefined : keyOf(name);
    if (name === undefined || key === undefined) {
      layer.problems.push(`${where}: ${unknownKey(name)}`);
      continue;
    }
    const earlier = seen.get(key);
    if (earlier !== undefined) {
      // The same name twice is reported by the parser.
      if (earlier !== name)
        layer.problems.push(`${where}: ${name}: given already as ${earlier}; expected one of the two`);
      continue;
    }
    seen.set(key, name);
    if (!isNotSet(pair.value, name !== key)) readPair(file, { key, name, pair, layer });
  }
}

function readPair(
  file: OpenFile,
  { key, name, pair, layer }: { key: ConfigKey; name: string; pair: Pair; layer: Layer },
): void {
  const result = check(file, { key, node: pair.value });
  if (result.ok) {
    layer.given.push({ key, value: result.value, at: `${file.path}:${lineOf(file, pair.key)}: ${name}` });
    return;
  }
  layer.bad.push(key);
  for (const { path, message } of result.issues) {
    const inner = path.length > 0 ? file.document.getIn([name, ...path], true) : undefined;
    layer.problems.push(
      `${file.path}:${lineOf(file, inner ?? pair.key)}: ${pathText(name, path)}: ${message}`,
    );
  }
}

function check(file: OpenFile, { key, node }: { key: ConfigKey; node: unknown }): Validated {
  let raw: unknown;
  try {
    raw = isNode(node) ? node.toJS(file.document) : node;
  } catch (error) {
    // An anchor that is not there, or references that multiply beyond measure.
    return { ok: false, issues: [{ path: [], message: `not valid YAML: ${messageOf(error)}` }] };
  }
  return validate(key, raw);
}

/** `key:`, `key: null` and, for the original's keys, which its tools write out empty, `KEY: ""`. */
function isNotSet(node: unknown, isAlias: boolean): boolean {
  if (isAlias && isScalar(node) && node.value === "") return true;
  return isEmpty(node);
}

function isEmpty(node: unknown): boolean {
  if (node === null || node === undefined) return true;
  return isScalar(node) && node.type === "PLAIN" && ["", "~", "null"].includes(String(node.value));
}

function unknownKey(name: string | undefined): string {
  if (name === undefined) return "a key is a list or a map; expected a name";
  const names = Object.keys(fields).flatMap((key) => [key, ...fieldOf(key as ConfigKey).aliases]);
  const match = closest(name, names);
  const known = match === undefined ? undefined : keyOf(match);
  if (known === undefined)
    return `unknown key ${quote(name)}; expected one that "nodelet config default" lists`;
  return `unknown key ${quote(name)}; did you mean ${quote(known)}?`;
}

function syntaxProblem(file: OpenFile, error: YAMLError): string {
  const where = `${file.path}:${lineAt(file, error.pos[0])}`;
  if (error.code === "DUPLICATE_KEY") {
    const key = /^[^:\n]*/.exec(file.text.slice(error.pos[0]))?.[0] ?? "";
    return `${where}: key ${quote(key.trim())} is given twice; expected once`;
  }
  return `${where}: not valid YAML: ${error.message.replace(/\.$/, "")}`;
}

function lineOf(file: OpenFile, node: unknown): number {
  return lineAt(file, (node as { range?: readonly number[] | null } | null)?.range?.[0]);
}

function lineAt(file: OpenFile, offset: number | undefined): number {
  return Math.max(1, file.lines.linePos(offset ?? 0).line);
}
