import { publicKeyOf, signCsr } from "../../certs/csr.ts";
import { certificatesOf } from "../../certs/list.ts";
import { pkiOptions } from "../../certs/options.ts";
import type { Ctx } from "../ctx.ts";
import { AppError } from "../errors.ts";
import { keyIdOf } from "../join/identity.ts";
import type { Signer, SigningCall } from "../join/service.ts";

/** The certificate that a node is known by. */
const OWN = "kubelet-client";

/** Signs the requests of joining nodes with the authority that is on this master. */
export const joinSigner: Signer = {
  async keyOf(csrs) {
    const publicPem = await publicKeyOf(csrs[OWN] ?? "");
    if (publicPem === undefined)
      throw new AppError(`There is no request for "${OWN}"; expected one for each certificate of a node`);
    return keyIdOf(publicPem);
  },
  async sign(ctx, call) {
    const wanted = certificatesOf("worker");
    const unknown = Object.keys(call.csrs).find((id) => !wanted.some((spec) => spec.id === id));
    if (unknown !== undefined)
      throw new AppError(
        `A node has no certificate "${unknown}"; expected ${wanted.map(({ id }) => id).join(", ")}`,
      );
    const missing = wanted.find(({ id }) => call.csrs[id] === undefined);
    if (missing)
      throw new AppError(
        `There is no request for "${missing.id}"; expected one for each certificate of a node`,
      );
    const signed = wanted.map(async (spec) => [spec.id, await signOne(ctx, { spec, call })] as const);
    return Object.fromEntries(await Promise.all(signed));
  },
};

async function signOne(
  ctx: Ctx,
  { spec, call }: { spec: ReturnType<typeof certificatesOf>[number]; call: SigningCall },
): Promise<string> {
  const base = `${ctx.paths.certs}/${spec.ca}`;
  const [certPem, keyPem] = await Promise.all([ctx.host.read(`${base}.crt`), ctx.host.read(`${base}.key`)]);
  if (certPem === undefined || keyPem === undefined) {
    throw new AppError(`This master has no key of the authority "${spec.ca}"`, {
      hint: "join at a master that has it; with an authority elsewhere see nodelet certs csr",
    });
  }
  // Name and address of the node that asks, everything else of the cluster.
  const params = { ...pkiOptions(ctx).params, nodeName: call.name, nodeIp: call.ip };
  return await signCsr(call.csrs[spec.id] ?? "", {
    spec,
    params,
    ca: { certPem, keyPem },
    now: new Date(ctx.clock.now()),
  });
}
