// The node's address is lost and comes back, by a hand and by a cable: the daemon lives through it, says what is wrong, and
// puts the node right.
import { describe, expect } from "bun:test";
import { caDigest } from "../lab/faults.ts";
import { initNode, story, type TestNode, waitUntil } from "../lab/harness.ts";
import { comesBack, daemonLife, eventsSince, keepData, lookEvery, say } from "../lab/power.ts";

const IP = "10.88.0.95";
const DEADLINE_MS = 180_000;

/** The address goes with the routes over it. */
const LOSE = `
dev=$(ip -o -4 addr show to ${IP} | awk '{print $2}')
ip -o -4 addr show to ${IP} | awk '{print $4}' >/dev/shm/address
ip -4 route show default >/dev/shm/route
echo $dev >/dev/shm/device
ip addr del $(cat /dev/shm/address) dev $dev`;
const GIVE_BACK = `
ip addr add $(cat /dev/shm/address) dev $(cat /dev/shm/device)
[ ! -s /dev/shm/route ] || ip route replace $(cat /dev/shm/route)`;

describe("the node's address is lost", () => {
  const { step } = story({ name: "net1", ip: IP }, async (node) => {
    // Nothing rings when an address goes: nothing can be done until it is back.
    await lookEvery(node, 10);
    await initNode(node);
  });

  const losses = [
    {
      name: "the address is taken away",
      lose: (node: TestNode) => node.sh(LOSE),
      back: (node: TestNode) => node.sh(GIVE_BACK),
    },
    {
      name: "the cable is pulled",
      lose: (node: TestNode) => node.host.disconnect(),
      back: (node: TestNode) => node.host.connect(),
    },
  ];
  for (const { name, lose, back } of losses) {
    step(`${name}: the daemon says what is wrong, and the node is well when it is back`, async (node) => {
      const [life, ca, isKept] = [await daemonLife(node), await caDigest(node), await keepData(node, name)];
      const lost = Date.now();
      await lose(node);
      const words = await waitUntil(
        async () => (await eventsSince(node, lost)).find((what) => what.startsWith("check failed: ")),
        { what: "the daemon to say what is wrong", deadlineMs: DEADLINE_MS },
      );
      say(`${name}: noticed after ${((Date.now() - lost) / 1000).toFixed(1)} s: ${words}`);
      const since = Date.now();
      await back(node);
      await comesBack(node, { what: name, since });
      expect(await daemonLife(node)).toBe(life);
      expect(await caDigest(node)).toBe(ca);
      await isKept();
    });
  }
});
