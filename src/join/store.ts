import { AppError } from "../errors.ts";
import type { Kube, KubeObject } from "../kube/client.ts";
import { EMPTY_STATE, type JoinState, withoutOld } from "./state.ts";

/** A Secret, so that it is encrypted at rest and no node may read it. */
const NAME = "nodelet-join";
const NAMESPACE = "kube-system";
const SECRETS = `/api/v1/namespaces/${NAMESPACE}/secrets`;

/** Masters change it at the same time only when nodes join at the same instant. */
const TRIES = 20;

/** What the masters know of tokens and nodes. @throws AppError when the API does not answer, or holds something else */
export async function readJoinState(kube: Kube): Promise<JoinState> {
  return stateOf(await kube.get(`${SECRETS}/${NAME}`));
}

/**
 * Changes what the masters know, as a whole or not at all: when another master was faster, the change is made again on what that one
 * has left.
 *
 * @param change gives the next state and a result; pure, for it may run several times. What it throws ends it, and nothing is changed
 * @throws AppError when the API does not answer or refuses
 */
export async function changeJoinState<T>(
  kube: Kube,
  { now, change }: { now: number; change: (state: JoinState) => { state: JoinState; result: T } },
): Promise<T> {
  for (let left = TRIES; left > 0; left--) {
    const found = await kube.get(`${SECRETS}/${NAME}`);
    const { state, result } = change(withoutOld(stateOf(found), now));
    const response = found
      ? await kube.request("PUT", `${SECRETS}/${NAME}`, {
          body: { ...objectOf(state), metadata: metadataOf(found) },
        })
      : await kube.request("POST", SECRETS, { body: objectOf(state) });
    if (response.status < 300) return result;
    // Somebody else made it, or changed it, meanwhile.
    if (response.status === 409) continue;
    throw new AppError(
      `Cannot keep what is known of joining: ${response.status} ${response.body.message ?? ""}`,
    );
  }
  throw new AppError(`Cannot keep what is known of joining: others change it all the time, ${TRIES} times`, {
    hint: "try again",
  });
}

/** Takes a node out: its certificate is not renewed any more, and it is told so when it asks. @returns true when it was known */
export async function forgetNode(kube: Kube, { name, now }: { name: string; now: number }): Promise<boolean> {
  return await changeJoinState(kube, {
    now,
    change: (state) => {
      const gone = state.nodes.filter((node) => node.name === name);
      const removed = [...state.removed, ...gone.map(({ key }) => ({ name, key, at: now }))];
      const nodes = state.nodes.filter((node) => node.name !== name);
      return { state: { ...state, nodes, removed }, result: gone.length > 0 };
    },
  });
}

function stateOf(object: KubeObject | undefined): JoinState {
  if (!object) return EMPTY_STATE;
  try {
    const text = Buffer.from(String(object.data?.state), "base64").toString("utf8");
    const { tokens, nodes, removed = [] } = JSON.parse(text) as Partial<JoinState>;
    if ([tokens, nodes, removed].every(Array.isArray)) return { tokens, nodes, removed } as JoinState;
  } catch {
    // Told below.
  }
  throw new AppError(`Cannot read the Secret "${NAMESPACE}/${NAME}": it is not what nodelet writes`, {
    hint: `put its backup in place; without it nodes that joined go on, but have to join anew before their certificates end: kubectl -n ${NAMESPACE} delete secret ${NAME}`,
  });
}

function objectOf(state: JoinState): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: NAME, namespace: NAMESPACE },
    type: "nodelet.pf9.io/join",
    data: { state: Buffer.from(JSON.stringify(state)).toString("base64") },
  };
}

function metadataOf({ metadata }: KubeObject): KubeObject["metadata"] {
  const { resourceVersion = "" } = metadata;
  return { name: NAME, namespace: NAMESPACE, resourceVersion };
}
