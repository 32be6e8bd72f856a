import type { Host } from "../../src/host/host.ts";
import type { Journal } from "../../src/host/journal.ts";
import { claims, kinds } from "../../src/host/kinds/index.ts";
import type { Machine } from "../../src/host/machine.ts";
import { realHost } from "../../src/host/real.ts";

/**
 * The real host of a fake machine that stands for a running one: units, containers and kernel settings are brought to
 * the wanted state although its files are below another root.
 */
export function attachedHost(machine: Machine, { journal }: { journal: Journal }): Host {
  return {
    ...realHost(machine, { journal }),
    detached: false,
    async ensure(wanted) {
      const kind = kinds[wanted.kind];
      const key = kind.key(wanted);
      const before = await kind.read(machine, wanted);
      const claim = claims.has(wanted.kind);
      if (!claim && kind.same(before, wanted)) return "unchanged";
      journal.add({ kind: wanted.kind, key, before });
      if (claim) return "unchanged";
      await kind.apply(machine, wanted);
      return "changed";
    },
  };
}
