import { parseCertificate } from "../../certs/inspect.ts";
import { joinRequests, writeCertificates } from "../../certs/joining.ts";
import { pkiOptions } from "../../certs/options.ts";
import { ensureAll, readRequired } from "../host/host.ts";
import type { AnyWanted } from "../host/kinds/index.ts";
import { JoinClient } from "../join/client.ts";
import { JoinRefusal } from "../join/refusal.ts";
import { SECRET_FILES } from "../join/secret-files.ts";
import type { Token } from "../join/token.ts";
import { recordOf, recordText } from "./bring-up.ts";
import type { Met } from "./join-meet.ts";
import type { Session } from "./session.ts";

/** True when this host has all that masters give to a node of its role: nothing more is asked of them with a token. */
export async function isAdmitted({ ctx }: Pick<Session, "ctx">): Promise<boolean> {
  const { paths, host, config } = ctx;
  const needed = [
    paths.cluster,
    `${paths.certs}/ca.crt`,
    `${paths.certs}/kubelet-client.crt`,
    ...(config.role === "master" ? SECRET_FILES : []),
  ];
  const found = await Promise.all(needed.map((path) => host.exists(path)));
  return found.every(Boolean) && (await isInForce({ ctx }));
}

/** A node that was off for so long that its certificate has ended must show a token again. */
async function isInForce({ ctx }: Pick<Session, "ctx">): Promise<boolean> {
  const cert = parseCertificate(await ctx.host.read(`${ctx.paths.certs}/kubelet-client.crt`));
  return cert !== undefined && cert.validToDate.getTime() > ctx.clock.now();
}

/** What a host is admitted with. */
export interface Admittance {
  met: Pick<Met, "ca" | "client">;
  token: Token;
  first: boolean;
}

/**
 * Has this host admitted: its keys are made and certified, a master is given the keys of the authorities, and the node is recorded. After
 * a kill at any moment a second run, with the same token, ends at the same place.
 *
 * @param call `first`: nothing of this host is of the cluster yet, so a refusal in the middle leaves no record of it with the masters
 * @throws JoinRefusal as the master says
 */
export async function beAdmitted({ ctx }: Pick<Session, "ctx">, call: Admittance): Promise<void> {
  const { met } = call;
  const { host, paths, node, config } = ctx;
  const { dir, params } = pkiOptions(ctx);
  const role = config.role === "master" ? "master" : "worker";
  const { csrs } = await joinRequests(host, { dir, params });
  const machineId = (await readRequired(host, "/etc/machine-id")).trim();
  const { certificates, podCidr } = await met.client.join({
    name: node.name,
    ip: node.ip,
    machineId,
    role,
    csrs,
  });
  await ensureAll(host, [
    { kind: "file", path: `${dir}/ca.crt`, content: met.ca, mode: 0o644 },
    { kind: "file", path: paths.cluster, content: recordText({ ...recordOf(ctx), podCidr }), mode: 0o600 },
  ]);
  if (role === "master") await takeSecrets(ctx, { ...call, certificates });
  await writeCertificates(host, { dir, certificates });
}

/** A master is given keys only over a channel on which it has shown its new certificate. */
async function takeSecrets(
  ctx: Session["ctx"],
  { met, token, first, certificates }: Admittance & { certificates: Record<string, string> },
): Promise<void> {
  const { host, paths, node, signal } = ctx;
  const key = await readRequired(host, `${paths.certs}/kubelet-client.key`);
  const identity = { cert: certificates["kubelet-client"] ?? "", key };
  const client = new JoinClient(met.client.address, { ca: met.ca, token, identity, signal });
  const texts = await client.secrets(node.name).catch(async (error: unknown) => {
    // Why it was refused is what the operator must learn, whether or not the master can still be asked to forget it.
    if (first && error instanceof JoinRefusal && !error.passing) await client.leave().catch(() => undefined);
    throw error;
  });
  const files = SECRET_FILES.map((path): AnyWanted => {
    const content = texts[path];
    if (content === undefined) throw new Error(`the master did not send "${path}"`);
    const isPublic = path.endsWith(".crt") || path.endsWith(".pub");
    return { kind: "file", path, content, mode: isPublic ? 0o644 : 0o600, secret: !isPublic };
  });
  await ensureAll(host, [
    { kind: "dir", path: `${paths.certs}/etcd`, mode: 0o700 },
    { kind: "dir", path: paths.configs, mode: 0o700 },
    ...files,
  ]);
}
