import { createHash, createPublicKey, sign, verify, X509Certificate } from "node:crypto";

/** A node's certificate and key, in PEM. */
export interface NodeIdentity {
  cert: string;
  key: string;
}

/** Who a request is from, once that is proven. */
export interface ProvenNode {
  name: string;
  /** sha256 of its public key, hex. */
  key: string;
}

/** What is signed of a request. */
export interface SignedRequest {
  method: string;
  /** With its query. */
  path: string;
  body: string;
}

/** The header that says who asks: certificate and signature, each base64. */
export const IDENTITY_HEADER = "x-nodelet-node";

const NODE_USER = "system:node:";
const NODE_GROUP = "system:nodes";

/**
 * The value of {@linkcode IDENTITY_HEADER}. The server's TLS library says that a client has shown a certificate of the cluster, but not
 * which; this does. It is worth nothing outside of the TLS channel that it is sent through.
 */
export function identify(request: SignedRequest, { cert, key }: NodeIdentity): string {
  const signature = sign("sha256", contentOf(request), key);
  return `${new X509Certificate(cert).raw.toString("base64")}.${signature.toString("base64")}`;
}

/**
 * Finds out which node has signed a request.
 *
 * @param header value of {@linkcode IDENTITY_HEADER}
 * @param options `ca`: the cluster's authority in PEM; `now`: milliseconds since the epoch
 * @returns undefined for everything that is no proof
 */
export function provenNode(
  header: string,
  { request, ca, now }: { request: SignedRequest; ca: string; now: number },
): ProvenNode | undefined {
  const [cert64 = "", signature64 = ""] = header.split(".");
  try {
    const cert = new X509Certificate(Buffer.from(cert64, "base64"));
    if (!cert.verify(new X509Certificate(ca).publicKey)) return undefined;
    if (now < cert.validFromDate.getTime() || now > cert.validToDate.getTime()) return undefined;
    const subject = new Map(cert.subject.split("\n").map((line) => line.split("=", 2) as [string, string]));
    const user = subject.get("CN") ?? "";
    if (subject.get("O") !== NODE_GROUP || !user.startsWith(NODE_USER)) return undefined;
    const isSigned = verify("sha256", contentOf(request), cert.publicKey, Buffer.from(signature64, "base64"));
    if (!isSigned) return undefined;
    const spki = cert.publicKey.export({ type: "spki", format: "der" });
    return { name: user.slice(NODE_USER.length), key: createHash("sha256").update(spki).digest("hex") };
  } catch {
    return undefined;
  }
}

/** What a node is known by: sha256 of its public key, hex. @param publicPem SubjectPublicKeyInfo in PEM */
export function keyIdOf(publicPem: string): string {
  const spki = createPublicKey(publicPem).export({ type: "spki", format: "der" });
  return createHash("sha256").update(spki).digest("hex");
}

function contentOf({ method, path, body }: SignedRequest): Buffer {
  const digest = createHash("sha256").update(body).digest("hex");
  // Whoever may have something may also ask how large it is.
  const verb = method === "HEAD" ? "GET" : method;
  return Buffer.from(`nodelet join request\n${verb}\n${path}\n${digest}`);
}
