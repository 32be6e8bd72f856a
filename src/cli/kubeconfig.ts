import { readRequired } from "../host/host.ts";
import { ExitCode } from "../errors.ts";
import { renderKubeconfig } from "../kube/kubeconfig.ts";
import type { Io } from "./io.ts";
import { type GlobalOptions, openSession } from "./session.ts";

/** `nodelet kubeconfig`: the administrator's access, usable from another machine. */
export async function kubeconfig(
  io: Io,
  { options, signal }: { options: GlobalOptions & { server?: string }; signal: AbortSignal },
): Promise<number> {
  const { ctx } = await openSession({ options, io, signal, purpose: "look", withoutSitePhases: true });
  const read = (name: string) => readRequired(ctx.host, `${ctx.paths.certs}/${name}`);
  const [ca, cert, key] = await Promise.all([read("ca.crt"), read("admin.crt"), read("admin.key")]);
  const server = options.server ?? `https://${ctx.node.masterIp}:${ctx.config.apiPort}`;
  io.out(renderKubeconfig({ server, user: "admin", ca, cert, key }));
  return ExitCode.ok;
}
