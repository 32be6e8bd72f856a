import { describe, expect, test } from "bun:test";
import { type MemberLook, quorumOf, quorumText, whyNotRemove } from "../../../src/etcd/quorum.ts";

/** `+` is a voter that is well, `-` one that is down, `l` a learner; the id is the place. */
const membersOf = (pattern: string): MemberLook[] =>
  [...pattern].map((sign, at) => ({
    id: String(at),
    name: `m${at}`,
    peerUrls: [],
    clientUrls: [],
    learner: sign === "l",
    status: undefined,
    well: sign !== "-",
  }));

describe("how many may fail", () => {
  test.each([
    ["+", "1 voter, 1 well; none may fail"],
    ["++", "2 voters, 2 well; none may fail"],
    ["+++", "3 voters, 3 well; 1 may fail"],
    ["++-", "3 voters, 2 well; none may fail"],
    ["+--", "3 voters, 1 well; no majority: 2 are needed"],
    ["+++++", "5 voters, 5 well; 2 may fail"],
    ["++++-", "5 voters, 4 well; 1 may fail"],
    ["++l", "2 voters, 2 well; none may fail"],
  ])("%s: %s", (pattern, text) => {
    expect(quorumText(quorumOf(membersOf(pattern)))).toBe(text);
  });
});

describe("the first member may go", () => {
  test.each(["++", "-++", "+++", "-++-+", "l+"])("from %s", (pattern) => {
    expect(whyNotRemove(membersOf(pattern), "0")).toBeUndefined();
  });
});

describe("the first member may not go", () => {
  test.each([
    ["+", "it is the last one with a vote"],
    ["+l", "it is the last one with a vote"],
    ["+-", "after it 1 voter, of which 0 are well: no quorum"],
    ["++-", "after it 2 voters, of which 1 is well: no quorum"],
    ["+++--", "after it 4 voters, of which 2 are well: no quorum"],
  ])("from %s: %s", (pattern, why) => {
    expect(whyNotRemove(membersOf(pattern), "0")).toBe(why);
  });
});
