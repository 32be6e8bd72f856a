import { mkdirSync, rmSync } from "node:fs";
import type { RunResult } from "../../src/host/run.ts";
import type { FakeMachine } from "./machine.ts";

/** A packet filter, routes and interfaces in memory, as far as nodelet uses them. */
export interface FakeNetwork {
  /** Lines of `iptables -S` by table and chain. */
  readonly chains: Map<string, string[]>;
  /** What `ip route show` says of each block, without the block; with the number of its protocol. */
  readonly routes: Map<string, { words: string; protocol: string }>;
  readonly links: Map<string, FakeLink>;
}

interface FakeLink {
  mac: string;
  mtu: number;
  port: number;
  up: boolean;
  addresses: string[];
  /** Hardware addresses by addresses. */
  neighbours: Map<string, string>;
}

/** Gives a machine `ip` and `iptables` that know each other's state for as long as it lives. */
export function fakeNetwork(machine: FakeMachine): FakeNetwork {
  const network: FakeNetwork = {
    chains: new Map([
      ["filter INPUT", []],
      ["filter FORWARD", []],
      ["nat POSTROUTING", []],
    ]),
    routes: new Map(),
    links: new Map(),
  };
  machine.programs.set("iptables", (argv) => {
    const [table, , chain] = argv.slice(argv.indexOf("-t") + 1);
    const lines = network.chains.get(`${table} ${chain}`);
    return lines ? { stdout: `${lines.join("\n")}\n` } : { exitCode: 1, stderr: "No chain by that name.\n" };
  });
  machine.programs.set("iptables-save", ([, , table]) => ({ stdout: saved(network, table ?? "") }));
  machine.programs.set("iptables-restore", (_, { input = "" }) => restored(network, input));
  machine.programs.set("ip", (argv, { input = "" }) => {
    if (!argv.includes("-batch")) return ip(network, { words: argv.slice(1), machine });
    const results = input
      .split("\n")
      .filter(Boolean)
      .map((line) => ip(network, { words: line.split(" "), machine }));
    return results.find(({ exitCode = 0 }) => exitCode !== 0) ?? {};
  });
  return network;
}

function saved({ chains }: FakeNetwork, table: string): string {
  const own = [...chains].filter(([key]) => key.startsWith(`${table} `));
  const names = own.map(([key]) => `:${key.split(" ")[1]} - [0:0]`);
  return [
    `*${table}`,
    ...names,
    ...own.flatMap(([, lines]) => lines.filter((line) => line.startsWith("-A "))),
    "COMMIT",
    "",
  ].join("\n");
}

/** All of a script, or an error before anything was changed. */
function restored({ chains }: FakeNetwork, script: string): Partial<RunResult> {
  const lines = script.split("\n").filter(Boolean);
  const table = lines[0]?.slice(1);
  for (const line of lines.slice(1, -1)) {
    const [verb = "", name = ""] = line.split(" ");
    const key = `${table} ${verb.startsWith(":") ? verb.slice(1) : name}`;
    if (verb.startsWith(":")) chains.set(key, [`-N ${verb.slice(1)}`]);
    else if (verb === "-X") chains.delete(key);
    else if (verb === "-A") chains.get(key)?.push(line);
    else if (verb === "-I") chains.get(key)?.unshift(line.replace(/^-I (\S+) 1 /, "-A $1 "));
    else if (verb === "-D") {
      const rules = chains.get(key) ?? [];
      const at = rules.indexOf(line.replace(/^-D /, "-A "));
      if (at === -1) return { exitCode: 1, stderr: "Bad rule\n" };
      rules.splice(at, 1);
    }
  }
  return {};
}

function ip(
  network: FakeNetwork,
  { words, machine }: { words: readonly string[]; machine: FakeMachine },
): Partial<RunResult> {
  const [object, verb = "", ...rest] = words.filter((word) => !/^-[4dj]$/.test(word));
  const after = (word: string) => rest[rest.indexOf(word) + 1] ?? "";
  if (object === "route") return route(network, { verb, rest, words: after });
  const name = rest.includes("dev") ? after("dev") : (rest[0] ?? "");
  const link = network.links.get(name);
  if (object === "link" && verb === "add") {
    network.links.set(name, {
      mac: after("address"),
      mtu: Number(after("mtu")),
      port: Number(after("dstport")),
      up: false,
      addresses: [],
      neighbours: new Map(),
    });
    mkdirSync(`${machine.root}/sys/class/net/${name}`, { recursive: true });
    return {};
  }
  if (!link) return { exitCode: 1, stderr: `Cannot find device "${name}"\n` };
  if (object === "link" && verb === "delete") {
    network.links.delete(name);
    for (const [block, { words: said }] of network.routes)
      if (said.includes(` dev ${name}`)) network.routes.delete(block);
    rmSync(`${machine.root}/sys/class/net/${name}`, { recursive: true });
  }
  if (object === "link" && verb === "set" && rest.includes("up"))
    Object.assign(link, { mtu: Number(after("mtu")), up: true });
  if (object === "address" && verb !== "show") {
    const address = (rest[0] ?? "").replace(/\/32$/, "");
    link.addresses = link.addresses.filter((one) => one !== address);
    if (verb === "replace") link.addresses.push(address);
  }
  if (object === "neigh" && verb === "replace") link.neighbours.set(rest[0] ?? "", after("lladdr"));
  if (object === "neigh" && verb === "del" && !link.neighbours.delete(rest[0] ?? ""))
    return { exitCode: 2, stderr: "RTNETLINK answers: No such file or directory\n" };
  if (verb !== "show") return {};
  return {
    stdout: JSON.stringify(
      object === "neigh" ? [...link.neighbours].map(([dst, lladdr]) => ({ dst, lladdr })) : [shownLink(link)],
    ),
  };
}

function shownLink({ mac, mtu, port, up, addresses }: FakeLink) {
  return {
    flags: ["BROADCAST", ...(up ? ["UP"] : [])],
    address: mac,
    mtu,
    linkinfo: { info_kind: "vxlan", info_data: { external: true, port } },
    addr_info: addresses.map((local) => ({ family: "inet", local, prefixlen: 32 })),
  };
}

function route(
  { routes }: FakeNetwork,
  { verb, rest, words }: { verb: string; rest: readonly string[]; words: (after: string) => string },
): Partial<RunResult> {
  const protocol = words("proto");
  if (verb === "show") {
    const own = [...routes].filter(([, one]) => one.protocol === protocol);
    return { stdout: own.map(([block, one]) => `${block} ${one.words} \n`).join("") };
  }
  const [block = ""] = rest;
  if (verb === "del" && routes.get(block)?.protocol !== protocol)
    return { exitCode: 2, stderr: "RTNETLINK answers: No such process\n" };
  if (verb === "add" && routes.has(block)) return { exitCode: 2, stderr: "RTNETLINK answers: File exists\n" };
  if (verb === "del") routes.delete(block);
  else {
    // The kernel tells two more words of a tunnel, and its own order of the rest.
    const said = rest
      .slice(1, rest.indexOf("proto"))
      .join(" ")
      .replace(/ via /, (via) => (rest[1] === "encap" ? ` ttl 0 tos 0${via}` : via));
    routes.set(block, { words: rest[1] === "encap" ? ` ${said}` : said, protocol });
  }
  return {};
}
