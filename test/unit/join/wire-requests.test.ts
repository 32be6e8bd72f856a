import { describe, expect, test } from "bun:test";
import { connect } from "node:tls";
import { routes } from "../../../src/join/protocol.ts";
import { joiner, refused } from "./help.ts";
import { HELLO, identityOf, type Listening, listening, refusedWithoutTrace } from "./wire-help.ts";

describe("the bundle", () => {
  const ask = (l: Listening, headers: Record<string, string>) =>
    fetch(`https://127.0.0.1:${l.address.port}${routes.bundle}`, { headers, tls: { ca: l.m.ca } });

  test("is for who has a token", async () => {
    await using l = await listening();
    const { id, secret } = await l.m.token();
    expect((await ask(l, { authorization: `Bearer ${id}.${secret}` })).status).toBe(200);
  });

  test.each([
    ["nobody", undefined, 403],
    ["a wrong token", `Bearer nobody.${"x".repeat(27)}`, 401],
    ["no token at all", "Bearer ", 401],
    ["another scheme", "Basic eDp5", 401],
  ])("is not for %s", async (_who, authorization, status) => {
    await using l = await listening();
    const response = await ask(l, authorization === undefined ? {} : { authorization });
    expect({ status: response.status, served: l.bundles }).toEqual({ status, served: [] });
  });
});

describe("what is no proper request", () => {
  test("a body that is too large is not read to its end", async () => {
    await using l = await listening();
    const token = await l.m.token();
    const host = { ...(await joiner("w1")).body, csrs: { "kube-proxy": "x".repeat(70_000) } };
    expect(await refusedWithoutTrace(l, () => l.client({ token }).join(host))).toEqual({
      code: "BadRequest",
      message: "Cannot join: The request has more than 65536 bytes",
    });
  });

  test.each([
    ["no JSON", "{", "The request is not JSON"],
    ["nothing", "", "The request is not JSON"],
    ["a list", "[]", "The request has a bad form: "],
    ["a name with capitals", JSON.stringify({ ...HELLO, name: "W1" }), "The request has a bad name: "],
    ["a bad address", JSON.stringify({ ...HELLO, ip: "10.0.0.256" }), "The request has a bad ip: "],
    [
      "too many ports",
      JSON.stringify({ ...HELLO, ports: Array(17).fill(22) }),
      "The request has a bad ports: ",
    ],
    ["a bad machine-id", JSON.stringify({ ...HELLO, machineId: "x" }), "The request has a bad machineId: "],
  ])("%s", async (_what, body, words) => {
    await using l = await listening();
    const before = await l.m.everything();
    const response = await fetch(`https://127.0.0.1:${l.address.port}${routes.hello}`, {
      method: "POST",
      body,
      tls: { ca: l.m.ca },
    });
    const answer = (await response.json()) as { message: string };
    expect(response.status).toBe(400);
    expect(answer.message).toStartWith(words);
    expect(await l.m.everything()).toEqual(before);
  });

  test("what a master does not do", async () => {
    await using l = await listening();
    const response = await fetch(`https://127.0.0.1:${l.address.port}/v1/ca?x`, { tls: { ca: l.m.ca } });
    expect(await response.json()).toEqual({ code: "BadRequest", message: "There is no GET /v1/ca?x" });
  });
});

test("who guesses secrets is not answered any more, and after a minute again", async () => {
  await using l = await listening();
  const token = await l.m.token();
  const guessed = l.client({ token: { ...token, secret: "x".repeat(27) } });
  const codes: string[] = [];
  for (let tries = 0; tries < 12; tries++) codes.push((await refused(guessed.hello(HELLO))).code);
  expect(codes).toEqual([...Array<string>(10).fill("TokenUnknown"), "TooManyAttempts", "TooManyAttempts"]);
  const { message, status } = await refused(l.client({ token }).hello(HELLO));
  expect({ message, status }).toEqual({
    message: "Cannot join: Too many refused attempts from 127.0.0.1",
    status: 429,
  });
  await l.m.clock.sleep(60_000);
  expect((await l.client({ token }).hello(HELLO)).role).toBe("worker");
});

test("a node is answered whatever is guessed from its address", async () => {
  await using l = await listening();
  const token = await l.m.token();
  const host = await joiner("w1");
  const { certificates } = await l.client({ token }).join(host.body);
  const guessed = l.client({ token: { ...token, secret: "x".repeat(27) } });
  for (let tries = 0; tries < 11; tries++) await refused(guessed.hello(HELLO));
  expect((await refused(guessed.hello(HELLO))).code).toBe("TooManyAttempts");
  const node = l.client({ identity: identityOf(host, certificates) });
  const renewed = await node.renew({ ip: host.body.ip, csrs: host.body.csrs });
  expect(Object.keys(renewed)).toEqual(Object.keys(certificates));
});

test("a master whose API is away says so without details, and tells them here", async () => {
  await using l = await listening();
  const token = await l.m.token();
  l.m.w.kube.up = false;
  const error = await refused(l.client({ token }).hello(HELLO));
  expect({ code: error.code, message: error.message, hint: error.hint }).toEqual({
    code: "NotReady",
    message: "Cannot join: The master cannot answer: its cluster does not",
    hint: "see nodelet status on the master, and try again",
  });
  expect(l.told).toEqual(["join: Cannot reach the API server"]);
});

test("a client that speaks no TLS 1.2 is not talked to", async () => {
  await using l = await listening();
  const { port } = l.address;
  const ended = await new Promise<string>((resolve) => {
    const socket = connect({
      host: "127.0.0.1",
      port,
      maxVersion: "TLSv1.1",
      minVersion: "TLSv1",
      rejectUnauthorized: false,
    });
    socket.once("secureConnect", () => resolve("talked to"));
    socket.once("error", () => resolve("refused"));
  });
  expect(ended).toBe("refused");
});

describe("a new master, while a master is down", () => {
  const down = { name: "m3", ip: "10.0.0.7", master: true };
  const words =
    'Cannot join: etcd lets no new master in while "m3" (10.0.0.7) does not answer; bring it up; if it is gone for good, on a master: nodelet node remove m3';

  test("is refused before anything is changed, with the way out, and its token stays good", async () => {
    await using l = await listening();
    l.m.silent.push(down);
    const token = await l.m.token({ role: "master" });
    const host = await joiner("m4", { role: "master" });
    const client = l.client({ token });
    const asks = [() => client.hello({ ...HELLO, name: "m4" }), () => client.join(host.body)];
    for (const ask of asks) {
      const { code, message, hint } = await refused(ask());
      expect({ code, words: `${message}; ${hint}` }).toEqual({ code: "MasterDown", words });
      expect(await refusedWithoutTrace(l, ask)).toMatchObject({ code: "MasterDown" });
    }
    l.m.silent.length = 0;
    expect((await client.hello({ ...HELLO, name: "m4" })).role).toBe("master");
  });

  test.each([
    ["takes its place under its name", { name: "m3" }],
    ["takes its place at its address", { name: "m4", ip: "10.0.0.7" }],
  ])("%s", async (_what, host) => {
    await using l = await listening();
    l.m.silent.push(down);
    const token = await l.m.token({ role: "master" });
    expect((await l.client({ token }).hello({ ...HELLO, ...host })).role).toBe("master");
  });

  test("is no reason to refuse a worker", async () => {
    await using l = await listening();
    l.m.silent.push(down);
    expect((await l.client({ token: await l.m.token() }).hello(HELLO)).role).toBe("worker");
  });
});
