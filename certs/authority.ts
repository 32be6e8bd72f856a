import type { X509Certificate } from "node:crypto";
import { createPublicKey } from "node:crypto";
import { AppError } from "../src/errors.ts";
import type { Host } from "../src/host/host.ts";
import { inspectAuthority, parseCertificate } from "./inspect.ts";
import { parsePrivateKey, parsePublicKey, readSigningPair } from "./keys.ts";
import { authoritiesOf, type CaSpec, type PkiRole, SERVICE_ACCOUNT } from "./list.ts";

/** An authority as it is on this node. */
export interface Authority {
  spec: CaSpec;
  /** Undefined when it has to be made. */
  certPem: string | undefined;
  cert: X509Certificate | undefined;
  /** Undefined on a node that may not sign. */
  keyPem: string | undefined;
}

/** The pair for service-account tokens as it is on this node. */
export interface ServiceAccount {
  privatePem: string | undefined;
  publicPem: string | undefined;
}

/**
 * Reads the authorities of a role.
 *
 * @throws AppError naming a file that is there and is not what it must be: an authority is never replaced, because
 * everything that it ever signed, on every node, would lose its root
 */
export async function readAuthorities(
  host: Host,
  options: { dir: string; role: PkiRole; now: Date },
): Promise<Authority[]> {
  // One after the other: of several problems the first of the list is told, not the one that is found fastest.
  const authorities: Authority[] = [];
  for (const spec of authoritiesOf(options.role)) {
    authorities.push(await readAuthority(host, { ...options, spec }));
  }
  return authorities;
}

async function readAuthority(
  host: Host,
  options: { dir: string; spec: CaSpec; now: Date },
): Promise<Authority> {
  const { spec } = options;
  const base = `${options.dir}/${spec.path}`;
  const [certPem, keyPem] = await Promise.all([host.read(`${base}.crt`), host.read(`${base}.key`)]);
  if (certPem !== undefined) {
    const problem = inspectAuthority({ certPem, keyPem }, options.now);
    if (problem) throw refusal(base, problem);
  } else if (keyPem !== undefined && !readSigningPair(keyPem)) {
    // Left by a run that was killed before it wrote the certificate, or put there by the operator.
    const found = "it is no private key that an authority can be made for";
    throw refusal(base, {
      file: "key",
      found,
      expected: "an RSA key of at least 2048 bits without a password",
    });
  }
  return { spec, certPem, cert: parseCertificate(certPem), keyPem };
}

function refusal(base: string, problem: { file: "crt" | "key"; found: string; expected: string }): AppError {
  const what = problem.file === "crt" ? "certificate authority" : "key of the certificate authority";
  return new AppError(
    `Cannot use the ${what} "${base}.${problem.file}": ${problem.found}; expected ${problem.expected}`,
    {
      hint:
        `put the right file back from a backup; or, to make a new authority that no other node knows, ` +
        `move "${base}.crt" and "${base}.key" away`,
    },
  );
}

/**
 * Reads the pair that signs service-account tokens.
 *
 * @throws AppError when what is there is no such pair: every token in the cluster hangs on it, so it is never replaced
 */
export async function readServiceAccount(host: Host, { dir }: { dir: string }): Promise<ServiceAccount> {
  const base = `${dir}/${SERVICE_ACCOUNT}`;
  const [privatePem, publicPem] = await Promise.all([host.read(`${base}.key`), host.read(`${base}.pub`)]);
  const problem = serviceAccountProblem({ privatePem, publicPem });
  if (!problem) return { privatePem, publicPem };
  throw new AppError(
    `Cannot use the service-account key "${base}.${problem.file}": ${problem.found}; expected ${problem.expected}`,
    {
      hint:
        `put the right file back from a backup; or, to make every service-account token invalid, ` +
        `move "${base}.key" and "${base}.pub" away`,
    },
  );
}

function serviceAccountProblem({ privatePem, publicPem }: ServiceAccount) {
  if (privatePem === undefined) {
    if (publicPem === undefined) return undefined;
    return { file: "key", found: "it is missing beside its public half", expected: "the private key" };
  }
  const pair = readSigningPair(privatePem);
  if (!pair) {
    const expected = "a private RSA key of at least 2048 bits without a password";
    // An EC key would do for Kubernetes; nodelet makes none, and cannot tell what else it was made for.
    const found = parsePrivateKey(privatePem)
      ? "it is a private key of another type"
      : "it is not a readable private key";
    return { file: "key", found, expected };
  }
  if (publicPem === undefined) return undefined;
  const found = parsePublicKey(publicPem);
  if (found?.equals(createPublicKey(pair.publicPem))) return undefined;
  return { file: "pub", found: "it is not the public half of the private key", expected: "the public half" };
}
