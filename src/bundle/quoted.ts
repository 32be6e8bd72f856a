const LONGEST = 100;

/**
 * A value of a foreign index as a message can show it: texts in quotes, short, and without anything that a terminal obeys.
 * What is deep or large is only named.
 */
export function quoted(value: unknown): string {
  if (typeof value !== "string") {
    if (value === undefined) return "nothing";
    return typeof value === "object" && value !== null
      ? Array.isArray(value)
        ? "a list"
        : "an object"
      : String(value);
  }
  const text = value.length > LONGEST ? `${value.slice(0, LONGEST)}…` : value;
  return `"${text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (one) => `\\u{${one.codePointAt(0)?.toString(16)}}`)}"`;
}
