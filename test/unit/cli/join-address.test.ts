import { expect, test } from "bun:test";
import { parseJoinAddress } from "../../../src/cli/join-meet.ts";

test.each([
  ["10.0.0.5", "10.0.0.5", 6442],
  ["10.0.0.5:7000", "10.0.0.5", 7000],
  ["m1.example.com", "m1.example.com", 6442],
  ["https://m1:65535/", "m1", 65_535],
])("%s is %s, port %i", (text, host, port) => {
  expect(parseJoinAddress(text, 6442)).toEqual({ host, port });
});

test.each([
  "",
  " ",
  "10.0.0.5:",
  "10.0.0.5:0",
  "10.0.0.5:65536",
  "10.0.0.5:99999",
  "10.0.0.5:x",
  "http://m1",
  "https://m1/v1",
  "m1@evil",
  "user:word@m1",
  "-m1",
  "m1-",
  "m1 m2",
  "m1\n",
  "::1",
  "[fd00::1]:6442",
  "m1?x",
  "m1#x",
  `${"a".repeat(260)}`,
])("%j is no address of a master", (text) => {
  expect(() => parseJoinAddress(text, 6442)).toThrow(
    `Cannot join at "${text}"; expected the address of a master, for example 10.0.0.5 or 10.0.0.5:6442`,
  );
});
