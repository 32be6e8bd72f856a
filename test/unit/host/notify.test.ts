import { dlopen, FFIType } from "bun:ffi";
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { systemdNotifier } from "../../../src/host/notify.ts";
import { tmpRoot } from "../../fake/root.ts";

const { i32, u64, i64, ptr, u32 } = FFIType;
const libc = dlopen("libc.so.6", {
  socket: { args: [i32, i32, i32], returns: i32 },
  bind: { args: [i32, ptr, u32], returns: i32 },
  recv: { args: [i32, ptr, u64, i32], returns: i64 },
  close: { args: [i32], returns: i32 },
}).symbols;
const MSG_DONTWAIT = 0x40;

/** A socket for datagrams, as systemd has one; `\0name` is an abstract name. */
function receiver(name: string) {
  const socket = libc.socket(1, 2, 0);
  const address = Buffer.concat([Buffer.from([1, 0]), Buffer.from(name)]);
  if (libc.bind(socket, address, address.length) !== 0) throw new Error(`Cannot bind "${name}"`);
  return {
    /** The next message, or undefined: a local datagram is there as soon as it is sent. */
    next(): string | undefined {
      const room = Buffer.alloc(4096);
      const length = Number(libc.recv(socket, room, room.length, MSG_DONTWAIT));
      return length < 0 ? undefined : room.subarray(0, length).toString();
    },
    [Symbol.dispose]: () => void libc.close(socket),
  };
}

describe("systemdNotifier()", () => {
  test("sends each state as a message of its own to a path", async () => {
    await using root = await tmpRoot();
    using systemd = receiver(root.place("notify"));
    const notify = systemdNotifier(root.place("notify"));
    expect(systemd.next()).toBeUndefined();
    notify("READY=1\nSTATUS=läuft");
    notify("WATCHDOG=1");
    expect([systemd.next(), systemd.next(), systemd.next()]).toEqual([
      "READY=1\nSTATUS=läuft",
      "WATCHDOG=1",
      undefined,
    ]);
  });

  test("finds an abstract name", () => {
    const name = `nodelet-test-${process.pid}`;
    using systemd = receiver(`\0${name}`);
    expect(readFileSync("/proc/net/unix", "utf8")).toContain(`@${name}\n`);
    systemdNotifier(`@${name}`)("READY=1");
    expect(systemd.next()).toBe("READY=1");
  });

  test("a path may be as long as the kernel allows, and no longer", async () => {
    await using root = await tmpRoot();
    const path = root.place("x".repeat(107 - root.path.length - 1));
    using systemd = receiver(path);
    systemdNotifier(path)("READY=1");
    expect(systemd.next()).toBe("READY=1");
    systemdNotifier(`${path}x`)("READY=2");
    expect(systemd.next()).toBeUndefined();
  });

  test.each([undefined, "", "/nowhere/notify", "@nobody-listens-here", "vsock:2:9999", "relative"])(
    "with nobody at %p nothing happens, and nothing is left open",
    (path) => {
      const files = readdirSync("/proc/self/fd").length;
      const notify = systemdNotifier(path);
      for (let i = 0; i < 5; i++) notify("READY=1");
      notify("");
      expect(readdirSync("/proc/self/fd").length).toBe(files);
    },
  );

  test("a listener that does not listen is not waited for", async () => {
    await using root = await tmpRoot();
    using systemd = receiver(root.place("notify"));
    const notify = systemdNotifier(root.place("notify"));
    const most = Number(readFileSync("/proc/sys/net/unix/max_dgram_qlen", "utf8"));
    for (let i = 0; i < most + 10; i++) notify(`STATUS=${i}`);
    expect(systemd.next()).toBe("STATUS=0");
  });
});
