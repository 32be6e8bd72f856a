import { beforeAll, describe, expect, test } from "bun:test";
import { certificatesOf } from "../../../certs/list.ts";
import { dueCertificates } from "../../../certs/renewal.ts";
import { DAY, DIR, type Files, ISSUED, issuedFiles, params, pkiRoot, snapshot } from "./help.ts";

let issued: Files;
beforeAll(async () => {
  issued = await issuedFiles();
}, 60_000);

const OF_EVERY_NODE = certificatesOf("worker").map(({ id }) => id);
const after = (days: number) => new Date(ISSUED.getTime() + days * DAY);
const options = (now: Date) => ({ dir: DIR, role: "master" as const, params, now });

describe("the certificates of every node", () => {
  test("are due in their last quarter, and not before", async () => {
    await using node = await pkiRoot(issued);
    expect(await dueCertificates(node.host, options(after(270)))).toEqual([]);
    expect(await dueCertificates(node.host, options(after(280)))).toEqual(OF_EVERY_NODE);
  });

  test("are renewed then where their authority is, with all others as they were", async () => {
    await using node = await pkiRoot(issued);
    const before = await snapshot(node);
    const { issued: renewed } = await node.ensure({ now: after(280) });
    expect(renewed).toEqual(OF_EVERY_NODE);
    const now = await snapshot(node);
    const changed = Object.keys(now).filter((name) => now[name] !== before[name] && name.endsWith(".crt"));
    expect(changed.sort()).toEqual(OF_EVERY_NODE.map((id) => `${id}.crt`).sort());
    expect(await dueCertificates(node.host, options(after(280)))).toEqual([]);
  });

  test("are left as they are where the key of their authority is elsewhere", async () => {
    await using node = await pkiRoot(issued);
    await node.remove("ca.key");
    expect(await node.ensure({ now: after(280) })).toMatchObject({ outcome: "unchanged", issued: [] });
  });

  test("are not renewed over and over when their authority ends as soon as they do", async () => {
    await using node = await pkiRoot(issued);
    const late = after(3650 - 40);
    await node.ensure({ now: late });
    expect(await dueCertificates(node.host, options(late))).toEqual([]);
  });
});
