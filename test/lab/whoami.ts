import { createSocket } from "node:dgram";

const ANSWER_MS = 2_000;

/** Types of records of DNS. */
const A = 1;

/**
 * Asks CoreDNS' plugin `whoami` which address the question came from.
 *
 * @see https://coredns.io/plugins/whoami/
 */
function ask(address: string, port: number): Promise<string> {
  const header = Buffer.from([7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  const name = Buffer.from("\x06whoami\x00", "latin1");
  return new Promise((resolve, reject) => {
    const socket = createSocket("udp4");
    const late = setTimeout(() => {
      socket.close();
      reject(new Error(`${address} does not answer within ${ANSWER_MS / 1000} s`));
    }, ANSWER_MS);
    socket.on("message", (answer) => {
      clearTimeout(late);
      socket.close();
      resolve(firstAddress(answer, header.length + name.length + 4));
    });
    socket.send(Buffer.concat([header, name, Buffer.from([0, A, 0, 1])]), port, address);
  });
}

/** The address of the first record that has one. @param at where the records begin */
function firstAddress(answer: Buffer, at: number): string {
  while (at < answer.length) {
    // A name is a chain of words, or two bytes that say where it stands already.
    while (answer[at] !== 0 && (answer[at] ?? 0) < 0xc0) at += 1 + (answer[at] ?? 0);
    at += answer[at] === 0 ? 1 : 2;
    const type = answer.readUInt16BE(at);
    const length = answer.readUInt16BE(at + 8);
    at += 10 + length;
    if (type === A) return answer.subarray(at - length, at).join(".");
  }
  throw new Error("the answer has no address in it");
}

// In the network of a pod or a host, which have no such program: bun test/lab/whoami.ts ADDRESS PORT
if (import.meta.main) {
  const [address = "", port = ""] = process.argv.slice(2);
  process.stdout.write(`${await ask(address, Number(port))}\n`);
}
