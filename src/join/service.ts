import type { z } from "zod";
import { sharedConfig } from "../config/shared.ts";
import type { Ctx } from "../ctx.ts";
import { AppError, messageOf } from "../errors.ts";
import { readRequired } from "../host/host.ts";
import { nodePath } from "../kube/node.ts";
import { otherMasters, type Peer, withMasters } from "../peers.ts";
import { wayOutOf } from "../etcd/quorum.ts";
import { admit, type Candidate, judgeToken, type Presented } from "./admit.ts";
import { clusterNodes, knownNodes, peersOf } from "./cluster-nodes.ts";
import { IDENTITY_HEADER, provenNode } from "./identity.ts";
import { listsMaster } from "./listed.ts";
import * as protocol from "./protocol.ts";
import { routes } from "./protocol.ts";
import { reachable } from "../host/port.ts";
import { JoinRefusal } from "./refusal.ts";
import { registerNode } from "./register.ts";
import { refuseReserved } from "./reserved.ts";
import { seal } from "./seal.ts";
import { SECRET_FILES } from "./secret-files.ts";
import type { NodeRecord, NodeRole, TokenRecord } from "./state.ts";
import { changeJoinState, forgetNode, readJoinState } from "./store.ts";

/** Certificate requests of a node, and what they are signed as. */
export interface SigningCall {
  csrs: Readonly<Record<string, string>>;
  name: string;
  ip: string;
}

/** Signs requests of nodes; where keys of authorities are known. */
export interface Signer {
  /** Reads the requests. @returns id of the key that the node will be known by @throws AppError naming what is wrong with them */
  keyOf(csrs: Readonly<Record<string, string>>): Promise<string>;
  /** @returns certificates by id @throws AppError naming what a request asks for that it may not have */
  sign(ctx: Ctx, call: SigningCall): Promise<Record<string, string>>;
}

/** What the service is made of. */
export interface ServiceParts {
  /** The master as it is now; undefined while it is not known. */
  ctx: () => Ctx | undefined;
  signer: Signer;
  /** The version of this program. */
  version: string;
  /** Told of what was done, for the log. */
  note: (words: string) => void;
  /** Digest of the index of the bundle that this master is made from. */
  bundle: () => Promise<string>;
  /** The masters whose members of etcd do not answer; none where etcd cannot be asked. */
  silentVoters: (ctx: Ctx) => Promise<Peer[]>;
}

/** A request, whatever it came over. */
export interface JoinCall {
  method: string;
  path: string;
  header(name: string): string | undefined;
  body: string;
  /** Address that it came from. */
  from: string;
  /** The TLS library has verified a certificate of the cluster that the client showed. */
  verified: boolean;
}

/** Who may have the bundle, and be answered at all. */
export type Caller = { token: TokenRecord; presented: Presented } | { node: NodeRecord };

/** Answers what joiners ask of a master. Every refusal is a {@linkcode JoinRefusal}; nothing is changed before all is judged. */
export class JoinService {
  readonly #parts: ServiceParts;

  constructor(parts: ServiceParts) {
    this.#parts = parts;
  }

  /** Answers a request with what is sent as JSON. @throws JoinRefusal */
  async answer(call: JoinCall): Promise<object> {
    const ctx = this.#ctx();
    switch (`${call.method} ${call.path}`) {
      case `GET ${routes.ca}`:
        return { ca: await authority(ctx) };
      case `POST ${routes.hello}`:
        return await this.#hello(ctx, call);
      case `POST ${routes.join}`:
        return await this.#join(ctx, call);
      case `POST ${routes.secrets}`:
        return await this.#secrets(ctx, call);
      case `POST ${routes.node}`:
        return await this.#node(ctx, call);
      case `POST ${routes.leave}`:
        return await this.#leave(ctx, call);
      case `POST ${routes.listed}`:
        return await this.#listed(ctx, call);
      case `POST ${routes.renew}`:
        return await this.#renew(ctx, call);
      default:
        throw new JoinRefusal("BadRequest", `There is no ${call.method} ${call.path}`);
    }
  }

  /** Who is asking: with a token, or as a node. @throws JoinRefusal for everybody else */
  async caller(call: JoinCall): Promise<Caller> {
    const ctx = this.#ctx();
    if (call.header("authorization") === undefined) return { node: await this.#member(ctx, call) };
    const presented = presentedIn(call);
    const token = judgeToken(await readJoinState(ctx.kube), { presented, now: ctx.clock.now() });
    return { token, presented };
  }

  #ctx(): Ctx {
    const ctx = this.#parts.ctx();
    if (ctx?.config.role === "master") return ctx;
    throw new JoinRefusal("NotReady", "This master is not ready to let nodes join", {
      hint: "try again in a minute",
    });
  }

  async #hello(ctx: Ctx, call: JoinCall): Promise<protocol.HelloAnswer> {
    const asked = parse(protocol.helloRequest, call.body);
    const presented = presentedIn(call);
    const now = ctx.clock.now();
    const state = await readJoinState(ctx.kube);
    const { role } = judgeToken(state, { presented, now });
    const { name, ip, machineId, key = "" } = asked;
    const candidate = { name, ip, machineId, key, from: call.from };
    // Judged as if it joined now, so that a host learns before its first change why it may not.
    refuseReserved(ctx, { candidate, role });
    const known = await knownNodes(ctx, candidate);
    admit(state, { presented, role, candidate, known, now, blocks: blocksOf(ctx) });
    await this.#refuseWithoutVoters(ctx, { candidate, role });
    // Only the host itself may have its ports tried: nobody looks around in this network through a master.
    const ports = asked.ip === call.from ? asked.ports : [];
    const [nodes, reached, bundle] = await Promise.all([
      clusterNodes(ctx),
      reachable(asked.ip, ports),
      this.#parts.bundle(),
    ]);
    return {
      version: this.#parts.version,
      role,
      clusterId: ctx.node.clusterId,
      now: ctx.clock.now(),
      // A master without a Node is one all the same.
      peers: withMasters(peersOf(nodes, ctx), await otherMasters(ctx)),
      config: sharedConfig(ctx.config),
      reached,
      bundle,
      seenAs: call.from,
    };
  }

  async #join(ctx: Ctx, call: JoinCall): Promise<protocol.JoinAnswer> {
    const { csrs, name, ip, machineId, role } = parse(protocol.joinRequest, call.body);
    const presented = presentedIn(call);
    const now = ctx.clock.now();
    judgeToken(await readJoinState(ctx.kube), { presented, now });
    refuseReserved(ctx, { candidate: { name, ip }, role });
    await this.#refuseWithoutVoters(ctx, { candidate: { name, ip }, role });
    const { signer } = this.#parts;
    // Signed before it is admitted: a request that asks for what it may not have leaves nothing behind.
    const [key, certificates] = await badRequests(async () => [
      await signer.keyOf(csrs),
      await signer.sign(ctx, { csrs, name, ip }),
    ]);
    const candidate = { name, ip, machineId, key, from: call.from };
    const known = await knownNodes(ctx, candidate);
    const node = await changeJoinState(ctx.kube, {
      now,
      change: (state) => {
        const admitted = admit(state, { presented, role, candidate, known, now, blocks: blocksOf(ctx) });
        return { state: admitted.state, result: admitted.node };
      },
    });
    this.#parts.note(`join: ${role} "${name}" (${ip}) was admitted with the token ${presented.id}`);
    return { certificates, podCidr: node.podCidr };
  }

  /** Without one of its voters etcd takes no new one, but in the place of that one: the join would end halfway. */
  async #refuseWithoutVoters(
    ctx: Ctx,
    { candidate, role }: { candidate: Pick<Candidate, "name" | "ip">; role: NodeRole },
  ): Promise<void> {
    if (role !== "master") return;
    const silent = await this.#parts.silentVoters(ctx);
    const down = silent.filter(({ name, ip }) => name !== candidate.name && ip !== candidate.ip);
    if (down.length === 0) return;
    const names = down.map(({ name }) => name);
    const who = down.map(({ name, ip }) => `"${name}" (${ip})`).join(", ");
    throw new JoinRefusal(
      "MasterDown",
      `etcd lets no new master in while ${who} ${down.length === 1 ? "does" : "do"} not answer`,
      { hint: wayOutOf(names) },
    );
  }

  async #secrets(ctx: Ctx, call: JoinCall): Promise<object> {
    const presented = presentedIn(call);
    const node = await this.#member(ctx, call);
    const token = judgeToken(await readJoinState(ctx.kube), { presented, now: ctx.clock.now() });
    if (node.role !== "master" || token.role !== "master" || node.token !== token.id) {
      throw new JoinRefusal(
        "NotAMaster",
        `The node "${node.name}" did not come as a master with this token`,
        {
          hint: "make a token for it on a master: nodelet token create --role master",
        },
      );
    }
    const texts = await Promise.all(
      SECRET_FILES.map(async (path) => [path, await readRequired(ctx.host, path)]),
    );
    this.#parts.note(`join: master "${node.name}" was given the keys of the authorities`);
    return seal(JSON.stringify(Object.fromEntries(texts)), { secret: presented.secret, about: node.name });
  }

  async #node(ctx: Ctx, call: JoinCall): Promise<object> {
    const record = await this.#member(ctx, call);
    const wanted = parse(protocol.nodeRequest, call.body);
    await registerNode(ctx, { record, wanted });
    return {};
  }

  /** A worker goes. A master does that for itself: it has more to take along. */
  async #leave(ctx: Ctx, call: JoinCall): Promise<object> {
    const { name } = await this.#member(ctx, call);
    const { status, body } = await ctx.kube.request("DELETE", nodePath({ node: { name } }));
    if (status >= 300 && status !== 404)
      throw new AppError(`Cannot delete the node "${name}": ${status} ${body.message ?? ""}`);
    await forgetNode(ctx.kube, { name, now: ctx.clock.now() });
    this.#parts.note(`join: "${name}" has left the cluster`);
    return {};
  }

  async #listed(ctx: Ctx, call: JoinCall): Promise<z.output<typeof protocol.listedAnswer>> {
    const { ip } = await this.#member(ctx, call);
    return { listed: await listsMaster(ctx, ip) };
  }

  async #renew(ctx: Ctx, call: JoinCall): Promise<object> {
    const record = await this.#member(ctx, call);
    const { csrs } = parse(protocol.renewRequest, call.body);
    const { signer } = this.#parts;
    const { name, ip } = record;
    const [key, certificates] = await badRequests(async () => [
      await signer.keyOf(csrs),
      await signer.sign(ctx, { csrs, name, ip }),
    ]);
    if (key !== record.key) {
      throw new JoinRefusal(
        "BadCertificateRequest",
        `The request of "${name}" is for another key than its own`,
        {
          hint: "undo the node and join again: nodelet reset, then nodelet join",
        },
      );
    }
    this.#parts.note(`join: certificates of "${name}" were renewed`);
    return { certificates };
  }

  /** The node that asks, proven twice: to the TLS library, and by its signature. */
  async #member(ctx: Ctx, call: JoinCall): Promise<NodeRecord> {
    const { method, path, body } = call;
    const header = call.header(IDENTITY_HEADER) ?? "";
    const ca = await authority(ctx);
    const proven = provenNode(header, { request: { method, path, body }, ca, now: ctx.clock.now() });
    if (!call.verified || !proven) {
      throw new JoinRefusal("NotProven", "This needs the certificate of a node of this cluster", {
        hint: "look whether the clocks agree; or join with a token: nodelet token create on a master",
      });
    }
    const { nodes, removed } = await readJoinState(ctx.kube);
    const record = nodes.find(({ name }) => name === proven.name);
    if (record?.key === proven.key) return record;
    // A node stops itself for good when it is told that it was taken out: that must be known, not concluded from a list that was lost.
    if (!record && !removed.some(({ key }) => key === proven.key)) {
      throw new JoinRefusal("NodeUnknown", `The masters know nothing of the node "${proven.name}"`, {
        hint: "undo it and join again: nodelet reset, then nodelet join",
      });
    }
    throw new JoinRefusal(
      "NotAMember",
      `The node "${proven.name}" was removed from this cluster, or joined again elsewhere`,
      {
        hint: "undo it and join again: nodelet reset, then nodelet join",
      },
    );
  }
}

const blocksOf = ({ config: { containersCidr, nodeCidrMask } }: Ctx) => ({ containersCidr, nodeCidrMask });

const authority = (ctx: Ctx) => readRequired(ctx.host, `${ctx.paths.certs}/ca.crt`);

/** The token in a request. @throws JoinRefusal when there is none */
function presentedIn(call: JoinCall): Presented {
  const [, id, secret] =
    /^Bearer ([a-z0-9]{6})\.([A-Za-z0-9_-]{27})$/.exec(call.header("authorization") ?? "") ?? [];
  if (id !== undefined && secret !== undefined) return { id, secret };
  throw new JoinRefusal("TokenUnknown", "There is no token with the request", {
    hint: "make one on a master: nodelet token create",
  });
}

function parse<S extends z.ZodType>(schema: S, body: string): z.output<S> {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw new JoinRefusal("BadRequest", "The request is not JSON");
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new JoinRefusal(
    "BadRequest",
    `The request has a bad ${issue?.path.join(".") || "form"}: ${issue?.message ?? ""}`,
  );
}

/** What is wrong with certificate requests is told to who made them. */
async function badRequests<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new JoinRefusal("BadCertificateRequest", messageOf(error));
  }
}
