import { beforeAll, describe, expect, test } from "bun:test";
import { issueCa } from "../../../certs/issue.ts";
import { generateKey } from "../../../certs/keys.ts";
import { authorities, type CaSpec } from "../../../certs/list.ts";
import { AppError } from "../../../src/errors.ts";
import {
  hashOf,
  isPinned,
  isSecretOf,
  makeToken,
  parseToken,
  pinOf,
  tokenText,
} from "../../../src/join/token.ts";

let ca: string;
let sameKey: string;
let other: string;

beforeAll(async () => {
  const [key, otherKey] = [await generateKey("rsa"), await generateKey("rsa")];
  const spec = authorities[0] as CaSpec;
  ca = await issueCa(spec, { key, now: new Date("2026-01-01") });
  sameKey = await issueCa(spec, { key, now: new Date("2027-01-01") });
  other = await issueCa(spec, { key: otherKey, now: new Date("2026-01-01") });
});

test("a token is read as it was handed over, with blanks and line breaks around it", () => {
  const token = makeToken(ca);
  expect(parseToken(`\n  ${tokenText(token)}\r\n`)).toEqual(token);
});

test("a secret has 160 bits, and no two tokens share anything but the pin", () => {
  const tokens = Array.from({ length: 200 }, () => makeToken(ca));
  expect(new Set(tokens.map(({ secret }) => secret)).size).toBe(200);
  expect(new Set(tokens.map(({ pin }) => pin))).toEqual(new Set([pinOf(ca)]));
  expect(tokens.map(({ secret }) => Buffer.from(secret, "base64url").length)).toEqual(Array(200).fill(20));
  const bits = Buffer.concat(tokens.map(({ secret }) => Buffer.from(secret, "base64url")));
  expect(new Set(bits).size).toBe(256);
});

describe("what is no token", () => {
  const good = () => tokenText(makeToken(ca));
  test.each([
    ["nothing", () => ""],
    ["a word", () => "hunter2"],
    ["its end cut off", () => good().slice(0, -1)],
    ["something behind it", () => `${good()}x`],
    ["an id with capitals", () => `ABCDEF${good().slice(6)}`],
    ["a blank in it", () => good().replace(".", ". ")],
    ["two lines", () => `${good()}\n${good()}`],
    ["another alphabet", () => good().slice(0, -1).concat("+")],
    ["a part more", () => `${good()}.x`],
  ])("%s is refused, and not repeated", (_what, text) => {
    const given = text();
    const error = thrown(() => parseToken(given));
    expect(error.message).toBe(
      `Cannot read the token: it has ${given.trim().length} characters; expected ID.SECRET.PIN with 6, 27 and 43 of them`,
    );
    expect(error.hint).toBe("copy the whole line that nodelet token create printed");
  });
});

test("only the secret fits its digest", () => {
  const { secret } = makeToken(ca);
  expect(isSecretOf(hashOf(secret), secret)).toBe(true);
  expect(isSecretOf(hashOf(secret), `${secret.slice(0, -1)}${secret.endsWith("A") ? "B" : "A"}`)).toBe(false);
  expect(isSecretOf(hashOf(secret), "")).toBe(false);
});

test.each(["", "00", "no hex", "00".repeat(31), "00".repeat(33)])("a kept digest %j fits nothing", (hash) => {
  expect(isSecretOf(hash, makeToken(ca).secret)).toBe(false);
});

test("the digest of a secret is not that of its bare text", () => {
  const hasher = new Bun.CryptoHasher("sha256");
  expect(hashOf("x")).not.toBe(hasher.update("x").digest("hex"));
});

test("the pin is of the authority's key: a renewed certificate fits, another key does not", () => {
  const { pin } = makeToken(ca);
  expect([isPinned(ca, pin), isPinned(sameKey, pin), isPinned(other, pin)]).toEqual([true, true, false]);
});

test.each(["", "garbage", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])(
  "what a stranger sends is not pinned: %j",
  (text) => expect(isPinned(text, makeToken(ca).pin)).toBe(false),
);

function thrown(work: () => unknown): AppError {
  try {
    work();
  } catch (error) {
    if (error instanceof AppError) return error;
  }
  throw new Error("expected an AppError");
}
