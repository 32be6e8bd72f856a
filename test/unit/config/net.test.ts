import { describe, expect, test } from "bun:test";
import {
  contains,
  firstSubnet,
  formatAddress,
  formatCidr,
  nthAddress,
  overlaps,
  parseAddress,
  parseCidr,
} from "../../../src/config/net.ts";

describe("parseAddress()", () => {
  test.each([
    ["0.0.0.0", "0.0.0.0"],
    ["255.255.255.255", "255.255.255.255"],
    ["::", "::"],
    ["::1", "::1"],
    ["fd00::", "fd00::"],
    ["FD00:0:0:0:0:0:0:1", "fd00::1"],
    ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
    ["1:2:3:4:5:6:0:8", "1:2:3:4:5:6:0:8"],
    ["::ffff:10.0.0.1", "::ffff:a00:1"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
  ])("reads %s, which is written %s", (text, written) => {
    const address = parseAddress(text);
    expect(address && formatAddress(address)).toBe(written);
  });

  test.each([
    "",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.256",
    "01.2.3.4",
    "1.2.3.4 ",
    "0x1.2.3.4",
    "1..3.4",
    ":",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    "12345::",
    "g::1",
    "fe80::1%eth0",
    "[::1]",
    "::1.2.3",
    "1.2.3.4::",
  ])("refuses %p", (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });
});

describe("parseCidr()", () => {
  test.each([
    ["10.20.0.0/16", "10.20.0.0/16"],
    ["10.20.3.4/16", "10.20.0.0/16"],
    ["10.20.3.4/0", "0.0.0.0/0"],
    ["10.20.3.4/32", "10.20.3.4/32"],
    ["fd00::1/64", "fd00::/64"],
    ["fd00::1/128", "fd00::1/128"],
  ])("reads %s as %s", (text, written) => {
    const cidr = parseCidr(text);
    expect(cidr && formatCidr(cidr)).toBe(written);
  });

  test.each([
    "10.20.0.0",
    "10.20.0.0/",
    "10.20.0.0/33",
    "10.20.0.0/016",
    "10.20.0.0/-1",
    "10.20.0.0/8/8",
    "fd00::/129",
    "/8",
  ])("refuses %p", (text) => {
    expect(parseCidr(text)).toBeUndefined();
  });
});

describe("overlaps() and contains()", () => {
  test.each([
    ["10.0.0.0/8", "10.255.255.0/24", true, true],
    ["10.255.255.0/24", "10.0.0.0/8", true, false],
    ["10.0.0.0/24", "10.0.1.0/24", false, false],
    ["10.0.0.0/24", "10.0.0.0/24", true, true],
    ["0.0.0.0/0", "255.255.255.255/32", true, true],
    ["0.0.0.0/0", "::/0", false, false],
  ])("%s with %s: overlap %p, contain %p", (a, b, overlap, contain) => {
    const [left, right] = [parseCidr(a), parseCidr(b)];
    if (!left || !right) throw new Error("bad table");
    expect([overlaps(left, right), contains(left, right)]).toEqual([overlap, contain]);
  });
});

test("nthAddress() counts from the network address", () => {
  expect([0, 1, 10, 256].map((n) => nthAddress("10.21.0.0/16", n))).toEqual([
    "10.21.0.0",
    "10.21.0.1",
    "10.21.0.10",
    "10.21.1.0",
  ]);
  expect(nthAddress("fd00::/112", 10)).toBe("fd00::a");
});

test.each([
  ["10.21.0.0/28", 16],
  ["10.21.0.0/28", -1],
  ["nonsense", 1],
])("nthAddress(%p, %p) throws RangeError", (cidr, n) => {
  expect(() => nthAddress(cidr, n)).toThrow(RangeError);
});

test("firstSubnet() gives the block at the beginning", () => {
  expect(firstSubnet("10.20.0.0/16", 24)).toBe("10.20.0.0/24");
  expect(firstSubnet("10.20.0.0/24", 24)).toBe("10.20.0.0/24");
  expect(() => firstSubnet("10.20.0.0/24", 16)).toThrow("10.20.0.0/24 has no block of length /16");
  expect(() => firstSubnet("10.20.0.0/24", 33)).toThrow(RangeError);
});
