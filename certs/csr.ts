import { createPrivateKey, createPublicKey, verify } from "node:crypto";
import type { asn1, pki } from "node-forge";
import { formatAddress } from "../src/config/net.ts";
import { AppError } from "../src/errors.ts";
import {
  altNames,
  loadForge,
  placeholder,
  publicInfo,
  requestOids,
  sha256Oid,
  signToPem,
  subjectFields,
} from "./forge.ts";
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
  csr.publicKey = placeholder(forge);
  csr.setSubject(subjectFields(forge, { spec, params: options.params }));
  const extensions = altNames(namesOf(spec, options.params));
  if (extensions.length > 0) csr.setAttributes([{ name: "extensionRequest", extensions }]);
  csr.signatureOid = csr.siginfo.algorithmOid = sha256Oid(forge);
  const content = forge.untyped.getCertificationRequestInfo(csr);
  (content.value as unknown[])[2] = publicInfo(forge, options.key.publicPem).asn1;
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
  const { csr, publicPem, info } = parse(forge, csrPem) ?? refuse("it is not a PEM certificate request");
  const weak = weakness(createPublicKey(publicPem));
  if (weak) refuse(`${weak}; expected a key on P-256 or P-384, or an RSA key of at least 2048 bits`);
  if (!isSignedBy(forge, { csr, info, publicPem })) {
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

/** The public key that a request is for, as SubjectPublicKeyInfo in PEM; undefined for what is no request. */
export async function publicKeyOf(csrPem: string): Promise<string | undefined> {
  return parse(await loadForge(), csrPem)?.publicPem;
}

/** True when two requests ask for the same with the same key; their signatures may differ. */
export async function isSameRequest(one: string, other: string): Promise<boolean> {
  const forge = await loadForge();
  const [a, b] = [parse(forge, one), parse(forge, other)];
  return a !== undefined && b !== undefined && a.info.equals(b.info);
}

/** What a request holds. */
interface Parsed {
  csr: pki.CertificateSigningRequest;
  publicPem: string;
  /** DER of the part that is signed. */
  info: Buffer;
}

function parse(forge: Forge, pem: string): Parsed | undefined {
  if (pem.length > MAX_LENGTH) return undefined;
  try {
    const der = forge.pem.decode(pem)[0]?.body ?? "";
    const request = forge.asn1.fromDer(der);
    const parts = (request.value as asn1.Asn1[])[0]?.value as asn1.Asn1[];
    const info = forge.asn1.toDer((request.value as asn1.Asn1[])[0] as asn1.Asn1).getBytes();
    const spki = Buffer.from(forge.asn1.toDer(parts[2] as asn1.Asn1).getBytes(), "latin1");
    const key = createPublicKey({ key: spki, type: "spki", format: "der" });
    // forge reads requests with RSA keys alone; the key has been read above.
    parts[2] = forge.pki.publicKeyToAsn1(placeholder(forge));
    return {
      csr: forge.pki.certificationRequestFromAsn1(request),
      publicPem: key.export({ type: "spki", format: "pem" }).toString(),
      info: Buffer.from(info, "latin1"),
    };
  } catch {
    return undefined;
  }
}

function isSignedBy(forge: Forge, { csr, info, publicPem }: Parsed): boolean {
  if (!requestOids(forge).includes(csr.signatureOid as string)) return false;
  return verify("sha256", info, publicPem, Buffer.from(csr.signature as string, "latin1"));
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
