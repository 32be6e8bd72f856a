/**
 * The longest that a component may take to say that it is well, in milliseconds. One that ended refuses at once; one that is only slow on
 * a busy host must not be started anew, which would make the host busier.
 */
export const HEALTH_MS = 4_000;

/** Health of the kubelet of this node. */
export const KUBELET_HEALTH = "http://127.0.0.1:10248/healthz";

/** Health of kube-proxy on this node. */
export const KUBE_PROXY_HEALTH = "http://127.0.0.1:10256/healthz";

/**
 * Asks a component of this node whether it is well. Never throws: one that does not answer is not.
 *
 * @param options `ca`: authority of its certificate, for https
 */
export async function isHealthy(
  url: string,
  options: { signal: AbortSignal; ca?: string },
): Promise<boolean> {
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(HEALTH_MS)]);
  const tls = options.ca === undefined ? {} : { tls: { ca: options.ca } };
  return await fetch(url, { signal, keepalive: false, ...tls }).then(
    (response) => response.ok,
    () => false,
  );
}
