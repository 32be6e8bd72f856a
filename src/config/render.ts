import { stringify } from "yaml";
import { z } from "zod";
import type { Field } from "./field.ts";
import { fields, subjects } from "./fields.ts";

/** A commented configuration file with every key; loaded back it gives the defaults. */
export function defaultConfigYaml(): string {
  const head = "# Configuration of nodelet. Every key has its default here; a key in a comment has none.\n";
  const sections = subjects.map(({ title, fields }) => {
    const keys = Object.entries<Field>(fields).map(([key, field]) => yamlOf(key, field));
    return `\n## ${title}\n${keys.join("")}`;
  });
  return head + sections.join("");
}

/** The JSON Schema of a configuration file, for editors; keys of the original are in it as aliases. */
export function configJsonSchema(): Record<string, unknown> {
  const properties: Record<string, unknown> = {};
  for (const [key, field] of Object.entries<Field>(fields)) {
    const { $schema: _, ...schema } = z.toJSONSchema(field.schema, { io: "input" });
    const fallback = field.default === undefined ? {} : { default: field.default };
    const also = field.aliases.length === 0 ? "" : ` (alias ${field.aliases.join(", ")})`;
    properties[key] = { ...schema, description: `${field.about}${also}`, ...fallback };
    for (const alias of field.aliases)
      properties[alias] = { ...weak(schema), description: `Alias of ${key}` };
  }
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "nodelet configuration",
    type: "object",
    properties,
    additionalProperties: false,
  };
}

function yamlOf(key: string, { about, aliases, default: value }: Field): string {
  const also = aliases.length === 0 ? "" : ` (${aliases.join(", ")})`;
  const line = value === undefined ? `# ${key}:\n` : stringify({ [key]: value }, { lineWidth: 0 });
  return `\n# ${about}${also}\n${line}`;
}

/** Under its old name a value may have the form that the original wrote: text for everything, or nothing. */
function weak(schema: { type?: unknown }): object {
  const text = { boolean: "^([Tt]rue|[Ff]alse)?$", integer: "^\\d*$", array: "", string: "^$" }[
    String(schema.type)
  ];
  return text === undefined ? schema : { anyOf: [schema, { type: "string", pattern: text }] };
}
