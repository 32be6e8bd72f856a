import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { followRoutes } from "../../../src/daemon/routes.ts";
import { fakeClock } from "../../fake/clock.ts";
import { tmpRoot } from "../../fake/root.ts";

const HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
const row = (name: string, [to, via, mask]: [string, string, string]) =>
  `${name}\t${to}\t${via}\t0001\t0\t0\t0\t${mask}\t0\t0\t0\n`;
/** 10.89.0.0/24, the node's own network. */
const OWN = row("eth0", ["0000590A", "00000000", "00FFFFFF"]);
/** 10.20.1.0/24 by 10.89.0.12, to pods of another node. */
const PODS = row("eth0", ["0001140A", "0C00590A", "00FFFFFF"]);
/** 0.0.0.0/0 by 192.168.0.1. */
const DEFAULT = row("eth1", ["00000000", "0100A8C0", "00000000"]);

/** Follows tables that come one after the other. @returns whether it rang, for each but the first */
async function rings(tables: string[], ip: string | undefined = "10.89.0.11"): Promise<boolean[]> {
  await using root = await tmpRoot();
  const table = root.place("/route");
  const end = new AbortController();
  const clock = fakeClock();
  const rang = tables.slice(1).map(() => false);
  let at = 0;
  writeFileSync(table, HEAD + tables[0]);
  clock.onSleep = () => {
    at += 1;
    if (at === tables.length - 1) end.abort();
    writeFileSync(table, HEAD + tables[at]);
  };
  const poke = () => void (rang[at - 1] = true);
  await followRoutes({ poke }, { table, ip: () => ip, clock, signal: end.signal });
  return rang;
}

test("it rings once when a route goes, and once when it is back", async () => {
  expect(await rings([OWN + PODS, OWN, OWN, OWN + PODS, OWN + PODS])).toEqual([true, false, true, false]);
});

test("it is silent when the cable is pulled, and rings when it is plugged in", async () => {
  expect(await rings([DEFAULT + OWN + PODS, DEFAULT, "", DEFAULT, DEFAULT + OWN])).toEqual([
    false,
    false,
    false,
    true,
  ]);
});

test("it is silent while nobody knows the node", async () => {
  expect(await rings([OWN, OWN + PODS], "")).toEqual([false]);
});
