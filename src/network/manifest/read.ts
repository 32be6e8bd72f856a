import { parseAllDocuments, type Tags } from "yaml";
import { AppError } from "../../errors.ts";
import type { KubeObject } from "../../kube/client.ts";

/** An object of a manifest: what every one must have is there. */
export interface ManifestObject extends KubeObject {
  apiVersion: string;
  kind: string;
}

/** Values for the placeholders of a manifest, by the name after `NODELET_`. */
export type Placeholders = Readonly<Record<string, string>>;

/**
 * Reads a manifest as kubectl does: several documents, YAML 1.1 (0644 is octal, `yes` is true), lists taken apart.
 *
 * @param options `name`: of the manifest, for messages; `values`: put for `${NODELET_…}` in texts, after the YAML is read, so
 * that no value can become structure
 * @throws AppError naming the document and what is wrong with it
 */
export function readManifest(
  text: string,
  { name, values }: { name: string; values: Placeholders },
): ManifestObject[] {
  const documents = parseAllDocuments(text, { version: "1.1", schema: "yaml-1.1", customTags: asKubectl });
  const list = "empty" in documents ? [] : documents;
  const objects = list.flatMap((document, at) => {
    const fail = (what: string) =>
      new AppError(`Cannot use the manifest "${name}": document ${at + 1}: ${what}`, {
        hint: "correct it, and make the bundle again",
      });
    const [error] = document.errors;
    if (error) throw fail(error.message.split("\n")[0] ?? "");
    const value: unknown = filled(document.toJS(), { values, fail });
    return value === null || value === undefined ? [] : itemsOf(value, fail);
  });
  if (objects.length > 0) return objects;
  throw new AppError(`Cannot use the manifest "${name}": there is no object in it`, {
    hint: "make the bundle again",
  });
}

/** What kubectl's reader does not take for a number or a date: 22:22 and 2020-01-01 stay texts. */
function asKubectl(tags: Tags): Tags {
  return tags.filter(
    (tag) => typeof tag === "string" || (tag.format !== "TIME" && !tag.tag.endsWith(":timestamp")),
  );
}

type Fail = (what: string) => AppError;

/** `kind: List` is kubectl's own; the API knows none. */
function itemsOf(value: unknown, fail: Fail): ManifestObject[] {
  const object = (typeof value === "object" ? value : {}) as Partial<ManifestObject>;
  const { apiVersion, kind, items } = object;
  if (typeof apiVersion !== "string" || typeof kind !== "string")
    throw fail("it has no apiVersion and kind; expected an object of the API");
  if (kind === "List" && Array.isArray(items)) return items.flatMap((item: unknown) => itemsOf(item, fail));
  const name: unknown = object.metadata?.name;
  if (typeof name !== "string" || !NAME.test(name))
    throw fail(`the ${kind} has the name ${JSON.stringify(name)}; expected one that can stand in a path`);
  const namespace: unknown = object.metadata?.namespace;
  if (namespace !== undefined && !(typeof namespace === "string" && NAME.test(namespace)))
    throw fail(`the ${kind} "${name}" has the namespace ${JSON.stringify(namespace)}; expected a name`);
  return [object as ManifestObject];
}

/** Names of the API that stand in a path; those of RBAC may have a colon. */
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9.:_-]{0,252}$/;

/** All texts with their placeholders filled. */
function filled(value: unknown, options: { values: Placeholders; fail: Fail }): unknown {
  if (Array.isArray(value)) return value.map((one) => filled(one, options));
  if (typeof value === "string")
    return value.replaceAll(PLACEHOLDER, (_, key: string) => valueOf(key, options));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, filled(one, options)]));
}

const PLACEHOLDER = /\$\{NODELET_(\w*)\}/g;

function valueOf(key: string, { values, fail }: { values: Placeholders; fail: Fail }): string {
  const value = Object.hasOwn(values, key) ? values[key] : undefined;
  if (value !== undefined) return value;
  const known = Object.keys(values).map((one) => `\${NODELET_${one}}`);
  throw fail(`there is no value for \${NODELET_${key}}; expected ${known.join(" or ")}`);
}
