import { expect, test } from "bun:test";
import { parsePeers, peersText } from "../../src/peers.ts";

test("peers that are written are read again", () => {
  const peers = [
    { name: "n2", ip: "10.0.0.6", master: true, podCidr: "10.20.1.0/24" },
    { name: "n3.example.com", ip: "10.0.0.7", master: false },
  ];
  expect(parsePeers(peersText(peers))).toEqual(peers);
});

test.each([
  ["a name with a line break", { name: "n2\n  server evil", ip: "10.0.0.6", master: true }],
  ["a name with capitals", { name: "N2", ip: "10.0.0.6", master: true }],
  ["no name", { ip: "10.0.0.6", master: true }],
  ["an address that is none", { name: "n2", ip: "10.0.0.6:1 check", master: true }],
  ["an address of another family", { name: "n2", ip: "fd00::1", master: true }],
  ["no role", { name: "n2", ip: "10.0.0.6" }],
])("a peer with %s is nobody", (_, peer) => {
  expect(parsePeers(JSON.stringify([peer]))).toEqual([]);
});
