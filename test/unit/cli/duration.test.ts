import { expect, test } from "bun:test";
import { parseDuration } from "../../../src/cli/duration.ts";

test.each([
  ["1s", 1000],
  ["90m", 5_400_000],
  ["24h", 86_400_000],
  ["2d", 172_800_000],
  ["1h30m", 5_400_000],
  ["1d2h3m4s", 93_784_000],
])("%s is %i ms", (text, ms) => expect(parseDuration(text, "--ttl")).toBe(ms));

test.each(["", "1", "h", "-1h", "1.5h", "1 h", "1w", "1H", "1h ", "1e3s", "1234567s", "1h1h1h1h1h"])(
  "%j is none",
  (text) =>
    expect(() => parseDuration(text, "--ttl")).toThrow(
      `Cannot read --ttl "${text}"; expected a duration, for example 90m, 24h or 1h30m`,
    ),
);

test.each(["0s", "0h0m"])("%s is nothing", (text) =>
  expect(() => parseDuration(text, "--ttl")).toThrow(
    `Cannot use --ttl "${text}"; expected more than nothing`,
  ),
);
