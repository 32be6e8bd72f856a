import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import type { Config } from "../config/config.ts";
import type { Ctx } from "../ctx.ts";
import { AppError, ConfigError } from "../errors.ts";
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
const SECRET: ReadonlySet<string> = new Set(["kubeletCloudConfig"]);

/** What the declared state is read from. */
const SOURCES = [paths.configDir, paths.sitePhases, paths.kubeOverride, paths.cluster, paths.installedIndex];

/**
 * What this node is declared to be. The configuration of the disk, as long as it is valid; else the last one that was, which
 * is kept beside the state, so that neither a slip of the operator nor a reboot after it stops a node.
 */
export class Desired {
  readonly #machine: Machine;
  readonly #open: OpenNodeWith;
  readonly #version: string;
  #signature = "";
  #node: OpenNode | undefined;
  #problems: string[] = [];
  #inForce = true;

  constructor(machine: Machine, options: { open: OpenNodeWith; version: string }) {
    this.#machine = machine;
    this.#open = options.open;
    this.#version = options.version;
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

  /** Reads again what has changed on the disk. @returns what is new, in words; empty when nothing is */
  async refresh(): Promise<string[]> {
    const signature = SOURCES.map((path) => signatureOf(placeOf(this.#machine, path))).join("\n");
    if (signature === this.#signature) return [];
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
    return [...words, ...changes];
  }

  /** Remembers that the phases were started with the configuration as it is. */
  async putInForce(): Promise<void> {
    if (!this.#node || this.#problems.length > 0) return;
    const text = this.#text(this.#node.ctx.config);
    if (text !== this.#applied())
      await writeAtomically(placeOf(this.#machine, paths.appliedConfig), text, { mode: 0o600 });
    this.#inForce = true;
  }

  #text(config: Config): string {
    return `# Written by nodeletd ${this.#version}: the configuration that is in force. Changes here are lost.\n${stringify(config)}`;
  }

  #applied(): string | undefined {
    try {
      return readFileSync(placeOf(this.#machine, paths.appliedConfig), "utf8");
    } catch {
      return undefined;
    }
  }

  #changes(config: Config): string[] {
    const applied = this.#applied();
    // Nothing was kept yet: the phases were started with this configuration, or their checks will tell.
    if (applied === undefined || applied === this.#text(config)) return [];
    const changes = diffOf(valuesOf(applied), config);
    return changes.length > 0
      ? changes.map((change) => `configuration changed: ${change}`)
      : [`nodelet is ${this.#version} now`];
  }
}

function valuesOf(text: string): Record<string, unknown> {
  try {
    return (parse(text) ?? {}) as Record<string, unknown>;
  } catch {
    return {};
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

function problemsOf(error: unknown): string[] {
  if (error instanceof ConfigError) return [...error.problems];
  if (error instanceof AppError) return [error.message];
  throw error;
}

/** Changes whenever a file, or a directory's entry, is changed. */
function signatureOf(place: string): string {
  const found = lstatSync(place, { throwIfNoEntry: false, bigint: true });
  if (!found) return "absent";
  const own = `${found.ino}:${found.ctimeNs}`;
  if (!found.isDirectory()) return own;
  return [
    own,
    ...readdirSync(place)
      .sort()
      .map((name) => `${name} ${signatureOf(join(place, name))}`),
  ].join(";");
}
