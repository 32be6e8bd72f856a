import { settleMember } from "../../../src/etcd/member.ts";
import type { Ways } from "../../../src/etcd/own.ts";
import { peersText } from "../../../src/peers.ts";
import type { Ctx } from "../../../src/ctx.ts";
import { paths } from "../../../src/paths.ts";
import { world, type World } from "../../fake/ctx.ts";
import { type FakeEtcd, fakeEtcd } from "../../fake/etcd.ts";

/** Where a member's data shows. */
export const WAL = "/var/opt/pf9/etcd/data/member/wal";

/** A master `n1` at 10.0.0.5 that joins `m1` and more, and the cluster that it joins. */
export interface Joining extends AsyncDisposable {
  w: World;
  /** Its context: it came by join. */
  ctx: Ctx;
  etcd: FakeEtcd;
  /** What it said while it waited. */
  said: string[];
  /** Does what phase 055 does before it starts the container. */
  settle(ways?: Partial<Ways>): Promise<"changed" | "unchanged">;
}

/** Makes both. Its container, once started, makes the member of its address run; ending it ends the member. */
export async function joining(others: readonly string[] = ["m1"]): Promise<Joining> {
  const w = await world();
  const etcd = fakeEtcd();
  const masters = others.map((name, at) => ({ name, ip: `10.0.0.${at + 11}`, master: true }));
  for (const { name, ip } of masters) etcd.voter(name, ip);
  await w.root.write(paths.peers, peersText(masters));
  const ctx = { ...w.ctx, node: { ...w.ctx.node, joined: true } };
  const said: string[] = [];
  linkContainer(w, etcd);
  return {
    w,
    ctx,
    etcd,
    said,
    settle: (ways) =>
      settleMember(ctx, {
        ways: { etcd: etcd.client(), accepts: etcd.accepts, ...ways },
        say: (line) => void (said.at(-1) !== line && said.push(line)),
      }),
    [Symbol.asyncDispose]: () => w[Symbol.asyncDispose](),
  };
}

function linkContainer(w: World, etcd: FakeEtcd): void {
  const { docker } = w.machine;
  const { start, remove } = docker;
  const own = () => etcd.members.find(({ peerUrls }) => peerUrls.includes("https://10.0.0.5:2380"));
  docker.start = async (name) => {
    await start(name);
    await w.root.write(WAL, "data");
    const member = own();
    if (member) Object.assign(member, { name: "n1", clientUrls: ["https://10.0.0.5:2379"], up: true });
  };
  docker.remove = async (name) => {
    await remove(name);
    const member = own();
    if (member) member.up = false;
  };
  // Time brings the learner its data.
  w.clock.onSleep = () => {
    const member = own();
    if (member?.up) member.index = Math.min(etcd.index, member.index + 40);
  };
}

/** What is recorded of the member. */
export async function recordOf({ w }: Joining): Promise<Record<string, unknown> | undefined> {
  const text = await w.root.read(paths.etcdMember);
  return text === undefined ? undefined : (JSON.parse(text) as Record<string, unknown>);
}
