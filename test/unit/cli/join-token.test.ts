import { describe, expect, test } from "bun:test";
import type { Io } from "../../../src/cli/io.ts";
import { readToken } from "../../../src/cli/join-token.ts";
import { AppError, UsageError } from "../../../src/errors.ts";
import { tmpRoot } from "../../fake/root.ts";

const TOKEN = { id: "abc123", secret: "S".repeat(27), pin: "p".repeat(43) };
const TEXT = `${TOKEN.id}.${TOKEN.secret}.${TOKEN.pin}`;

/** What the operator sees and answers. */
function operator(answer?: string) {
  const seen: string[] = [];
  const io = {
    out: (text: string) => void seen.push(text),
    err: (text: string) => void seen.push(text),
    ask: (question: string) => {
      if (answer !== undefined) seen.push(question);
      return answer;
    },
  } as unknown as Io;
  return { io, seen };
}

function thrown(work: () => unknown): AppError {
  try {
    work();
  } catch (error) {
    if (error instanceof AppError) return error;
  }
  throw new Error("expected an AppError");
}

test("a token is read from a file", async () => {
  await using root = await tmpRoot();
  await root.write("/token", `${TEXT}\n`);
  const { io, seen } = operator();
  expect(readToken(io, { tokenFile: root.place("/token") })).toEqual(TOKEN);
  expect(seen).toEqual([]);
});

test("on the command line it works, with a warning that does not repeat it", () => {
  const { io, seen } = operator();
  expect(readToken(io, { token: TEXT })).toEqual(TOKEN);
  expect(seen).toEqual([
    "warning: a token on the command line is seen by everybody on this host; better --token-file\n",
  ]);
});

test("who can be asked is asked", () => {
  const { io, seen } = operator(` ${TEXT} `);
  expect(readToken(io, {})).toEqual(TOKEN);
  expect(seen).toEqual(["Token: "]);
});

test.each([undefined, "", "  "])("no answer (%j) is no token", (answer) => {
  expect(readToken(operator(answer).io, {})).toBeUndefined();
});

test("two are one too many, and neither is read", () => {
  const error = thrown(() => readToken(operator().io, { token: TEXT, tokenFile: "/nowhere" }));
  expect(error).toBeInstanceOf(UsageError);
  expect(error.message).toBe("Cannot take two tokens; expected --token-file or --token");
});

describe("a file that has none", () => {
  test("is not there", async () => {
    await using root = await tmpRoot();
    const path = root.place("/token");
    const error = thrown(() => readToken(operator().io, { tokenFile: path }));
    expect(error.message).toStartWith(`Cannot read the token file "${path}": ENOENT`);
    expect(error.hint).toContain("--token-file -");
  });

  test("is a directory", async () => {
    await using root = await tmpRoot();
    const error = thrown(() => readToken(operator().io, { tokenFile: root.path }));
    expect(error.message).toStartWith(`Cannot read the token file "${root.path}": EISDIR`);
  });

  test("is something else, of which nothing is shown", async () => {
    await using root = await tmpRoot();
    await root.write("/token", "root:hunter2");
    const error = thrown(() => readToken(operator().io, { tokenFile: root.place("/token") }));
    expect(error.message).toBe(
      "Cannot read the token: it has 12 characters; expected ID.SECRET.PIN with 6, 27 and 43 of them",
    );
  });

  test("has no end, and is not read to it", () => {
    const error = thrown(() => readToken(operator().io, { tokenFile: "/dev/zero" }));
    expect(error.message).toStartWith("Cannot read the token: it has 4096 characters; ");
  });
});
