import { describe, expect, test } from "bun:test";
import { mkdir, open, symlink, writeFile } from "node:fs/promises";
import { listTar, TAR_END, tarHeader, tarPadding } from "../../../src/bundle/tar.ts";
import { tarOf } from "../../fake/stack.ts";
import { type TmpRoot, tmpRoot } from "../../fake/root.ts";
import { refusal } from "./world.ts";

async function list(path: string) {
  await using handle = await open(path, "r");
  return await listTar({ handle, path });
}

async function run(root: TmpRoot, argv: string[]): Promise<string> {
  const child = Bun.spawn(argv, { cwd: root.path, stdout: "pipe", stderr: "inherit" });
  expect(await child.exited).toBe(0);
  return await new Response(child.stdout).text();
}

describe("what tarHeader() makes", () => {
  test("is what tar reads", async () => {
    await using root = await tmpRoot();
    const content = Buffer.from("content");
    const archive = [
      tarHeader("dir/a", 7),
      content,
      tarPadding(7),
      tarHeader("b", 0),
      tarPadding(0),
      TAR_END,
    ];
    await writeFile(root.place("/x.tar"), Buffer.concat(archive));
    expect(await run(root, ["tar", "-tvf", "x.tar", "--utc", "--full-time", "--numeric-owner"])).toBe(
      "-rw-r--r-- 0/0               7 1970-01-01 00:00:00 dir/a\n-rw-r--r-- 0/0               0 1970-01-01 00:00:00 b\n",
    );
    expect(await run(root, ["tar", "-xOf", "x.tar", "dir/a"])).toBe("content");
    expect(await list(root.place("/x.tar"))).toEqual([
      { name: "dir/a", offset: 512, size: 7 },
      { name: "b", offset: 1536, size: 0 },
    ]);
  });

  test("is padded to whole blocks", () => {
    expect([0, 1, 511, 512, 513].map((size) => tarPadding(size).length)).toEqual([0, 511, 1, 0, 511]);
  });

  test("has room for more than 8 GiB", () => {
    const header = Buffer.from(tarHeader("big", 3 * 2 ** 33));
    expect([header[124], header.readBigUInt64BE(128)]).toEqual([0x80, BigInt(3 * 2 ** 33)]);
    expect(Buffer.from(tarHeader("big", 2 ** 33 - 1)).toString("latin1", 124, 135)).toBe("77777777777");
  });
});

describe("listTar()", () => {
  test.each(["ustar", "gnu", "pax"])("reads what tar writes in the format %s", async (format) => {
    await using root = await tmpRoot();
    const long = `${"d".repeat(60)}/${"f".repeat(60)}`;
    await mkdir(root.place(`/in/${"d".repeat(60)}`), { recursive: true });
    await writeFile(root.place(`/in/${long}`), "long");
    await writeFile(root.place("/in/short"), "x".repeat(1000));
    await symlink("short", root.place("/in/link"));
    await run(root, ["tar", `--format=${format}`, "--sort=name", "-C", "in", "-cf", "x.tar", "."]);
    const found = await list(root.place("/x.tar"));
    expect(found.map(({ name, size, link }) => ({ name, size, link }))).toEqual([
      { name: long, size: 4, link: undefined },
      { name: "link", size: 0, link: "short" },
      { name: "short", size: 1000, link: undefined },
    ]);
  });

  test("a size that a member before says stands over that of the header", async () => {
    await using root = await tmpRoot();
    const said = tarOf([{ name: "PaxHeader", content: Buffer.from("10 size=5\n") }]).subarray(0, 1024);
    said[156] = "x".charCodeAt(0);
    said.write("        ", 148);
    const sum = said.subarray(0, 512).reduce((total, byte) => total + byte, 0);
    said.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    const member = tarOf([{ name: "a" }]);
    const content = Buffer.alloc(512, "hello");
    await writeFile(
      root.place("/x"),
      Buffer.concat([said, member.subarray(0, 512), content, Buffer.alloc(1024)]),
    );
    expect(await list(root.place("/x"))).toEqual([{ name: "a", offset: 1536, size: 5 }]);
  });

  test.each([
    ["a text", Buffer.alloc(600, "text"), 0],
    [
      "an archive that ends in a member",
      tarOf([{ name: "a", content: Buffer.alloc(600) }]).subarray(0, 1000),
      0,
    ],
    ["a changed header", tarOf([{ name: "a" }, { name: "b" }]).fill("x", 600, 601), 512],
  ])("refuses %s", async (_, bytes, at) => {
    await using root = await tmpRoot();
    const path = root.place("/x.tar");
    await writeFile(path, bytes);
    expect(await refusal(() => list(path), path)).toBe(
      `Cannot read the image archive "FILE": there is no whole tar member at byte ${at}; save the image again`,
    );
  });

  test("refuses a size that is no number", async () => {
    await using root = await tmpRoot();
    const path = root.place("/x.tar");
    const bytes = tarOf([{ name: "a" }]);
    bytes.write("zzzzzzzzzzz", 124);
    bytes.write("        ", 148);
    bytes.write(
      `${bytes
        .subarray(0, 512)
        .reduce((total, byte) => total + byte, 0)
        .toString(8)
        .padStart(6, "0")}\0 `,
      148,
    );
    await writeFile(path, bytes);
    expect(await refusal(() => list(path), path)).toContain("there is no whole tar member at byte 0");
  });
});
