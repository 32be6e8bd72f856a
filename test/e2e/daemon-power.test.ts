// The power fails, at any moment of init and on a healthy node: the node comes up by itself, and loses nothing that it
// said was written.
import { describe, expect } from "bun:test";
import { caDigest } from "../lab/faults.ts";
import { initNode, BUNDLE, story, type TestNode } from "../lab/harness.ts";
import { comesBack, cutPower, isInstalled, say, seconds, seededRandom } from "../lab/power.ts";

const random = seededRandom("power cuts");

/** About as long as an init takes, in milliseconds. */
const INIT_MS = 15_000;
const MOMENTS = 5;
const CUTS = 3;
const CERTS = "/etc/pf9/kube.d/certs";

for (let at = 0; at < MOMENTS; at++) {
  // Spread over the run, each anywhere within its part of it.
  const moment = ((at + random()) * INIT_MS) / MOMENTS;
  describe(`a power cut ${seconds(moment)} after the begin of init`, () => {
    const { step } = story({ name: `pow1-${at + 1}`, ip: `10.88.0.${91 + at}` });
    step("ends in a healthy node with the same CA", async (node) => {
      const running = await node.spawnNodelet(["init", "--bundle", BUNDLE]);
      await Promise.race([Bun.sleep(moment), running.exited]);
      const ca = await node.sh(`[ ! -s ${CERTS}/ca.crt ] || sha256sum <${CERTS}/ca.crt | cut -d' ' -f1`);
      const since = await cutPower(node);
      // 1 where Docker was gone a moment before the program itself was.
      expect([0, 1, 137]).toContain(await running.exited);
      const alone = await isInstalled(node);
      if (!alone) await initNode(node);
      const found = `CA ${ca ? "made" : "not made"}, ${alone ? "came up by itself" : "init run again"}`;
      const what = `power cut ${seconds(moment)} after the begin of init (${found})`;
      await comesBack(node, { what, since, watchNode: true });
      if (ca) expect(await caDigest(node)).toBe(ca);
    });
  });
}

describe("a power cut of a healthy node", () => {
  const { step } = story({ name: "pow2", ip: "10.88.0.96" }, async (node) => {
    await initNode(node);
  });

  for (let cut = 1; cut <= CUTS; cut++) {
    const least = 50 + Math.floor(random() * 200);
    step(`loses no acknowledged write, and the node is Ready again by itself: cut ${cut}`, async (node) => {
      const ca = await caDigest(node);
      const acknowledged = await writeUntil(node, { cut, least });
      const since = Date.now();
      await node.host.start();
      await comesBack(node, { what: `power cut ${cut} of a healthy node`, since, watchNode: true });
      const list = await node.get(`configmaps -l cut=${cut}`);
      const found = new Set(list.items.map(({ metadata }: { metadata: { name: string } }) => metadata.name));
      say(`power cut ${cut}: ${acknowledged.length} writes acknowledged, ${found.size} found`);
      expect(acknowledged.filter((name) => !found.has(name))).toEqual([]);
      expect(await caDigest(node)).toBe(ca);
    });
  }
});

/** Writes through the API as fast as it answers, and says the name of each object once it is there. `$1` is the cut. */
const WRITER = `
url=https://127.0.0.1:6443/api/v1/namespaces/default/configmaps n=0
while n=$((n + 1)); do
  name=cut-$1-$n
  code=$(curl -s -o /dev/null -w '%{http_code}' --cacert ${CERTS}/ca.crt --cert ${CERTS}/admin.crt --key ${CERTS}/admin.key \\
    -H 'Content-Type: application/json' -d "{\\"metadata\\":{\\"name\\":\\"$name\\",\\"labels\\":{\\"cut\\":\\"$1\\"}}}" $url)
  [ "$code" = 201 ] && echo $name
done`;

/**
 * Has a client write, pulls the plug after some writes while it goes on, and gives what was acknowledged by then: that was
 * read on this side, where the cut loses nothing.
 */
async function writeUntil(node: TestNode, { cut, least }: { cut: number; least: number }): Promise<string[]> {
  const writer = await node.host.spawn(["bash", "-c", WRITER, "bash", String(cut)]);
  let count = 0;
  for await (const _ of writer.lines) if (++count >= least) break;
  await node.host.kill();
  await writer.exited;
  const names = writer
    .output()
    .split("\n")
    .filter((line) => line.startsWith(`cut-${cut}-`));
  expect(names.length).toBeGreaterThanOrEqual(least);
  return names;
}
