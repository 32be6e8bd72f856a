import { describe, expect, test } from "bun:test";
import type { Io } from "../../../src/cli/io.ts";
import { meter } from "../../../src/cli/meter.ts";

const MIB = 2 ** 20;

/** A meter on a clock that the test owns. */
function setUp(terminal: boolean) {
  let written = "";
  let ms = 0;
  const io: Io = {
    out: () => {},
    err: (text) => void (written += text),
    terminal,
    screen: false,
    ask: () => undefined,
  };
  const shown = meter(io, { what: "verify", total: 300 * MIB, now: () => ms });
  return {
    /** Adds bytes after a time, and gives what was written. */
    add(bytes: number, after: number) {
      ms += after;
      written = "";
      shown.add(bytes);
      return written;
    },
    end(after = 0) {
      ms += after;
      written = "";
      shown.end();
      return written;
    },
  };
}

describe("a meter", () => {
  test("in a log says nothing of work that is short", () => {
    const t = setUp(false);
    expect([t.add(100 * MIB, 4000), t.add(200 * MIB, 5999), t.end()]).toEqual(["", "", ""]);
  });

  test("in a log has a line every ten seconds, and one at the end", () => {
    const t = setUp(false);
    expect(t.add(100 * MIB, 10_000)).toBe("… verify: 100 MiB of 300 MiB, 10 MiB/s, 20 s left\n");
    expect(t.add(50 * MIB, 9_999)).toBe("");
    expect(t.add(50 * MIB, 1)).toBe("… verify: 200 MiB of 300 MiB, 10 MiB/s, 10 s left\n");
    expect(t.add(100 * MIB, 5_000)).toBe("");
    expect(t.end()).toBe("verify: 300 MiB in 25.0 s\n");
  });

  test("on a terminal has one line that is drawn anew, and taken away", () => {
    const t = setUp(true);
    expect(t.add(30 * MIB, 99)).toBe("");
    expect(t.add(30 * MIB, 1)).toBe("\r\x1b[K… verify: 60 MiB of 300 MiB, 600 MiB/s, 1 s left");
    expect(t.end()).toBe("\r\x1b[K");
  });
});
