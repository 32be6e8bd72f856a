import { lstatSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import type { Config } from "../config/config.ts";
import type { Ctx } from "../ctx.ts";
import { codeOf, ConfigError, messageOf } from "../errors.ts";
import { writeAtomically } from "../host/atomic.ts";
import { type Machine, placeOf } from "../host/machine.ts";
import { paths } from "../paths.ts";
import type { Phase } from "../runner/phase.ts";

/** A node as its configuration declares it. */
export interface OpenNode {
  ctx: Ctx;
  phases: readonly Phase[];
}

/** How the node is opened. @param config another configuration than that of the disk */
export type OpenNodeWith = (config?: string) => Promise<OpenNode>;

/** Values of these keys do not belong into a log. */
const SECRET: ReadonlySet<string> = new Set(["kubeletCloudConfig", "extraEnv"]);

/** What a node is opened from. Its API client reads the certificates once, so new ones ask for a new client. */
const SOURCES = [
  paths.configDir,
  paths.sitePhases,
  paths.kubeOverride,
  paths.cluster,
  paths.installedIndex,
  ...["ca.crt", "admin.crt", "admin.key", "kubelet-client.crt", "kubelet-client.key"].map(
    (name) => `${paths.certs}/${name}`,
  ),
];

/** A file that is written to all the time is read at last. */
const SETTLE_LOOKS = 20;

/**
 * What this node is declared to be. The configuration of the disk, as long as it is valid; else the last one that was, which
 * is kept beside the state, so that neither a slip of the operator nor a reboot after it stops a node.
 */
export class Desired {
  readonly #machine: Machine;
  readonly #open: OpenNodeWith;
  readonly #version: string;
  readonly #settleMs: number;
  #signature = "";
  #node: OpenNode | undefined;
  #problems: readonly string[] = [];
  #inForce = true;
  /** What was to be kept, also where a full disk does not let it. */
  #kept: string | undefined;

  /** @param options `settleMs`: how long files must hold still before they are read again */
  constructor(machine: Machine, options: { open: OpenNodeWith; version: string; settleMs?: number }) {
    this.#machine = machine;
    this.#open = options.open;
    this.#version = options.version;
    this.#settleMs = options.settleMs ?? 250;
  }

  /** The node; undefined while no valid configuration was ever seen. */
  get node(): OpenNode | undefined {
    return this.#node;
  }

  /** Why the configuration of the disk is not used; empty when it is. */
  get problems(): readonly string[] {
    return this.#problems;
  }

  /** False while the phases were not yet started with this configuration. */
  get inForce(): boolean {
    return this.#inForce;
  }

  /** The configuration that a worker must use, when it is not that of the disk. */
  get workerConfig(): string | undefined {
    return this.#problems.length > 0 ? placeOf(this.#machine, paths.appliedConfig) : undefined;
  }

  /** Reads again what has changed on the disk. @returns what is new, in words; empty when nothing is. Never rejects */
  async refresh(): Promise<string[]> {
    const signature = await this.#settled();
    // What is wrong may be mended elsewhere: a disk that was not mounted yet, a network that came late.
    if (signature === this.#signature && this.#problems.length === 0) return [];
    this.#signature = signature;
    try {
      this.#node = await this.#open();
    } catch (error) {
      const before = this.#problems.join("\n");
      this.#problems = problemsOf(error);
      this.#node ??= await this.#open(placeOf(this.#machine, paths.appliedConfig)).catch(() => undefined);
      const kept = this.#node ? "the one before stays in force" : "there is none to go on with";
      return this.#problems.join("\n") === before
        ? []
        : this.#problems.map((problem) => `configuration is not valid, ${kept}: ${problem}`);
    }
    const words = this.#problems.length > 0 ? ["configuration is valid again"] : [];
    this.#problems = [];
    const changes = this.#changes(this.#node.ctx.config);
    this.#inForce = changes.length === 0;
    // The first that is seen: the phases were started with it, or their checks will tell. What comes next is a change of it.
    if (this.#applied() === undefined) await this.putInForce().catch(() => {});
    return [...words, ...changes];
  }

  /**
   * The signature of all that is read, once it holds still: an editor that writes in place leaves half a file for a moment, and
   * half a file may be valid.
   */
  async #settled(): Promise<string> {
    let signature = this.#read();
    if (this.#signature === "") return signature;
    for (let left = SETTLE_LOOKS; signature !== this.#signature && left > 0; left--) {
      await Bun.sleep(this.#settleMs);
      const next = this.#read();
      if (next === signature) break;
      signature = next;
    }
    return signature;
  }

  #read(): string {
    return SOURCES.map((path) => signatureOf(placeOf(this.#machine, path))).join("\n");
  }

  /**
   * Remembers that the phases were started with the configuration as it is.
   *
   * @throws AppError when that cannot be written, for example on a full disk; the configuration is in force all the same
   */
  async putInForce(): Promise<void> {
    if (!this.#node || this.#problems.length > 0) return;
    this.#inForce = true;
    const text = this.#text(this.#node.ctx.config);
    if (text === this.#onDisk()) return;
    this.#kept = text;
    await writeAtomically(placeOf(this.#machine, paths.appliedConfig), text, { mode: 0o600 });
    this.#kept = undefined;
  }

  #text(config: Config): string {
    return `# Written by nodeletd ${this.#version}: the configuration that is in force. Changes here are lost.\n${stringify(config)}`;
  }

  #applied(): string | undefined {
    return this.#kept ?? this.#onDisk();
  }

  #onDisk(): string | undefined {
    try {
      return readFileSync(placeOf(this.#machine, paths.appliedConfig), "utf8");
    } catch {
      return undefined;
    }
  }

  #changes(config: Config): string[] {
    const applied = this.#applied();
    if (applied === undefined || applied === this.#text(config)) return [];
    const before = valuesOf(applied);
    if (!before) return ["what configuration is in force cannot be read"];
    const changes = diffOf(before, config);
    return changes.length > 0
      ? changes.map((change) => `configuration changed: ${change}`)
      : [`nodelet is ${this.#version} now`];
  }
}

/** Undefined for a text that is not what was written. */
function valuesOf(text: string): Record<string, unknown> | undefined {
  try {
    const found: unknown = parse(text);
    const isMap = typeof found === "object" && found !== null && !Array.isArray(found);
    return isMap ? (found as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** What is different, key by key: `apiPort: 443 -> 6443`. */
function diffOf(before: Record<string, unknown>, after: Config): string[] {
  const values = after as unknown as Record<string, unknown>;
  const keys = [...new Set([...Object.keys(before), ...Object.keys(values)])].sort();
  const words = (key: string, value: unknown) =>
    SECRET.has(key) ? "(secret)" : value === undefined ? "not set" : JSON.stringify(value);
  return keys
    .filter((key) => !Bun.deepEquals(before[key], values[key]))
    .map((key) => `${key}: ${words(key, before[key])} -> ${words(key, values[key])}`);
}

/** Whatever it is: a configuration that cannot be read must not stop the healing of a node that has one. */
function problemsOf(error: unknown): readonly string[] {
  return error instanceof ConfigError ? error.problems : [messageOf(error)];
}

/** Changes whenever a file, what a link leads to, or a directory's entry is changed. */
function signatureOf(place: string): string {
  try {
    const found = lstatSync(place, { bigint: true });
    const own = `${found.ino}:${found.size}:${found.ctimeNs}`;
    if (found.isDirectory()) return [own, ...entriesOf(place)].join(";");
    if (!found.isSymbolicLink()) return own;
    const target = statSync(place, { bigint: true });
    return `${own}>${target.ino}:${target.size}:${target.ctimeNs}`;
  } catch (error) {
    return codeOf(error) ?? "unknown";
  }
}

function entriesOf(place: string): string[] {
  const names = readdirSync(place).sort();
  return names.map((name) => `${name} ${signatureOf(join(place, name))}`);
}
