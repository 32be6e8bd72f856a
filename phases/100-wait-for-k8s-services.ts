import type { Ctx } from "../src/ctx.ts";
import { readRequired } from "../src/host/host.ts";
import { releaseStaleLeases } from "../src/kube/leases.ts";
import {
  answers,
  ensureKubeletClient,
  lendSchedulerRights,
  takeBackSchedulerRights,
} from "../src/kube/rights.ts";
import { revive } from "../src/kube/revive.ts";
import { isHealthy } from "../src/kube/health.ts";
import type { Phase, Say } from "../src/runner/phase.ts";
import { type Poll, until } from "../src/runner/wait.ts";
import { INPUTS } from "../static-pods/control-plane.ts";
import { controlPlaneManifest } from "./080-kubelet-configure-start.ts";

/** The control plane answers, and its own rights are in place. */
export const waitForK8sServices: Phase = {
  id: "100-wait-for-k8s-services",
  title: "Wait for k8s services and network to be up",
  roles: ["master", "worker"],
  needs: ["055-etcd-run", "080-kubelet-configure-start"],
  // An administrator's request that is answered is enough for the phases that follow. The API server says that it is ready
  // more than a second later, when it has made its own roles; it and the other components are waited for beside them.
  async start(ctx) {
    if (ctx.host.detached) return "unchanged";
    if (ctx.config.role !== "master") {
      await wait(ctx, { what: "work with the masters", poll: () => reached(ctx) });
      return "unchanged";
    }
    await wait(ctx, { what: "the API server", poll: () => serves(ctx) });
    await lendSchedulerRights(ctx.kube);
    await wait(ctx, { what: "the API server", poll: () => hasNamespace(ctx) });
    return (await ensureKubeletClient(ctx.kube)) ? "changed" : "unchanged";
  },
  async ready(ctx, say) {
    if (ctx.host.detached || ctx.config.role !== "master") return;
    await wait(ctx, { what: "the control plane", poll: () => poll(ctx), say });
    await releaseStaleLeases(ctx);
    await takeBackSchedulerRights(ctx.kube);
  },
  stop: async () => "unchanged",
  async status(ctx) {
    const isMaster = ctx.config.role === "master";
    const found = isMaster ? await poll(ctx) : await reached(ctx);
    if ("value" in found) return { state: "running" };
    // The worker's own balancer is looked at before.
    return { state: "stopped", message: found.missing, ...(!isMaster && { elsewhere: true }) };
  },
};

/** Through the balancer a worker finds a master that is ready. */
async function reached({ kube }: Ctx): Promise<Poll<true>> {
  return (await kube.ready())
    ? { value: true }
    : { missing: "no master answers through the balancer of this node" };
}

/** The API server answers, and it is not one that the kubelet is about to replace. */
async function serves(ctx: Ctx): Promise<Poll<true>> {
  const yes = (await isCurrent(ctx)) && (await answers(ctx.kube));
  return yes ? { value: true } : { missing: "kube-apiserver does not answer" };
}

/** Made by the API server itself when it has started; ours go into it. */
async function hasNamespace({ kube }: Ctx): Promise<Poll<true>> {
  const found = await kube.get("/api/v1/namespaces/kube-system");
  return found ? { value: true } : { missing: "there is no namespace kube-system yet" };
}

const podOf = ({ node }: Ctx) => `k8s-master-${node.name}`;

async function isCurrent(ctx: Ctx): Promise<boolean> {
  const wanted = inputsOf(await ctx.host.read(controlPlaneManifest(ctx)));
  if (wanted === undefined) return true;
  const found = await ctx.docker.list([
    "io.kubernetes.docker.type=podsandbox",
    `io.kubernetes.pod.name=${podOf(ctx)}`,
  ]);
  const running = found.filter((one) => one.running).map((one) => one.labels[`annotation.${INPUTS}`]);
  return running.length > 0 && running.every((inputs) => inputs === wanted);
}

/** Digest of all that the control plane is made from, in its manifest. */
function inputsOf(manifest: string | undefined): string | undefined {
  return manifest
    ?.split("\n")
    .find((line) => line.includes(`${INPUTS}: `))
    ?.split(": ")[1]
    ?.replaceAll('"', "");
}

async function wait(
  ctx: Ctx,
  details: { what: string; poll: () => Promise<Poll<true>>; say?: Say },
): Promise<void> {
  const poll = async () => {
    if (ctx.config.role === "master" && (await isCurrent(ctx))) await revive(ctx, podOf(ctx));
    return await details.poll();
  };
  await until(poll, {
    action: `start ${details.what}`,
    timeoutMs: 240_000,
    clock: ctx.clock,
    signal: ctx.signal,
    ...(details.say && { say: details.say }),
    hint: 'see the logs of the containers k8s_kube-apiserver_…: docker ps -a, docker logs; "journalctl -u pf9-kubelet"',
  });
}

async function poll(ctx: Ctx): Promise<Poll<true>> {
  const found = await Promise.all([
    ctx.kube.ready(),
    componentHealthy(ctx, 10257),
    componentHealthy(ctx, 10259),
  ]);
  const names = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"];
  const missing = names.filter((_, at) => !found[at]);
  return missing.length === 0 ? { value: true } : { missing: `${missing.join(", ")} not ready` };
}

/** Both components say on loopback, to anybody, whether they are well. */
async function componentHealthy(ctx: Ctx, port: number): Promise<boolean> {
  const ca = await readRequired(ctx.host, `${ctx.paths.certs}/ca.crt`);
  return await isHealthy(`https://127.0.0.1:${port}/healthz`, { signal: ctx.signal, ca });
}
