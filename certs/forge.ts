import { createHash, createPublicKey, type KeyObject, sign } from "node:crypto";
import type { asn1, pki } from "node-forge";
import type { CaSpec, CertSpec, PkiParams } from "./list.ts";
import { addressBytes, type SubjectNames } from "./names.ts";

type Forge = typeof import("node-forge");

/** Functions that node-forge has and its types do not. */
interface Untyped {
  getTBSCertificate(cert: pki.Certificate): asn1.Asn1;
  getCertificationRequestInfo(csr: pki.CertificateSigningRequest): asn1.Asn1;
}

/** Loads node-forge, which costs start-up time, when the first certificate is made. */
export async function loadForge(): Promise<Forge & { untyped: Untyped }> {
  const { default: forge } = await import("node-forge");
  return { ...forge, untyped: forge.pki as unknown as Untyped };
}

/** The subject of a certificate for node-forge. */
export function subjectFields(
  forge: Forge,
  { spec, params }: { spec: CaSpec | CertSpec; params?: PkiParams },
) {
  const commonName =
    typeof spec.commonName === "string" ? spec.commonName : spec.commonName(params as PkiParams);
  // forge calls the tag of a value its class.
  const valueTagClass = forge.asn1.Type.UTF8 as unknown as asn1.Class;
  return [
    ...(spec.organization ? [{ name: "organizationName", value: spec.organization, valueTagClass }] : []),
    { name: "commonName", value: commonName, valueTagClass },
  ];
}

/** The extension with names and addresses; none when there are no names. */
export function altNames({ dns, ips }: SubjectNames): object[] {
  if (dns.length + ips.length === 0) return [];
  const names = [
    ...dns.map((value) => ({ type: 2, value })),
    ...ips.map((ip) => ({ type: 7, value: addressBytes(ip).toString("latin1") })),
  ];
  return [{ name: "subjectAltName", altNames: names }];
}

/** A public key as certificates and requests hold it. forge itself can read RSA alone. */
export interface PublicInfo {
  asn1: asn1.Asn1;
  /** Digest of the key, by which certificates name it (RFC 5280, 4.2.1.2, method 1). */
  keyId: string;
  type: string;
}

/** Takes a public key in PEM; gives its parts for a certificate. */
export function publicInfo(forge: Forge, publicPem: string): PublicInfo {
  const key = createPublicKey(publicPem);
  const der = key.export({ type: "spki", format: "der" }).toString("latin1");
  const info = forge.asn1.fromDer(der);
  const bits = (info.value as asn1.Asn1[])[1] as unknown as { bitStringContents?: string; value: string };
  // The first byte says how many bits are unused: none.
  const content = (bits.bitStringContents ?? bits.value).slice(1);
  const keyId = createHash("sha1").update(Buffer.from(content, "latin1")).digest("latin1");
  return {
    asn1: forge.asn1.fromDer(der, { decodeBitStrings: false } as never),
    keyId,
    type: key.asymmetricKeyType ?? "",
  };
}

/** A key for places that forge fills before ours takes them. */
export function placeholder(forge: Forge): pki.rsa.PublicKey {
  const three = new forge.jsbn.BigInteger("3");
  return forge.pki.setRsaPublicKey(three, three);
}

/** The extension that names the certificate's own key. */
export function ownKeyId(forge: Forge, keyId: string): object {
  const { create, Class, Type } = forge.asn1;
  return { id: "2.5.29.14", critical: false, value: create(Class.UNIVERSAL, Type.OCTETSTRING, false, keyId) };
}

/** The algorithm of signatures that a key makes over SHA-256: its object id, and whether a NULL follows it. */
function algorithmOf(forge: Forge, key: KeyObject): { oid: string; hasNull: boolean } {
  return key.asymmetricKeyType === "ec"
    ? { oid: ECDSA_SHA256, hasNull: false }
    : { oid: sha256Oid(forge), hasNull: true };
}

/** Object id of ECDSA over SHA-256 (RFC 5758). */
const ECDSA_SHA256 = "1.2.840.10045.4.3.2";

/** The object ids of signatures that requests may have. */
export function requestOids(forge: Forge): string[] {
  return [sha256Oid(forge), ECDSA_SHA256];
}

/**
 * Signs what certificates and requests are made of: content, algorithm, signature.
 *
 * The signature is computed by node:crypto: forge needs fifty times as long for it.
 *
 * @param label of the PEM
 */
export function signToPem(
  forge: Forge,
  options: { content: asn1.Asn1; key: KeyObject; label: string },
): string {
  const { create, Class, Type, toDer, oidToDer } = forge.asn1;
  const der = Buffer.from(toDer(options.content).getBytes(), "latin1");
  const signature = sign("sha256", der, options.key).toString("latin1");
  const { oid, hasNull } = algorithmOf(forge, options.key);
  const algorithm = create(Class.UNIVERSAL, Type.SEQUENCE, true, [
    create(Class.UNIVERSAL, Type.OID, false, oidToDer(oid).getBytes()),
    ...(hasNull ? [create(Class.UNIVERSAL, Type.NULL, false, "")] : []),
  ]);
  const signed = create(Class.UNIVERSAL, Type.SEQUENCE, true, [
    options.content,
    algorithm,
    create(Class.UNIVERSAL, Type.BITSTRING, false, `\0${signature}`),
  ]);
  return pem(options.label, Buffer.from(toDer(signed).getBytes(), "latin1"));
}

/** Object id of RSA signatures over SHA-256, which authorities make. */
export function sha256Oid(forge: Forge): string {
  return forge.pki.oids.sha256WithRSAEncryption as string;
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
