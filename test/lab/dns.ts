import type { TestNode } from "./harness.ts";

/** Asks a name server from the host, over UDP. @returns the address, or undefined when the name does not exist */
export async function resolveName(
  node: TestNode,
  query: { server: string; name: string },
): Promise<string | undefined> {
  const labels = query.name.split(".").map((label) => String.fromCharCode(label.length) + label);
  const header = Buffer.from([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  const question = Buffer.from(`${labels.join("")}\0`, "latin1");
  const packet = Buffer.concat([header, question, Buffer.from([0, 1, 0, 1])]);
  const script = `exec 3<>/dev/udp/${query.server}/53; base64 -d >&3; timeout 5 dd bs=512 count=1 status=none <&3 | base64 -w 0`;
  const reply = Buffer.from(await node.sh(script, { input: packet.toString("base64") }), "base64");
  if (reply.length < header.length) throw new Error(`${query.server} does not answer`);
  const [code, answers] = [reply.readUInt8(3) & 15, reply.readUInt16BE(6)];
  if (code === 3) return undefined;
  if (code !== 0 || answers !== 1)
    throw new Error(`${query.server} answers with code ${code}, ${answers} records`);
  // One record of type A: the address is at the end.
  return reply.subarray(-4).join(".");
}
