import { normalize } from "node:path";
import { type Check, matching, quote, text } from "./grammar.ts";

/** An absolute path that may stand in units, mounts and environment files. */
export function absolutePath() {
  return text(
    (value) => {
      const problem = checkAbsolute(value);
      if (problem !== undefined) return problem;
      if (/^[\w./@+-]+$/.test(value)) return undefined;
      return `${quote(value)} has characters that a path here cannot have; expected letters, digits and ./@+_-`;
    },
    { expected: "an absolute path" },
  );
}

/** An absolute path that only this program opens. */
export function openedPath() {
  return text(checkAbsolute, { expected: "an absolute path" });
}

const checkAbsolute: Check = (value) => {
  if (!value.startsWith("/")) return `${quote(value)} is not an absolute path; expected it to start with /`;
  if (value.split("/").includes("..") || /\p{Cc}/u.test(value) || normalize(value) === "/") {
    return `${quote(value)} is not accepted as a path; expected one without .. and control characters, below /`;
  }
  return undefined;
};

/** A registry of images: `registry.site:5000`. */
export function registry() {
  return matching(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:[1-9]\d{0,4})?$/, {
    what: "a registry",
    expected: "a host name or address, with a port where it has one, for example registry.site:5000",
  });
}

/** A size as Docker writes it: `10m`. */
export function dockerSize() {
  return matching(/^[1-9]\d{0,5}[kmg]$/, {
    what: "a size",
    expected: "a number with k, m or g, for example 10m",
  });
}

/** Takes the size as Kubernetes writes it, `10Mi`. */
export function adaptSize(value: unknown): unknown {
  return typeof value === "string"
    ? value.replace(/^(\d+)([KkMG])i?$/, (_, n, unit) => n + unit.toLowerCase())
    : value;
}

/** A list of processors: `0-1,4`. */
export function cpuList() {
  const expected = "processor numbers and ranges, for example 0-1,4";
  return text(
    (value) => {
      const ranges = value.split(",").map((part) => /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(part));
      const good = ranges.every((match) => match && Number(match[1]) <= Number(match[2] ?? match[1]));
      return good ? undefined : `${quote(value)} is not a list of processors; expected ${expected}`;
    },
    { expected },
  );
}

/** Base64 whose content is never shown. */
export function base64() {
  const pattern = /^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
  return text(
    (value) =>
      pattern.test(value) ? undefined : "value is not base64; expected the encoded file on one line",
    {
      expected: "base64",
      pattern,
      secret: true,
    },
  );
}
