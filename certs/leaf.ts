import type { Host } from "../src/host/host.ts";
import type { Authority } from "./authority.ts";
import { inspectPair, type Judgement } from "./inspect.ts";
import { certificatesOf, type CertSpec, type PkiParams, type PkiRole } from "./list.ts";

/** A certificate of the list as it is on this node. */
export interface Leaf {
  spec: CertSpec;
  certPem: string | undefined;
  keyPem: string | undefined;
  judgement: Judgement;
}

/** Reads and judges the certificates of a role. Never throws for what is in a file. */
export async function readLeaves(
  host: Host,
  options: {
    dir: string;
    role: PkiRole;
    params: PkiParams;
    now: Date;
    authorities: readonly Pick<Authority, "spec" | "cert">[];
  },
): Promise<Leaf[]> {
  const read = async (spec: CertSpec): Promise<Leaf> => {
    const base = `${options.dir}/${spec.path}`;
    const [certPem, keyPem] = await Promise.all([host.read(`${base}.crt`), host.read(`${base}.key`)]);
    const authority = options.authorities.find((one) => one.spec.id === spec.ca)?.cert;
    return {
      spec,
      certPem,
      keyPem,
      judgement: inspectPair({ certPem, keyPem }, { ...options, spec, authority }),
    };
  };
  return await Promise.all(certificatesOf(options.role).map(read));
}
