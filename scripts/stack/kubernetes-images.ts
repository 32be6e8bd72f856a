import { basename, join } from "node:path";
import { chmod, mkdir } from "node:fs/promises";
import { imageArtefact, programArtefact, reference } from "./artefacts.ts";
import { placeProgram, writeImage } from "./docker-archive.ts";
import { KUBERNETES_SOURCE, kubernetesPrograms } from "./kubernetes.ts";
import { packageLicence } from "./licences.ts";
import { KUBERNETES } from "./pins.ts";
import type { Artefact, Recipe } from "./source.ts";

/** Raised by one whenever the steps below change in a way that changes the result. */
const RECIPE = 1;

/** Made from the same source, it has the licence of all that we build from it. */
const LICENCE_PACKAGE = "kubernetes-client";

const HOST_PROGRAMS = ["kubelet", "kubectl", "kubeadm"];
const CONTROL_PLANE = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"];

/** The programs of the host, as the compiler left them. */
export const hostPrograms: Recipe = {
  title: "Kubernetes programs (some minutes when not cached)",
  async produce(cache) {
    const { dir, hit } = await kubernetesPrograms(cache);
    const programs = HOST_PROGRAMS.map((name) =>
      programArtefact(dir, "binary", name, KUBERNETES.version, KUBERNETES_SOURCE),
    );
    return { hit, artefacts: [...programs, ...(await packageLicence(cache, LICENCE_PACKAGE))] };
  },
};

/** The images of the static pod: one static program each. */
export const controlPlane: Recipe = {
  title: "control plane images",
  async produce(cache) {
    const programs = await kubernetesPrograms(cache);
    const artefacts: Artefact[] = [];
    let allHit = true;
    for (const name of CONTROL_PLANE) {
      const spec = { reference: reference(name, KUBERNETES.version), entrypoint: [`/usr/local/bin/${name}`] };
      const key = { recipe: RECIPE, spec, programs: basename(programs.dir) };
      const { dir, hit } = await cache.cached({ name, key }, async ({ work, out }) => {
        const root = join(work, "root");
        // Scratch files of the program go here when its root is not read only.
        await mkdir(join(root, "tmp"), { recursive: true });
        await chmod(join(root, "tmp"), 0o1777);
        await placeProgram(join(programs.dir, name), root, `/usr/local/bin/${name}`);
        await writeImage(root, join(out, `${name}.tar`), spec);
      });
      allHit &&= hit;
      artefacts.push(await imageArtefact(dir, name, KUBERNETES.version, spec.reference, KUBERNETES_SOURCE));
    }
    return { hit: allHit, artefacts };
  },
};
