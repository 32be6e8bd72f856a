import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Cache } from "../../scripts/lib/cache.ts";
import { unpackPackages } from "../../scripts/stack/packages.ts";
import { SUITE } from "../../scripts/stack/pins.ts";
import type { TestNode } from "./harness.ts";

/** nft, and the libraries of it that a minimal Debian has not. */
const PACKAGES = [
  ...["libbsd0", "libedit2", "libgmp10", "libjansson4", "libmd0", "libmnl0"],
  ...["libnftables1", "libnftnl11", "libxtables12", "nftables"],
];
const PLACE = "/usr/local/lib/nft";

/** Gives a host nft, which Debian installs by default: as copies, since a lab host reaches no package. */
export async function bringNft(node: TestNode): Promise<void> {
  const key = { recipe: 1, SUITE, PACKAGES };
  const { dir } = await Cache.standard().cached({ name: "lab-nft", key }, async ({ work, out }) => {
    const tree = join(work, "tree");
    await mkdir(tree);
    await unpackPackages(PACKAGES, work, tree);
    await cp(join(tree, "usr/lib/x86_64-linux-gnu"), out, { recursive: true, verbatimSymlinks: true });
    await cp(join(tree, "usr/sbin/nft"), join(out, "nft"));
  });
  await node.host.copyIn(dir, PLACE);
  const start = `#!/bin/sh\nLD_LIBRARY_PATH=${PLACE} exec ${PLACE}/nft "$@"\n`;
  await node.sh("cat >/usr/local/sbin/nft && chmod 755 /usr/local/sbin/nft", { input: start });
}
