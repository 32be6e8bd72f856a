import { describe, expect, test } from "bun:test";
import { podResolver } from "../../../src/kube/resolver.ts";

const STUB = "# systemd-resolved\nnameserver 127.0.0.53\noptions edns0 trust-ad\nsearch .\n";

/** What pods get on a host with these files. */
const resolverOf = (host?: string, behind?: string) => {
  const files = new Map([
    ["/etc/resolv.conf", host],
    ["/run/systemd/resolve/resolv.conf", behind],
  ]);
  return podResolver({ read: async (path) => files.get(path) });
};

describe("podResolver()", () => {
  test("is the host's file where it names a server that others reach", async () => {
    expect(await resolverOf("search lan\nnameserver 10.0.0.2\n", "nameserver 10.0.0.3\n")).toBe(
      "/etc/resolv.conf",
    );
    expect(await resolverOf("nameserver 127.0.0.1\n\tnameserver fd00::2\n")).toBe("/etc/resolv.conf");
  });

  test("is what systemd-resolved asks where the host asks only itself", async () => {
    expect(await resolverOf(STUB, "nameserver 10.0.0.3\n")).toBe("/run/systemd/resolve/resolv.conf");
  });

  test.each([
    ["there is no file", undefined, undefined],
    ["the file is empty", "", undefined],
    ["nobody but the host reaches its server", STUB, undefined],
    ["nobody but the host reaches its server, and systemd-resolved has none", STUB, "search .\n"],
    ["the only server is IPv6's loopback", "nameserver ::1\n", undefined],
    ["the server is in a comment", "# nameserver 10.0.0.2\n;nameserver 10.0.0.2\n", undefined],
  ])("is none where %s", async (_, host, behind) => {
    expect(await resolverOf(host, behind)).toBe("");
  });
});
