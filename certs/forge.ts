import { type KeyObject, sign } from "node:crypto";
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
  const oid = oidToDer(sha256Oid(forge)).getBytes();
  const algorithm = create(Class.UNIVERSAL, Type.SEQUENCE, true, [
    create(Class.UNIVERSAL, Type.OID, false, oid),
    create(Class.UNIVERSAL, Type.NULL, false, ""),
  ]);
  const signed = create(Class.UNIVERSAL, Type.SEQUENCE, true, [
    options.content,
    algorithm,
    create(Class.UNIVERSAL, Type.BITSTRING, false, `\0${signature}`),
  ]);
  return pem(options.label, Buffer.from(toDer(signed).getBytes(), "latin1"));
}

/** Object id of RSA signatures over SHA-256. */
export function sha256Oid(forge: Forge): string {
  return forge.pki.oids.sha256WithRSAEncryption as string;
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
