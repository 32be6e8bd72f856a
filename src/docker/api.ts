import { AppError, codeOf, messageOf } from "../errors.ts";

/** Where the engine listens. */
export const DOCKER_SOCKET = "/var/run/docker.sock";

/** Every request but loading an image is answered within this time, in milliseconds, or the engine is stuck. */
export const REQUEST_TIMEOUT_MS = 60_000;

/** What the engine answers when it refuses; of the same form as the errors of dockerode. */
class Refusal extends Error {
  /** The engine's own words, when it says them as it should. */
  readonly json: { message?: string } | undefined;

  constructor(
    readonly statusCode: number,
    text: string,
  ) {
    super(text.trim() || `HTTP status ${statusCode}`);
    this.json = parsed(text);
  }
}

function parsed(text: string): { message?: string } | undefined {
  try {
    return JSON.parse(text) as { message?: string };
  } catch {
    // What stands between us and the engine may use plain text.
    return undefined;
  }
}

/**
 * Asks the engine for something, with fetch: dockerode costs 29 MiB of memory, so it is loaded for changes alone.
 *
 * @param path with its query: `/info`
 * @throws the bare error, with `statusCode` when the engine refused; {@linkcode asking} makes it one for people
 */
export async function getFromEngine(socket: string, path: string): Promise<Response> {
  const response = await fetch(`http://docker${path}`, {
    unix: socket,
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  });
  if (!response.ok) throw new Refusal(response.status, await response.text());
  return response;
}

/**
 * Makes requests whose errors are for people.
 *
 * @param about `action` is what the requests are for, as it stands in an error: `list containers`
 * @throws AppError with the engine's own words, or with the socket when nobody answers there
 */
export async function asking<T>(
  about: { action: string; socket: string },
  request: () => Promise<T>,
): Promise<T> {
  try {
    return await request();
  } catch (error) {
    throw error instanceof AppError ? error : engineError({ ...about, error });
  }
}

function engineError(details: { action: string; socket: string; error: unknown }): AppError {
  const { action, socket, error } = details;
  if (["ENOENT", "ECONNREFUSED", "FailedToOpenSocket"].includes(codeOf(error) ?? "")) {
    return new AppError(`Cannot ${action}: Docker does not answer on "${socket}"`, {
      hint: 'start it: systemctl start docker; then see "journalctl -u docker"',
    });
  }
  const message = (error as { json?: { message?: string } }).json?.message ?? messageOf(error);
  return new AppError(`Cannot ${action}: Docker says: ${message}`);
}

/** Undefined for what the engine does not have; 304 and 404 mean that there is nothing to do. */
export async function orMissing<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    const status = (error as { statusCode?: number }).statusCode;
    // 409: a removal that is under way already.
    const gone =
      status === 404 || status === 304 || (status === 409 && /already in progress/.test(messageOf(error)));
    if (gone) return undefined;
    throw error;
  }
}
