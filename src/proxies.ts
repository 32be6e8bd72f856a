/** What the runtime's `fetch` looks at, in both spellings. */
const NAMES = ["http_proxy", "https_proxy", "all_proxy"].flatMap((name) => [name, name.toUpperCase()]);

/**
 * Forgets the proxies of an environment. Everything that this program asks is in the cluster or on the host itself, and an operator's shell
 * often names a proxy for elsewhere: it would be asked for the node's own API, and shown its tokens.
 */
export function forgetProxies(env: Record<string, string | undefined>): void {
  for (const name of NAMES) delete env[name];
}
