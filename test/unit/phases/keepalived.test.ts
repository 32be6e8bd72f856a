import { describe, expect, test } from "bun:test";
import { unlink } from "node:fs/promises";
import { keepalivedStart } from "../../../phases/180-configure-start-keepalived.ts";
import { undoAll } from "../../../src/host/undo.ts";
import { paths } from "../../../src/paths.ts";
import { peersText } from "../../../src/peers.ts";
import { fakeIndex, imageEntry } from "../../fake/bundle.ts";
import { world } from "../../fake/ctx.ts";
import { furnish } from "./help.ts";

const VIP = "10.0.0.99";
const CONF = `${paths.keepalived}/keepalived.conf`;
const index = fakeIndex([imageEntry("keepalived")]);

/** A master on a machine whose interface eth0 has addresses. */
async function master(config: object = { masterVip: VIP, masterVipInterface: "eth0" }) {
  const w = await world({ config: { ...config }, index });
  await furnish(w);
  const { docker, programs } = w.machine;
  docker.ends.set("keepalived-check", 0);
  const addresses = new Set<string>();
  programs.set("ip", (argv) => {
    if (argv.includes("del")) addresses.delete(argv[3] ?? "");
    return { stdout: argv.includes("show") && addresses.has(argv.at(-1) ?? "") ? "2: eth0\n" : "" };
  });
  return Object.assign(w, { addresses, started: () => [...docker.containers.keys()] });
}

describe("the phase of keepalived", () => {
  test("does nothing where the masters have no address in common", async () => {
    await using w = await master({});
    expect(await keepalivedStart.start(w.ctx)).toBe("unchanged");
    expect(w.started()).toEqual([]);
    expect(await keepalivedStart.status?.(w.ctx)).toEqual({ state: "running", message: "not configured" });
  });

  test("a master that has joined asks the others before the first start, and not while it runs", async () => {
    await using w = await master();
    const joined = { ...w.ctx, node: { ...w.ctx.node, joined: true } };
    const over = { ...joined, signal: AbortSignal.abort() };
    await expect(keepalivedStart.start(over)).rejects.toThrow(
      "Interrupted: did not become known to the other masters",
    );
    expect(w.started()).toEqual([]);
    await w.root.write(paths.keepalivedListed, "");
    expect(await keepalivedStart.start(joined)).toBe("changed");
    await unlink(w.root.place(paths.keepalivedListed));
    expect(await keepalivedStart.start(over)).toBe("unchanged");
    expect(w.started()).toEqual(["keepalived"]);
  });

  test("plans what it would change, and changes nothing", async () => {
    await using w = await master();
    const before = await w.root.snapshot();
    await keepalivedStart.start(w.dry);
    expect(w.plan.map(({ kind, key }) => `${kind} ${key}`)).toEqual(
      expect.arrayContaining([`file ${CONF}`, "container keepalived"]),
    );
    expect(await w.root.snapshot()).toEqual(before);
    expect(w.machine.docker.calls).toEqual([]);
  });

  test("starts it, and started again changes nothing", async () => {
    await using w = await master();
    expect(await keepalivedStart.status?.(w.ctx)).toMatchObject({ state: "stopped" });
    expect(await keepalivedStart.start(w.ctx)).toBe("changed");
    expect(await keepalivedStart.status?.(w.ctx)).toEqual({ state: "running" });
    w.machine.docker.calls.length = 0;
    expect(await keepalivedStart.start(w.ctx)).toBe("unchanged");
    expect(w.machine.docker.calls).toEqual([]);
  });

  test("knows the other masters, and no workers", async () => {
    await using w = await master();
    await keepalivedStart.start(w.ctx);
    const peers = [
      { name: "n2", ip: "10.0.0.6", master: true },
      { name: "n3", ip: "10.0.0.7", master: false },
    ];
    await w.root.write(paths.peers, peersText(peers));
    expect(await keepalivedStart.status?.(w.ctx)).toMatchObject({ state: "failed" });
    await keepalivedStart.start(w.ctx);
    expect(await keepalivedStart.status?.(w.ctx)).toEqual({ state: "running" });
    const text = (await w.root.read(CONF)) ?? "";
    expect(text).toContain("    10.0.0.6 min_ttl 255");
    expect(text).not.toContain("10.0.0.7");
    expect(w.machine.docker.calls).toContain("SIGHUP keepalived");
  });

  test("keeps to its word about a configuration that keepalived refuses, from the first one on", async () => {
    await using w = await master();
    w.machine.docker.ends.set("keepalived-check", 5);
    const words = "(Line 24) WARNING - interface eth0 for vrrp_instance masters doesn't exist";
    w.machine.docker.output.set("keepalived-check", `${words}\n`);
    await expect(keepalivedStart.start(w.ctx)).rejects.toThrow(
      `Cannot use the new configuration "${CONF}": it is refused: ${words}`,
    );
    expect(w.started()).toEqual([]);
    expect(await w.root.read(CONF)).toBeUndefined();
  });

  test("stopped it leaves no address behind, though keepalived was killed", async () => {
    await using w = await master();
    await keepalivedStart.start(w.ctx);
    w.addresses.add(`${VIP}/32`);
    expect(await keepalivedStart.stop(w.ctx, () => {})).toBe("changed");
    expect([...w.addresses]).toEqual([]);
    expect(w.started()).toEqual([]);
    expect(await keepalivedStart.stop(w.ctx, () => {})).toBe("unchanged");
  });

  test("the configuration without the address removes what the one before made", async () => {
    await using w = await master();
    await keepalivedStart.start(w.ctx);
    w.addresses.add(`${VIP}/32`);
    const { masterVip: _1, masterVipInterface: _2, ...config } = w.ctx.config;
    const without = { ...w.ctx, config: config as never };
    expect(await keepalivedStart.status?.(without)).toMatchObject({ state: "failed" });
    expect(await keepalivedStart.start(without)).toBe("changed");
    expect([w.started(), [...w.addresses]]).toEqual([[], []]);
    expect(await keepalivedStart.status?.(without)).toMatchObject({ message: "not configured" });
  });

  test("undo takes back the container, its files and the address", async () => {
    await using w = await master();
    const before = await w.root.snapshot();
    await keepalivedStart.start(w.ctx);
    w.addresses.add(`${VIP}/32`);
    expect((await undoAll(w.machine, { records: w.journal.records() })).failures).toEqual([]);
    w.journal.discard();
    expect([w.started(), [...w.addresses]]).toEqual([[], []]);
    const after = await w.root.snapshot();
    const other = (name: string) => !name.startsWith("var/opt/pf9/nodelet") && before[name] !== after[name];
    expect(Object.keys({ ...before, ...after }).filter(other)).toEqual([]);
  });

  test("an address that the host had before nodelet is not taken from it", async () => {
    await using w = await master();
    w.addresses.add(`${VIP}/32`);
    await keepalivedStart.start(w.ctx);
    await undoAll(w.machine, { records: w.journal.records() });
    expect([...w.addresses]).toEqual([`${VIP}/32`]);
  });

  test("waits until it runs, and says what it waits for", async () => {
    await using w = await master();
    await expect(keepalivedStart.ready?.(w.ctx, () => {})).rejects.toThrow(
      "Cannot start keepalived within 60 s: the container keepalived is not there",
    );
    await keepalivedStart.start(w.ctx);
    await keepalivedStart.ready?.(w.ctx, () => {});
  });
});
