import { createPrivateKey, randomBytes, X509Certificate } from "node:crypto";
import type { pki } from "node-forge";
import { AppError } from "../src/errors.ts";
import {
  altNames,
  loadForge,
  ownKeyId,
  placeholder,
  publicInfo,
  sha256Oid,
  signToPem,
  subjectFields,
} from "./forge.ts";
import { type KeyPair, parsePrivateKey, signingWeakness } from "./keys.ts";
import type { CaSpec, CertSpec, PkiParams } from "./list.ts";
import { namesOf } from "./names.ts";

const DAY = 86_400_000;
const LEAF_DAYS = 365;
const CA_DAYS = 3650;
/**
 * Clocks of nodes differ, and one that was kept in local time goes back by up to 14 hours when it is put right: that must
 * not make a new authority, which is never replaced, one that is not yet valid.
 */
const BACKDATE = DAY;

/** An authority that can sign. */
export interface CaPair {
  certPem: string;
  keyPem: string;
}

type Forge = Awaited<ReturnType<typeof loadForge>>;

/** Makes a self-signed authority that signs leaves only. @returns the certificate in PEM */
export async function issueCa(spec: CaSpec, options: { key: KeyPair; now: Date }): Promise<string> {
  const forge = await loadForge();
  const cert = blank(forge, { ...options, days: CA_DAYS });
  cert.publicKey = forge.pki.publicKeyFromPem(options.key.publicPem);
  const subject = subjectFields(forge, { spec });
  cert.setSubject(subject);
  cert.setIssuer(subject);
  cert.setExtensions([
    { name: "basicConstraints", critical: true, cA: true, pathLenConstraint: 0 },
    { name: "keyUsage", critical: true, keyCertSign: true, cRLSign: true },
    { name: "subjectKeyIdentifier" },
    { name: "authorityKeyIdentifier", keyIdentifier: true },
  ]);
  const content = forge.untyped.getTBSCertificate(cert);
  return signToPem(forge, { content, key: createPrivateKey(options.key.privatePem), label: "CERTIFICATE" });
}

/**
 * Makes a certificate for a public key. Who, which names and which use come from the list alone. It ends with its
 * authority at the latest.
 *
 * @returns the certificate in PEM
 * @throws AppError when the key of the authority cannot sign
 */
export async function issueLeaf(
  spec: CertSpec,
  options: { ca: CaPair; publicPem: string; params: PkiParams; now: Date },
): Promise<string> {
  const forge = await loadForge();
  const { ca, params } = options;
  const key = signingKey(ca.keyPem);
  const cert = blank(forge, { ...options, days: LEAF_DAYS });
  const own = publicInfo(forge, options.publicPem);
  cert.publicKey = placeholder(forge);
  const end = new X509Certificate(ca.certPem).validToDate;
  if (end < cert.validity.notAfter) cert.validity.notAfter = end;
  const issuer = readIssuer(forge, ca.certPem);
  cert.setSubject(subjectFields(forge, { spec, params }));
  cert.setExtensions([
    { name: "basicConstraints", critical: true, cA: false },
    // A key on a curve signs and never encrypts (RFC 8813).
    { name: "keyUsage", critical: true, digitalSignature: true, keyEncipherment: own.type === "rsa" },
    { name: "extKeyUsage", serverAuth: spec.usage !== "client", clientAuth: spec.usage !== "server" },
    ownKeyId(forge, own.keyId),
    { name: "authorityKeyIdentifier", keyIdentifier: issuer.keyId },
    ...altNames(namesOf(spec, params)),
  ]);
  const content = forge.untyped.getTBSCertificate(cert);
  const parts = content.value as unknown[];
  // The issuer must be the authority's subject byte for byte, in whatever string types that one was made with.
  parts[3] = issuer.subject;
  parts[6] = own.asn1;
  return signToPem(forge, { content, key, label: "CERTIFICATE" });
}

function blank(forge: Forge, options: { now: Date; days: number }): pki.Certificate {
  const cert = forge.pki.createCertificate();
  cert.serialNumber = serial();
  cert.validity.notBefore = new Date(options.now.getTime() - BACKDATE);
  cert.validity.notAfter = new Date(options.now.getTime() + options.days * DAY);
  cert.signatureOid = cert.siginfo.algorithmOid = sha256Oid(forge);
  return cert;
}

/** 16 random bytes; the first begins with 01, so that the number is positive and never has leading zeros. */
function serial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString("hex");
}

function readIssuer(forge: Forge, certPem: string) {
  const cert = forge.pki.certificateFromPem(new X509Certificate(certPem).toString());
  const own = cert.getExtension("subjectKeyIdentifier") as { subjectKeyIdentifier?: string } | undefined;
  const keyId = own?.subjectKeyIdentifier
    ? forge.util.hexToBytes(own.subjectKeyIdentifier)
    : cert.generateSubjectKeyIdentifier().getBytes();
  const tbs = cert.tbsCertificate.value as unknown[];
  // The version, which is optional in the format, is always there in a certificate with extensions.
  return { keyId, subject: tbs[5] };
}

function signingKey(keyPem: string) {
  const key = parsePrivateKey(keyPem);
  const problem = key ? signingWeakness(key) : "it is not a readable private key";
  if (key && problem === undefined) return key;
  throw new AppError(
    `Cannot sign with the key of the authority: ${problem}; expected an RSA key of at least 2048 bits`,
    {
      hint: "put back the key of the authority from a backup",
    },
  );
}
