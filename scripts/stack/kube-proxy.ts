import { rm, symlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { placeProgram, writeImage } from "./docker-archive.ts";
import { imageArtefact, reference } from "./artefacts.ts";
import { KUBERNETES_SOURCE, kubernetesPrograms } from "./kubernetes.ts";
import { collectLicences, licenceArtefacts } from "./licences.ts";
import { describePackages, librariesOf, unpackPackages } from "./packages.ts";
import { KUBE_PROXY_PACKAGES, KUBERNETES } from "./pins.ts";
import type { Recipe } from "./source.ts";

/** Raised by one whenever the steps below change in a way that changes the result. */
const RECIPE = 2;

/** What the packages bring that no program of the image reads. */
const NEEDLESS = [
  "etc/init.d",
  "usr/lib/x86_64-linux-gnu/gconv",
  "usr/share/bash-completion",
  "usr/share/doc",
  "usr/share/doc-base",
  "usr/share/lintian",
  "usr/share/locale",
  "usr/share/man",
];

/** Names under which one program does the work of many; installed systems get these links from a package script. */
const NFT_NAMES = [
  "iptables",
  "iptables-save",
  "iptables-restore",
  "ip6tables",
  "ip6tables-save",
  "ip6tables-restore",
];
const NFT_BRIDGE_NAMES = ["ebtables", "ebtables-save", "ebtables-restore"];

/** What kube-proxy calls in its two modes. */
const CALLED = [
  "/usr/sbin/iptables",
  "/usr/sbin/xtables-legacy-multi",
  "/usr/sbin/conntrack",
  "/usr/sbin/ipset",
  "/usr/sbin/ebtables",
  "/usr/bin/kmod",
];

/** The kube-proxy image: the program and unpacked packages of the tools it calls. No shell, no package manager. */
export const kubeProxy: Recipe = {
  title: "kube-proxy image",
  async produce(cache) {
    const spec = {
      reference: reference("kube-proxy", KUBERNETES.version),
      entrypoint: ["/usr/local/bin/kube-proxy"],
    };
    const programs = await kubernetesPrograms(cache);
    const key = {
      recipe: RECIPE,
      spec,
      packages: KUBE_PROXY_PACKAGES,
      programs: basename(programs.dir),
      NEEDLESS,
    };
    const { dir, hit } = await cache.cached({ name: "kube-proxy", key }, async ({ work, out }) => {
      const root = join(work, "root");
      const found = await unpackPackages(KUBE_PROXY_PACKAGES, work, root);
      await collectLicences(found, { tree: root, work, out });
      for (const path of NEEDLESS) await rm(join(root, path), { recursive: true, force: true });
      for (const name of [...NFT_NAMES, ...NFT_BRIDGE_NAMES]) {
        await rm(join(root, "usr/sbin", name), { force: true });
        await symlink("xtables-nft-multi", join(root, "usr/sbin", name));
      }
      for (const program of CALLED) await librariesOf(root, program);
      await placeProgram(join(programs.dir, "kube-proxy"), root, "/usr/local/bin/kube-proxy");
      await writeImage(root, join(out, "kube-proxy.tar"), spec);
      await writeFile(
        join(out, "source.txt"),
        `${KUBERNETES_SOURCE}; Debian packages ${describePackages(found)}`,
      );
    });
    const source = await Bun.file(join(dir, "source.txt")).text();
    const image = await imageArtefact(dir, "kube-proxy", KUBERNETES.version, spec.reference, source);
    return { hit, artefacts: [image, ...(await licenceArtefacts(dir))] };
  },
};
