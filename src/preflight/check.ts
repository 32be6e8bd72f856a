import type { Bundle } from "../bundle/bundle.ts";
import type { Config, ConfigKey } from "../config/config.ts";
import { flagOf } from "../config/field.ts";
import { fieldOf } from "../config/validate.ts";
import type { Finding } from "../errors.ts";
import type { NodeFacts } from "../node-facts.ts";
import { paths } from "../paths.ts";
import type { Facts } from "./look.ts";

/** What the node is to be, and what is known of its past. */
export interface Plan {
  config: Config;
  node: NodeFacts;
  bundle: Bundle;
  /** True when there is a journal of an earlier init, finished or not: what is ours on the host is no problem. */
  installed: boolean;
  /** What the host is recorded as. */
  cluster?: { clusterId: string; role: string };
  /** The node comes to a cluster that is there already. */
  joining?: boolean;
  /** Nothing follows: somebody only wants to know how the host is. */
  looking?: boolean;
}

/** What a check judges. */
export interface CheckInput extends Plan {
  facts: Facts;
}

/** What a check says; its code is added by the runner. */
export type Problem = Omit<Finding, "code"> & { hint: string };

/** What stands for a finding before there is one. */
export interface CodeInfo {
  /** Of its findings, for example `PortInUse`. */
  code: string;
  level: "error" | "warning";
  /** What is true of a host that passes. */
  title: string;
}

/** One rule for a host. It looks at facts only, so it can be tested without a host. */
export interface Check extends CodeInfo {
  run(input: CheckInput): Problem[];
  /** False for a host that the rule is not about: then it is neither passed nor not seen. */
  applies?(input: CheckInput): boolean;
  /** Why its facts could not be seen on this host by this user; undefined when they were. It is not run then. */
  unseen?(input: CheckInput): string | undefined;
}

/** How a key of the configuration is changed: its flag, or the files when it has none. */
export function setting(key: ConfigKey): string {
  return fieldOf(key).flag ? `set ${flagOf(key)}` : `set ${key} in ${paths.configDir}`;
}

/** For checks whose facts only root sees. */
export function needsRoot({ facts }: CheckInput): string | undefined {
  return facts.uid === 0 ? undefined : "only root can see it";
}

/** For checks that ask the container engine. An engine that is not installed has nothing to ask for. */
export function needsEngine({ facts }: CheckInput): string | undefined {
  if (facts.engine || facts.units?.get("docker.service")?.load !== "loaded") return undefined;
  return facts.uid === 0 ? "Docker does not answer" : "Docker does not answer this user";
}
