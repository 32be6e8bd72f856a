import type { TestNode } from "./harness.ts";

/** What a host said last: the log of nodelet's phases, and the journal of its daemon. */
const LAST_WORDS = `
tail -n 12 /var/log/pf9/kube/kube.log 2>/dev/null
journalctl -q -o cat -n 8 -u pf9-nodeletd 2>/dev/null
docker ps -a --format '{{.Names}}: {{.Status}}' 2>/dev/null | grep -v '^k8s_' | head -8
true`;

/** Knows whether a test of a story has failed, and what is to be done with the hosts after it. */
export interface Watch {
  /** Does a part of the story; when it fails, its hosts (default: all) say their last words before the error goes on. */
  part<T>(work: () => Promise<T>, of?: readonly TestNode[]): Promise<T>;
  /** Removes the hosts. KEEP=failure leaves them up when a part failed, KEEP=always in any case, and it is said how to remove them. */
  end(): Promise<void>;
}

/** @param hosts the hosts that there are at the moment */
export function watchHosts(hosts: () => readonly TestNode[]): Watch {
  let failed = false;
  return {
    async part(work, of) {
      try {
        return await work();
      } catch (error) {
        failed = true;
        for (const host of of ?? hosts()) await lastWords(host);
        throw error;
      }
    },
    async end() {
      const keep = process.env["KEEP"];
      if (keep === "always" || (keep === "failure" && failed)) {
        for (const { name } of hosts())
          process.stderr.write(`kept ${name}; remove it with: bun scripts/lab.ts rm ${name}\n`);
        return;
      }
      for (const host of hosts()) await host[Symbol.asyncDispose]();
    },
  };
}

/** A machine that runs the tests for somebody else is gone afterwards: what its hosts knew must be in the output. */
async function lastWords(node: TestNode): Promise<void> {
  const said = await node.host
    .exec(["bash", "-c", `PATH=$PATH:/opt/pf9/bin; ${LAST_WORDS}`], { timeoutMs: 10_000 })
    .then(({ stdout, stderr }) => stdout + stderr)
    .catch(String);
  const lines = said.trimEnd().split("\n");
  process.stderr.write(
    `last words of ${node.name}:\n${lines.map((line) => `  ${line.slice(0, 300)}\n`).join("")}`,
  );
}
