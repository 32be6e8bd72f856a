import { existsSync } from "node:fs";
import type { Kind } from "../kind.ts";
import { type Machine, placeOf } from "../machine.ts";

/** An interface whose packets travel in others (VXLAN); where to, the route of each packet says. */
export interface TunnelWanted {
  name: string;
  /** Absent: there is to be no such interface. */
  link?: TunnelLink;
}

/** How the interface is. */
export interface TunnelLink {
  /** UDP port, the same on all nodes. */
  port: number;
  mac: string;
  mtu: number;
  /** The address of this host behind it, without length. */
  address: string;
  /** The interfaces of other nodes at the other end. */
  neighbours: readonly { address: string; mac: string }[];
}

/** What was found; null without an interface. */
export interface TunnelFound {
  link: (Omit<TunnelLink, "address"> & { addresses: string[]; up: boolean }) | null;
}

/** As `ip -d -j address show` tells it. */
interface Shown {
  flags?: string[];
  address?: string;
  mtu?: number;
  addr_info?: { family: string; local: string; prefixlen: number }[];
  linkinfo?: { info_kind?: string; info_data?: { external?: boolean; port?: number } };
}

/** Tunnels that nodelet keeps between nodes. */
export const tunnelKind: Kind<TunnelWanted, TunnelFound> = {
  key: (wanted) => wanted.name,
  async read(machine, { name }) {
    if (!existsSync(placeOf(machine, `/sys/class/net/${name}`))) return { link: null };
    const [shown, known] = await Promise.all([
      json<Shown>(machine, ["-d", "-j", "-4", "address", "show", "dev", name]),
      json<{ dst: string; lladdr?: string }>(machine, [
        "-j",
        "-4",
        "neigh",
        "show",
        "dev",
        name,
        "nud",
        "permanent",
      ]),
    ]);
    return { link: linkOf(shown[0] ?? {}, known) };
  },
  same(found, { link }) {
    if (!link || !found.link) return !link && !found.link;
    const { address, neighbours, ...rest } = link;
    return Bun.deepEquals(found.link, {
      ...rest,
      up: true,
      addresses: [address],
      neighbours: sorted(neighbours),
    });
  },
  async apply(machine, wanted) {
    const { name, link } = wanted;
    const { link: found } = await tunnelKind.read(machine, wanted);
    // Its port cannot be changed, and with another MAC the kernel forgets all neighbours: then it is made anew.
    const before = found?.port === link?.port && found?.mac === link?.mac ? found : undefined;
    if (found && !before) await remove(machine, name);
    if (!link) return;
    if (!before) await add(machine, name, link);
    if (before?.mtu !== link.mtu || !before.up)
      await ip(machine, ["link", "set", "dev", name, "mtu", String(link.mtu), "up"]);
    const lines = [
      ...(before?.addresses ?? [])
        .filter((one) => one !== link.address)
        .map((one) => `address del ${one}/32 dev ${name}`),
      `address replace ${link.address}/32 dev ${name}`,
      ...(before?.neighbours ?? [])
        .filter((one) => !link.neighbours.some(({ address }) => address === one.address))
        .map(({ address }) => `neigh del ${address} dev ${name}`),
      ...link.neighbours.map(
        ({ address, mac }) => `neigh replace ${address} lladdr ${mac} dev ${name} nud permanent`,
      ),
    ];
    await machine.run(["ip", "-4", "-batch", "-"], { input: `${lines.join("\n")}\n` });
  },
  async restore(machine, { key, before }) {
    if (before.link || !existsSync(placeOf(machine, `/sys/class/net/${key}`))) return;
    await remove(machine, key);
  },
  describe: (found, { link }) => ({
    from: found.link ? "there" : "absent",
    to: link ? `UDP port ${link.port}, ${link.neighbours.length} nodes` : "absent",
  }),
};

function linkOf(
  shown: Shown,
  known: readonly { dst: string; lladdr?: string }[],
): NonNullable<TunnelFound["link"]> {
  const { info_kind, info_data } = shown.linkinfo ?? {};
  const isOurs = info_kind === "vxlan" && info_data?.external === true;
  return {
    // Of another kind of interface there is no such port, so it is made anew.
    port: isOurs ? (info_data.port ?? 0) : 0,
    mac: shown.address ?? "",
    mtu: shown.mtu ?? 0,
    up: shown.flags?.includes("UP") ?? false,
    addresses: (shown.addr_info ?? []).filter(({ family }) => family === "inet").map(({ local }) => local),
    neighbours: sorted(known.map(({ dst, lladdr = "" }) => ({ address: dst, mac: lladdr }))),
  };
}

function sorted(list: TunnelLink["neighbours"]) {
  return list.toSorted((a, b) => (a.address < b.address ? -1 : 1));
}

async function add(machine: Machine, name: string, { port, mac, mtu }: TunnelLink): Promise<void> {
  const link = ["link", "add", name, "address", mac, "mtu", String(mtu)];
  await ip(machine, [...link, "type", "vxlan", "external", "dstport", String(port), "nolearning"]);
  // It carries IPv4 alone.
  await machine.run(["ip", "link", "set", "dev", name, "addrgenmode", "none"], { check: false });
}

async function remove(machine: Machine, name: string): Promise<void> {
  await ip(machine, ["link", "delete", name]);
}

async function ip(machine: Machine, words: readonly string[]): Promise<void> {
  await machine.run(["ip", ...words]);
}

async function json<T>(machine: Machine, words: readonly string[]): Promise<T[]> {
  const shown = await machine.run(["ip", ...words], { check: false }).catch(() => undefined);
  try {
    return JSON.parse(shown?.stdout || "[]") as T[];
  } catch {
    return [];
  }
}
