import { readAuthorities } from "../../certs/authority.ts";
import { issueLeaf } from "../../certs/issue.ts";
import { generateKey } from "../../certs/keys.ts";
import { certificates } from "../../certs/list.ts";
import { pkiOptions } from "../../certs/options.ts";
import type { Ctx } from "../ctx.ts";

/** What a master shows to etcd and to API servers. */
const SHOWN = ["etcd/healthcheck-client", "admin"];

/**
 * A context with what a master that leaves has to show. A stop of its phases takes certificates away; its authorities stay, and issue them
 * again for this once, in memory alone.
 */
export async function withIdentity(ctx: Ctx): Promise<Ctx> {
  const issued = new Map<string, string>();
  const options = { ...pkiOptions(ctx), now: new Date(ctx.clock.now()) };
  const authorities = await readAuthorities(ctx.host, options).catch(() => []);
  for (const spec of certificates.filter(({ id }) => SHOWN.includes(id))) {
    const path = `${options.dir}/${spec.path}`;
    const { certPem, keyPem } = authorities.find((one) => one.spec.id === spec.ca) ?? {};
    if (!certPem || !keyPem || (await ctx.host.exists(`${path}.crt`))) continue;
    const key = await generateKey("ec");
    const ca = { certPem, keyPem };
    issued.set(`${path}.crt`, await issueLeaf(spec, { ...options, ca, publicPem: key.publicPem }));
    issued.set(`${path}.key`, key.privatePem);
  }
  if (issued.size === 0) return ctx;
  return {
    ...ctx,
    host: { ...ctx.host, read: async (path) => issued.get(path) ?? (await ctx.host.read(path)) },
  };
}
