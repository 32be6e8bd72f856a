import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { formatAddress } from "../config/net.ts";
import type { Listener, Protocol } from "./probe.ts";

/** The numbers that the kernel gives the states LISTEN, and of a UDP socket that takes packets from anybody. */
const WAITING = { tcp: "0A", udp: "07" } as const;

/** A listening socket as the kernel lists it, without its owner. */
export interface Socket {
  protocol: Protocol;
  port: number;
  address: string;
  inode: string;
}

/**
 * Reads `/proc/net/tcp`, `/proc/net/udp`, or those of IPv6.
 *
 * @returns its listening sockets on the ports
 */
export function parseSockets(
  text: string,
  { ports, protocol }: { ports: readonly number[]; protocol: Protocol },
): Socket[] {
  const rows = text
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/));
  return rows.flatMap((row) => {
    const [hex = "", portHex = ""] = (row[1] ?? "").split(":");
    const port = Number.parseInt(portHex, 16);
    if (row[3] !== WAITING[protocol] || !ports.includes(port)) return [];
    return [{ protocol, port, address: addressOf(hex), inode: row[9] ?? "" }];
  });
}

/** The kernel prints each 32-bit word of an address in the byte order of the machine, which is little endian. */
function addressOf(hex: string): string {
  const words = hex.match(/.{8}/g) ?? [];
  const value = BigInt(
    `0x${words.map((word) => (word.match(/../g) ?? []).reverse().join("")).join("") || "0"}`,
  );
  if (hex.length === 8) return formatAddress({ family: 4, value });
  const mapped = value >> 32n === 0xffffn;
  return mapped
    ? formatAddress({ family: 4, value: value & 0xffffffffn })
    : formatAddress({ family: 6, value });
}

/**
 * Finds who listens on ports. A UDP socket that no process has is a tunnel's in the kernel, ours among them, and is left out. Processes are searched only when somebody does, and only until all are found: reading
 * every descriptor of a busy host is the slowest thing that preflight could do.
 *
 * @param options `proc`: where the kernel's process file system is
 */
export function findListeners(ports: readonly number[], { proc }: { proc: string }): Listener[] {
  const sockets = readSockets(ports, proc);
  if (sockets.length === 0) return [];
  const owners = findOwners(new Set(sockets.map((socket) => `socket:[${socket.inode}]`)), proc);
  // A process may have ended while it was searched for, a kubelet that is started again and again for example.
  const still = owners.size < sockets.length ? readSockets(ports, proc) : sockets;
  const there = sockets.filter((socket) => still.some(({ inode }) => inode === socket.inode));
  return there.flatMap(({ inode, ...socket }): Listener[] => {
    const pid = owners.get(`socket:[${inode}]`);
    if (pid === undefined)
      return socket.protocol === "udp" ? [] : [{ ...socket, pid, process: "", cgroup: "" }];
    const process = readIfThere(`${proc}/${pid}/comm`).trim();
    return [{ ...socket, pid, process, cgroup: readIfThere(`${proc}/${pid}/cgroup`) }];
  });
}

function readSockets(ports: readonly number[], proc: string): Socket[] {
  return (["tcp", "udp"] as const).flatMap((protocol) =>
    ["", "6"].flatMap((family) =>
      parseSockets(readIfThere(`${proc}/net/${protocol}${family}`), { ports, protocol }),
    ),
  );
}

/** For each socket the first process that has it. Synchronous: ten times faster than a promise per descriptor. */
function findOwners(wanted: ReadonlySet<string>, proc: string): Map<string, number> {
  const owners = new Map<string, number>();
  for (const pid of listIfThere(proc)) {
    if (!/^\d+$/.test(pid)) continue;
    for (const fd of listIfThere(`${proc}/${pid}/fd`)) {
      const target = linkIfThere(`${proc}/${pid}/fd/${fd}`);
      if (!wanted.has(target) || owners.has(target)) continue;
      owners.set(target, Number(pid));
      if (owners.size === wanted.size) return owners;
    }
  }
  return owners;
}

// Processes end while they are looked at, and those of others cannot be looked into: neither is an error here.

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function listIfThere(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function linkIfThere(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
