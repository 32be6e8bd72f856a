import { expect, test } from "bun:test";
import { Attempts } from "../../../src/join/attempts.ts";

function noted(times: number, from = "10.0.0.9", attempts = new Attempts()): Attempts {
  for (let count = 0; count < times; count++) attempts.note(from, 0);
  return attempts;
}

test("ten refused attempts in a minute are too many, for that address alone", () => {
  expect(noted(9).isTooMany("10.0.0.9", 0)).toBe(false);
  expect(noted(10).isTooMany("10.0.0.9", 59_999)).toBe(true);
  expect(noted(10).isTooMany("10.0.0.8", 0)).toBe(false);
});

test("after a minute they are forgotten", () => {
  expect(noted(10).isTooMany("10.0.0.9", 60_000)).toBe(false);
});

test("attempts from very many addresses do not fill the memory: who was silent longest is forgotten", () => {
  const attempts = noted(10);
  for (let host = 0; host < 1023; host++) attempts.note(`10.1.${host >> 8}.${host & 255}`, 0);
  expect(attempts.isTooMany("10.0.0.9", 0)).toBe(true);
  attempts.note("10.2.0.0", 0);
  expect(attempts.isTooMany("10.0.0.9", 0)).toBe(false);
});
