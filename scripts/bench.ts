// The figures of the README: nodelet beside kubeadm of the same build, the appliance on bare hosts, and how both heal.
import { join } from "node:path";
import { parseArgs } from "node:util";
import { makeAppliance } from "./appliance.ts";
import { assembleStack } from "./assemble.ts";
import { measureBare } from "./benchmark/bare.ts";
import { measureBoth } from "./benchmark/compare.ts";
import { measureHealing } from "./benchmark/heal.ts";
import { measureJoin } from "./benchmark/join.ts";
import { healableNode, healablePeer } from "./benchmark/prepare.ts";
import { buildProgram } from "./build.ts";
import { Cache } from "./lib/cache.ts";
import { requireRoot, runScript } from "./lib/progress.ts";

const HELP = `Usage: scripts/bench [--rounds N] [--bare | --join | --heal [--idle S]]

Measures nodelet beside kubeadm on lab hosts, and the appliance on bare ones, and prints tables in Markdown: medians,
spread, ratios. Figures count only when the machine has nothing else to do.
  --rounds N   how often each is measured (default: 5)
  --bare       only the appliance on bare hosts
  --join       only how nodes join
  --heal       instead: how long both take to be well again, and what nodeletd takes when idle
  --idle S     with --heal: seconds of idleness (default: 600)
`;

await runScript(async () => {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "5" },
      bare: { type: "boolean", default: false },
      join: { type: "boolean", default: false },
      heal: { type: "boolean", default: false },
      idle: { type: "string", default: "600" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return void process.stdout.write(HELP);
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`Cannot measure "${values.rounds}" rounds; expected 1 or more`);
  if ([values.bare, values.join, values.heal].filter(Boolean).length > 1)
    throw new Error("Cannot measure --bare, --join and --heal at once; expected one of them");
  requireRoot("measure on lab hosts");
  const cache = Cache.standard();
  const { bytes } = await buildProgram();
  await assembleStack({ out: join(import.meta.dir, "../dist/stack"), cache });
  await makeAppliance(cache);
  const print = (text: string) => process.stdout.write(text);
  if (values.heal) {
    const nodes = { ours: healableNode, theirs: healablePeer };
    return void print(await measureHealing({ rounds, idleSeconds: Number(values.idle), ...nodes }));
  }
  if (values.join) return void print(await measureJoin({ rounds }));
  if (!values.bare) print(`${await measureBoth({ rounds, exeMb: bytes / 1e6 })}\n`);
  print(`${await measureBare({ rounds })}\n`);
  if (!values.bare) print(await measureJoin({ rounds }));
});
