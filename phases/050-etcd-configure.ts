import { ensureAll } from "../src/host/host.ts";
import type { Phase } from "../src/runner/phase.ts";

/** The place of etcd's data, for root's eyes only. */
export const etcdConfigure: Phase = {
  id: "050-etcd-configure",
  title: "Configure etcd",
  roles: ["master"],
  needs: [],
  start: (ctx) =>
    ensureAll(ctx.host, [
      { kind: "tree", path: ctx.config.etcdDataDir },
      { kind: "dir", path: ctx.config.etcdDataDir, mode: 0o700 },
    ]),
  // The data is the cluster: only reset removes it.
  stop: async () => "unchanged",
};
