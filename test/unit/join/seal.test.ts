import { describe, expect, test } from "bun:test";
import { seal, type Sealed, unseal } from "../../../src/join/seal.ts";

const FOR_N1 = { secret: "s3cret", about: "n1" };
const REFUSAL =
  "Cannot open the keys that the master sent: they were not sealed with this token for this node";

test("what was sealed is opened with the same secret, by whom it is for", () => {
  expect(unseal(seal("the keys – ü", FOR_N1), FOR_N1)).toBe("the keys – ü");
});

test("the text is in nothing that is sent, and no two seals are alike", () => {
  const [one, two] = [seal("the keys", FOR_N1), seal("the keys", FOR_N1)];
  const sent = Object.values(one).map((text) => Buffer.from(text, "base64").toString("latin1"));
  expect(sent.filter((text) => text.includes("the keys"))).toEqual([]);
  expect([one.salt, one.nonce, one.data]).not.toContainAnyValues([two.salt, two.nonce, two.data]);
});

describe("cannot be opened", () => {
  const flip = (text: string, at: number) => {
    const bytes = Buffer.from(text, "base64");
    bytes[at < 0 ? bytes.length + at : at] = (bytes.at(at) ?? 0) ^ 1;
    return bytes.toString("base64");
  };
  const none = (sealed: Sealed) => sealed;
  test.each([
    ["with another secret", none, { ...FOR_N1, secret: "s3creT" }],
    ["with no secret", none, { ...FOR_N1, secret: "" }],
    ["as another node", none, { ...FOR_N1, about: "n2" }],
    ["with a changed salt", (one: Sealed) => ({ ...one, salt: flip(one.salt, 0) }), FOR_N1],
    ["with a changed nonce", (one: Sealed) => ({ ...one, nonce: flip(one.nonce, 0) }), FOR_N1],
    ["with its first byte changed", (one: Sealed) => ({ ...one, data: flip(one.data, 0) }), FOR_N1],
    ["with its tag changed", (one: Sealed) => ({ ...one, data: flip(one.data, -1) }), FOR_N1],
    ["with its tag cut short", (one: Sealed) => ({ ...one, data: flip(one.data, 0).slice(0, 8) }), FOR_N1],
    ["empty", () => ({ salt: "", nonce: "", data: "" }), FOR_N1],
  ])("%s", (_how, change, by) => {
    const sealed = change(seal("the keys", FOR_N1));
    expect(() => unseal(sealed, by)).toThrow(REFUSAL);
  });
});
