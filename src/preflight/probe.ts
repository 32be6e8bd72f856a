/** An address of an interface, with the block that it is in. */
export interface ProbedAddress {
  interface: string;
  address: string;
  /** For example `10.88.0.11/24`. */
  cidr: string;
  /** Loopback. */
  internal: boolean;
}

/** Protocols whose ports are looked at. */
export type Protocol = "tcp" | "udp";

/** A socket that listens for TCP connections, or takes UDP packets. */
export interface Listener {
  protocol: Protocol;
  port: number;
  /** `0.0.0.0` and `::` for every address. */
  address: string;
  /** Undefined when no visible process has the socket. */
  pid: number | undefined;
  /** Name of the process, at most 15 characters long. */
  process: string;
  /** The lines of `/proc/PID/cgroup`, which name its unit or container. */
  cgroup: string;
}

/** What systemd knows of a unit. */
export interface ProbedUnit {
  name: string;
  /** `loaded`, `not-found`, `masked` */
  load: string;
  active: boolean;
  /** 0 when it does not run. */
  mainPid: number;
  /** Words of the command that it runs when started. */
  command: string;
}

/** A container, running or not. */
export interface ProbedContainer {
  id: string;
  name: string;
  running: boolean;
  labels: Readonly<Record<string, string>>;
}

/** What a running engine says about itself. */
export interface ProbedEngine {
  version: string;
  cgroupDriver: string;
  storageDriver: string;
  rootDir: string;
  containers: readonly ProbedContainer[];
  images: readonly { id: string; references: readonly string[] }[];
}

/** Room in the file system that a path is in, or would be in when it does not exist yet. */
export interface Space {
  /** The same for all paths of one file system. */
  device: number;
  /** What root may still write. */
  freeBytes: number;
  totalBytes: number;
}

/**
 * Looking at a host, without changing it. Nothing here throws for what is not there: it is `undefined` or empty, and
 * the checks say what that means.
 */
export interface HostProbe {
  /** The effective user. */
  uid(): number;
  /** `linux` */
  os(): string;
  /** Milliseconds since the epoch. */
  now(): number;
  cpus(): number;
  /** As in `/lib/modules/RELEASE`. */
  kernelRelease(): string;
  /** The architecture of the running kernel, as `uname -m` prints it. */
  machine(): string;
  addresses(): readonly ProbedAddress[];
  /** True when a program of this name is on the path that nodelet's children get. */
  hasProgram(name: string): boolean;
  /** Text of a file, or undefined when it cannot be read. */
  readText(path: string): Promise<string | undefined>;
  /** Names in a directory, sorted; empty when there is none. */
  list(path: string): Promise<readonly string[]>;
  pathExists(path: string): Promise<boolean>;
  /** Bytes of a file, or undefined when there is none. */
  fileSize(path: string): Promise<number | undefined>;
  /** Undefined when the file system does not say. */
  space(path: string): Promise<Space | undefined>;
  /** The path without symbolic links; what of it does not exist yet is taken as it is. */
  realPath(path: string): Promise<string>;
  /** True when this user may write to the path, or make it where it does not exist. */
  writable(path: string): Promise<boolean>;
  /**
   * Writes and syncs pages of 2 KiB to a file without a name where the path is or would be: what etcd does all the time.
   *
   * @returns milliseconds of each write; undefined when nothing could be written
   */
  syncedWrites(path: string): Promise<readonly number[] | undefined>;
  /** True when a host has this address: it accepts or refuses a connection within a second. */
  answers(address: string, port: number): Promise<boolean>;
  /** Who listens on these ports, whatever the protocol. */
  listeners(ports: readonly number[]): Promise<readonly Listener[]>;
  /** The units as systemd knows them; undefined when systemd does not answer. */
  units(names: readonly string[]): Promise<readonly ProbedUnit[] | undefined>;
  /** Names of all units that are active; undefined when systemd does not answer. */
  activeUnits(): Promise<readonly string[] | undefined>;
  /**
   * What `iptables -S` prints: policies, chains and rules of the table `filter`; empty when there are none. Undefined when
   * there is no such program, or this user may not ask it. Asking loads no kernel module.
   */
  firewallRules(): Promise<string | undefined>;
  /** What `nft -j list ruleset` prints, all tables of all families; the same as above when there are none, or no such program. */
  nftRules(): Promise<string | undefined>;
  /** Undefined when no engine answers. */
  engine(): Promise<ProbedEngine | undefined>;
}
