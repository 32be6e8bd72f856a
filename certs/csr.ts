import { createPrivateKey, createPublicKey, verify } from "node:crypto";
import type { asn1, pki } from "node-forge";
import { formatAddress } from "../src/config/net.ts";
import { AppError } from "../src/errors.ts";
import { altNames, loadForge, sha256Oid, signToPem, subjectFields } from "./forge.ts";
import { type CaPair, issueLeaf } from "./issue.ts";
import { type KeyPair, weakness } from "./keys.ts";
import type { CertSpec, PkiParams } from "./list.ts";
import { nameTokens, namesDifference, namesOf, printable, subjectLine, subjectOf } from "./names.ts";

/** Longer than any request that this program makes; more is not parsed. */
const MAX_LENGTH = 16 * 1024;

type Forge = Awaited<ReturnType<typeof loadForge>>;

/** Makes a signing request for a certificate of the list. @returns PKCS#10 in PEM */
export async function createCsr(
  spec: CertSpec,
  options: { key: KeyPair; params: PkiParams },
): Promise<string> {
  const forge = await loadForge();
  const csr = forge.pki.createCertificationRequest();
  csr.publicKey = forge.pki.publicKeyFromPem(options.key.publicPem);
  csr.setSubject(subjectFields(forge, { spec, params: options.params }));
  const extensions = altNames(namesOf(spec, options.params));
  if (extensions.length > 0) csr.setAttributes([{ name: "extensionRequest", extensions }]);
  csr.signatureOid = csr.siginfo.algorithmOid = sha256Oid(forge);
  const content = forge.untyped.getCertificationRequestInfo(csr);
  const key = createPrivateKey(options.key.privatePem);
  return signToPem(forge, { content, key, label: "CERTIFICATE REQUEST" });
}

/**
 * Signs a request for a certificate of the list. The request gives nothing but its public key: subject, names and use
 * come from the list, and a request that asks for others is refused rather than corrected.
 *
 * @returns the certificate in PEM
 * @throws AppError naming what is wrong with the request
 */
export async function signCsr(
  csrPem: string,
  options: { spec: CertSpec; params: PkiParams; ca: CaPair; now: Date },
): Promise<string> {
  const { spec, params } = options;
  const forge = await loadForge();
  const refuse = (found: string): never => {
    throw new AppError(`Cannot sign the request for "${spec.id}": ${found}`, {
      hint: "make the request again on the node that it is for, with the same configuration",
    });
  };
  const csr = parse(forge, csrPem) ?? refuse("it is not a PEM certificate request with an RSA key");
  const publicPem = forge.pki.publicKeyToPem(csr.publicKey as pki.rsa.PublicKey);
  const weak = weakness(createPublicKey(publicPem));
  if (weak) refuse(`${weak}; expected an RSA key of at least 2048 bits`);
  if (!isSignedBy(forge, { csr, csrPem, publicPem })) {
    refuse(
      "its signature is not made with its own key and SHA-256; expected proof that the node has the key",
    );
  }
  const subject = askedSubject(csr);
  const expected = subjectOf(spec, params);
  if (sorted(subject) !== sorted(expected)) {
    refuse(`its subject is "${subjectLine(subject)}"; expected "${subjectLine(expected)}"`);
  }
  const difference = namesDifference(askedNames(csr), nameTokens(namesOf(spec, params)));
  if (difference) refuse(difference);
  return await issueLeaf(spec, { ca: options.ca, publicPem, params, now: options.now });
}

function parse(forge: Forge, pem: string): pki.CertificateSigningRequest | undefined {
  if (pem.length > MAX_LENGTH) return undefined;
  try {
    return forge.pki.certificationRequestFromPem(pem, true);
  } catch {
    return undefined;
  }
}

function isSignedBy(
  forge: Forge,
  request: { csr: pki.CertificateSigningRequest; csrPem: string; publicPem: string },
): boolean {
  if (request.csr.signatureOid !== sha256Oid(forge)) return false;
  const der = forge.pem.decode(request.csrPem)[0]?.body ?? "";
  const info = (forge.asn1.fromDer(der).value as asn1.Asn1[])[0];
  if (!info) return false;
  const content = Buffer.from(forge.asn1.toDer(info).getBytes(), "latin1");
  const signature = Buffer.from(request.csr.signature as string, "latin1");
  return verify("sha256", content, request.publicPem, signature);
}

function askedSubject(csr: pki.CertificateSigningRequest): string {
  return csr.subject.attributes
    .map((one) => `${one.shortName ?? one.type}=${String(one.value).replaceAll("\n", "?")}`)
    .join("\n");
}

const sorted = (subject: string) => subject.split("\n").sort().join("\n");

function askedNames(csr: pki.CertificateSigningRequest): string[] {
  const requests = csr.attributes.filter((one) => one.name === "extensionRequest");
  const extensions = requests.flatMap(
    (one) => (one.extensions ?? []) as { name?: string; altNames?: AltName[] }[],
  );
  const names = extensions
    .filter((one) => one.name === "subjectAltName")
    .flatMap((one) => one.altNames ?? []);
  return names.map(({ type, value }) => {
    if (type === 2) return `DNS:${printable(value).toLowerCase()}`;
    return type === 7 ? `IP:${addressText(value)}` : `a name of type ${type}`;
  });
}

interface AltName {
  type: number;
  value: string;
}

function addressText(bytes: string): string {
  const hex = Buffer.from(bytes, "latin1").toString("hex");
  if (hex.length !== 8 && hex.length !== 32) return `0x${hex}`;
  return formatAddress({ family: hex.length === 8 ? 4 : 6, value: BigInt(`0x${hex}`) });
}
