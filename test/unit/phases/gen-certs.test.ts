import { describe, expect, test } from "bun:test";
import { genCerts } from "../../../phases/020-gen-certs.ts";
import { paths } from "../../../src/paths.ts";
import { world } from "../../fake/ctx.ts";

describe("status of the certificates", () => {
  test.each([
    ["ca.crt", true],
    ["etcd/ca.crt", true],
    ["apiserver.crt", undefined],
  ])("with a broken %s says whether stopping anything could help", async (name, elsewhere) => {
    await using w = await world();
    await genCerts.start(w.ctx);
    expect(await genCerts.status?.(w.ctx)).toEqual({ state: "running" });
    await w.root.write(`${paths.certs}/${name}`, "not a certificate");
    const found = await genCerts.status?.(w.ctx);
    expect(found).toMatchObject({ state: "failed" });
    expect(found?.elsewhere).toBe(elsewhere as never);
  });
});
