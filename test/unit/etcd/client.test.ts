import { describe, expect, test } from "bun:test";
import { etcdClient, type EtcdClient } from "../../../src/etcd/client.ts";
import { etcdHealth } from "../../../src/etcd/health.ts";
import { paths } from "../../../src/paths.ts";
import { world, type World } from "../../fake/ctx.ts";
import { fakeFetch } from "../../fake/fetch.ts";

const A = "https://10.0.0.11:2379";
const B = "https://10.0.0.12:2379";

async function clientOf(w: World, endpoints = [A, B]): Promise<EtcdClient> {
  for (const name of ["ca.crt", "healthcheck-client.crt", "healthcheck-client.key"])
    await w.root.write(`${paths.certs}/etcd/${name}`, name, 0o600);
  return etcdClient(w.ctx, endpoints);
}

const refuse = (message: string, code: number) =>
  Response.json({ error: message, message, code }, { status: 500 });

/** As etcd 3.4 writes it. */
const LIST = {
  header: { cluster_id: "7" },
  members: [
    { ID: "8087966564688051054", name: "m1", peerURLs: ["https://10.0.0.11:2380"], clientURLs: [A] },
    { ID: "502946561587299469", peerURLs: ["https://10.0.0.5:2380"], isLearner: true },
  ],
};

describe("reading", () => {
  test("takes the first who has a majority behind him, with ids in full", async () => {
    await using w = await world();
    using _http = fakeFetch((url) => {
      if (url.startsWith(A)) return refuse("etcdserver: request timed out", 14);
      return Response.json(url.endsWith("/member/list") ? LIST : {});
    });
    expect(await (await clientOf(w)).members()).toEqual([
      {
        id: "8087966564688051054",
        name: "m1",
        peerUrls: ["https://10.0.0.11:2380"],
        clientUrls: [A],
        learner: false,
      },
      {
        id: "502946561587299469",
        name: "",
        peerUrls: ["https://10.0.0.5:2380"],
        clientUrls: [],
        learner: true,
      },
    ]);
  });

  test("tells what each one said when nobody has", async () => {
    await using w = await world();
    using _http = fakeFetch((url) => (url.startsWith(A) ? refuse("etcdserver: no leader", 14) : undefined));
    await expect((await clientOf(w)).members()).rejects.toThrow(
      'No etcd member answers with a majority behind it: etcd at "10.0.0.11:2379" refused kv/range: no leader; etcd at "10.0.0.12:2379" does not answer: ConnectionRefused',
    );
  });

  test("tells of a certificate that is missing, not of silence", async () => {
    await using w = await world();
    await expect(etcdClient(w.ctx, [A]).members()).rejects.toThrow(
      'Cannot read "/etc/pf9/kube.d/certs/etcd/',
    );
  });

  test("a member's state has numbers, and no leader where there is none", async () => {
    await using w = await world();
    const answer = { header: { member_id: "5" }, version: "3.4.23", raftIndex: "812", dbSize: "4096" };
    using _http = fakeFetch(() => Response.json(answer));
    expect(await (await clientOf(w)).status(A)).toEqual({
      id: "5",
      version: "3.4.23",
      leader: undefined,
      raftIndex: 812,
      appliedIndex: 0,
      dbSize: 4096,
      dbSizeInUse: 0,
      learner: false,
      errors: [],
    });
  });

  test.each([
    ["1", A],
    ["0", undefined],
  ])("a connection that counts %s is %p", async (count, expected) => {
    await using w = await world();
    const text = `# HELP x\netcd_network_active_peers{Local="703e",Remote="6fad33ba86a448d"} ${count}\n`;
    using _http = fakeFetch(() => new Response(text));
    expect(await (await clientOf(w)).connectedWith("502946561587299469")).toBe(expected);
  });
});

test("a member without a vote says so when its health is asked", async () => {
  await using w = await world();
  await clientOf(w);
  using _http = fakeFetch((url) =>
    url.endsWith("/health")
      ? Response.json({ health: "true" })
      : refuse("etcdserver: rpc not supported for learner", 14),
  );
  expect(await etcdHealth(w.ctx.host, { port: 2379, signal: w.ctx.signal })).toEqual({
    missing: "etcd is a learner, without a vote",
  });
});

describe("writing", () => {
  test("goes to the next one when one does not answer, or has no vote", async () => {
    await using w = await world();
    using http = fakeFetch((url) => {
      if (url.startsWith(A)) return refuse("etcdserver: rpc not supported for learner", 14);
      return Response.json({ header: { cluster_id: "7" }, member: { ID: "9" } });
    });
    expect(await (await clientOf(w)).addLearner("https://10.0.0.5:2380")).toEqual({
      id: "9",
      clusterId: "7",
    });
    expect(http.asked).toEqual([`${A}/v3/cluster/member/add`, `${B}/v3/cluster/member/add`]);
  });

  test("asks first who has just answered a read", async () => {
    await using w = await world();
    using http = fakeFetch((url) => {
      if (url.startsWith(A)) return undefined;
      return Response.json(url.endsWith("/member/list") ? LIST : { ID: "1" });
    });
    const client = await clientOf(w);
    await client.members();
    http.asked.length = 0;
    await client.remove("5");
    expect(http.asked).toEqual([`${B}/v3/cluster/member/remove`]);
  });

  test("does not wait again for one that was silent", async () => {
    await using w = await world();
    using http = fakeFetch((url) => (url.startsWith(A) ? undefined : Response.json({ ID: "1" })));
    const client = await clientOf(w);
    await client.grant(15);
    await client.grant(15);
    const grant = "/v3/lease/grant";
    expect(http.asked).toEqual([`${A}${grant}`, `${B}${grant}`, `${B}${grant}`]);
  });

  test("asks one that was silent when nobody else answers any more", async () => {
    await using w = await world();
    let silent = A;
    using _http = fakeFetch((url) => (url.startsWith(silent) ? undefined : Response.json({ ID: "1" })));
    const client = await clientOf(w);
    await client.grant(15);
    silent = B;
    expect(await client.grant(15)).toBe("1");
  });

  test("ends at a refusal, in etcd's words", async () => {
    await using w = await world();
    using http = fakeFetch(() => refuse("etcdserver: unhealthy cluster", 14));
    await expect((await clientOf(w)).remove("5")).rejects.toMatchObject({
      message: 'etcd at "10.0.0.11:2379" refused cluster/member/remove: unhealthy cluster',
      reason: "refused",
    });
    expect(http.asked.length).toBe(1);
  });

  test("a key that is taken is told with who has it", async () => {
    await using w = await world();
    const kvs = [{ value: Buffer.from("m2").toString("base64"), lease: "77" }];
    using _http = fakeFetch(() => Response.json({ responses: [{ response_range: { kvs } }] }));
    expect(await (await clientOf(w)).claim("k", { value: "n1", lease: "1" })).toEqual({
      value: "m2",
      lease: "77",
    });
  });

  test("a lease whose time is over is not alive any more", async () => {
    await using w = await world();
    using _http = fakeFetch(() => Response.json({ result: { ID: "1" } }));
    expect(await (await clientOf(w)).keepAlive("1")).toBe(false);
  });

  test("after Ctrl-C only the farewell is sent", async () => {
    await using w = await world();
    const client = await clientOf(w);
    using http = fakeFetch(() => Response.json({}));
    w.abort();
    await expect(client.members()).rejects.toThrow("Interrupted");
    await client.revoke("1");
    expect(http.asked).toEqual([`${A}/v3/lease/revoke`]);
  });
});
