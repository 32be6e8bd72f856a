import { expect, test } from "bun:test";
import { EMPTY_STATE, type JoinState, type TokenRecord } from "../../../src/join/state.ts";
import { changeJoinState, forgetNode, readJoinState } from "../../../src/join/store.ts";
import { fakeKube } from "../../fake/kube.ts";
import { refusal } from "../certs/help.ts";
import { keepsSecrets, SECRET } from "./help.ts";

const DAY = 86_400_000;
const token = (id: string, expires = DAY): TokenRecord => ({
  id,
  hash: "",
  role: "worker",
  created: 0,
  expires,
  uses: 1,
  used: [],
});

function api() {
  const kube = fakeKube();
  keepsSecrets(kube);
  return kube;
}

const add = (one: TokenRecord) => ({
  now: 0,
  change: (state: JoinState) => ({
    state: { ...state, tokens: [...state.tokens, one] },
    result: state.tokens.length,
  }),
});

test("without a Secret nobody has joined, and nothing is made by looking", async () => {
  const kube = api();
  expect(await readJoinState(kube)).toEqual(EMPTY_STATE);
  expect([kube.calls, kube.objects.size]).toEqual([[], 0]);
});

test("the first change makes the Secret, the next ones change it", async () => {
  const kube = api();
  expect(await changeJoinState(kube, add(token("a")))).toBe(0);
  expect(await changeJoinState(kube, add(token("b")))).toBe(1);
  expect((await readJoinState(kube)).tokens.map(({ id }) => id)).toEqual(["a", "b"]);
  expect(kube.objects.get(SECRET)).toMatchObject({ kind: "Secret", type: "nodelet.pf9.io/join" });
});

test("two changes at the same instant are both in it, also where both would make the Secret", async () => {
  const kube = api();
  await Promise.all(["a", "b", "c"].map((id) => changeJoinState(kube, add(token(id)))));
  await Promise.all(["d", "e"].map((id) => changeJoinState(kube, add(token(id)))));
  expect((await readJoinState(kube)).tokens.map(({ id }) => id).sort()).toEqual(["a", "b", "c", "d", "e"]);
});

test("a change that throws leaves everything as it was", async () => {
  const kube = api();
  await changeJoinState(kube, add(token("a")));
  const before = structuredClone([...kube.objects]);
  const change = () => {
    throw new Error("not so");
  };
  await expect(changeJoinState(kube, { now: 0, change })).rejects.toThrow("not so");
  expect([...kube.objects]).toEqual(before);
});

test("a Secret that always changes meanwhile is given up", async () => {
  const kube = api();
  kube.answer = () => ({ status: 409, body: { metadata: { name: "" } } });
  expect(await refusal(changeJoinState(kube, add(token("a"))))).toMatchObject({
    message: "Cannot keep what is known of joining: others change it all the time, 20 times",
    hint: "try again",
  });
});

test("an API that refuses is told of", async () => {
  const kube = api();
  kube.answer = () => ({ status: 403, body: { metadata: { name: "" }, message: "forbidden" } });
  const error = await refusal(changeJoinState(kube, add(token("a"))));
  expect(error.message).toBe("Cannot keep what is known of joining: 403 forbidden");
});

test.each([
  ["nothing", undefined],
  ["no JSON", "{"],
  ["a list", "[]"],
  ["no tokens", '{"nodes":[]}'],
  ["null", "null"],
])("a Secret with %s in it is neither read nor written over", async (_what, text) => {
  const kube = api();
  const data = text === undefined ? {} : { state: Buffer.from(text).toString("base64") };
  const object = { metadata: { name: "nodelet-join", resourceVersion: "1" }, data };
  kube.objects.set(SECRET, object);
  const error = await refusal(readJoinState(kube));
  expect(error.message).toBe(
    'Cannot read the Secret "kube-system/nodelet-join": it is not what nodelet writes',
  );
  expect(error.hint).toEndWith("kubectl -n kube-system delete secret nodelet-join");
  expect((await refusal(changeJoinState(kube, add(token("a"))))).message).toBe(error.message);
  expect(kube.objects.get(SECRET)).toEqual(object);
});

test("a token is kept for a week after its end, and forgotten with the next change", async () => {
  const kube = api();
  await changeJoinState(kube, add(token("old", 0)));
  const keep = (now: number) =>
    changeJoinState(kube, { now, change: (state) => ({ state, result: state.tokens.length }) });
  expect([await keep(7 * DAY - 1), await keep(7 * DAY)]).toEqual([1, 0]);
  expect((await readJoinState(kube)).tokens).toEqual([]);
});

test("a node is forgotten once", async () => {
  const kube = api();
  const node = {
    name: "w1",
    ip: "10.0.0.6",
    role: "worker" as const,
    podCidr: "",
    machineId: "",
    key: "",
    token: "a",
    joined: 0,
  };
  await changeJoinState(kube, {
    now: 0,
    change: (state) => ({ state: { ...state, nodes: [node] }, result: undefined }),
  });
  const forget = () => forgetNode(kube, { name: "w1", now: 0 });
  expect([await forget(), await forget(), (await readJoinState(kube)).nodes]).toEqual([true, false, []]);
});

test("a node that was taken out is remembered until none of its certificates can be good", async () => {
  const kube = api();
  const removed = [{ name: "w1", key: "key-1", at: 0 }];
  const change = (state: JoinState) => ({ state, result: undefined });
  await changeJoinState(kube, { now: 0, change: (state) => change({ ...state, removed }) });
  const YEAR = 365 * 86_400_000;
  await changeJoinState(kube, { now: YEAR, change });
  expect((await readJoinState(kube)).removed).toEqual(removed);
  await changeJoinState(kube, { now: YEAR + 31 * 86_400_000, change });
  expect((await readJoinState(kube)).removed).toEqual([]);
});
