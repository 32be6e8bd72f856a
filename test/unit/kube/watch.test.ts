import { describe, expect, test } from "bun:test";
import { type KubeEvent, watchStream } from "../../../src/kube/watch.ts";

const tls = { ca: "", cert: "", key: "" };

/** What a watch tells whose server answers so; `more` to leave it early or to end it. */
async function told(
  answer: () => Response,
  more: { seconds?: number; first?: number; signal?: AbortSignal } = {},
): Promise<KubeEvent[]> {
  await using server = Bun.serve({ port: 0, fetch: answer });
  const { seconds = 30, first = 99, signal = new AbortController().signal } = more;
  const events: KubeEvent[] = [];
  for await (const event of watchStream({ url: String(server.url), tls, seconds, signal })) {
    events.push(event);
    if (events.length === first) break;
  }
  return events;
}

const added = (name: string) => JSON.stringify({ type: "ADDED", object: { metadata: { name } } });

/** A stream that stays open after its parts. */
function open(...parts: string[]) {
  let cancelled = false;
  const body = new ReadableStream<string>({
    start: (controller) => parts.forEach((part) => controller.enqueue(part)),
    cancel: () => void (cancelled = true),
  });
  return { answer: () => new Response(body), wasCancelled: () => cancelled };
}

describe("watchStream()", () => {
  test("gives each event as soon as its line is complete, whatever chunks it comes in", async () => {
    const { answer } = open(`${added("a")}\n${added("b").slice(0, 20)}`, `${added("b").slice(20)}\n`);
    expect((await told(answer, { first: 2 })).map(({ object }) => object.metadata.name)).toEqual(["a", "b"]);
  });

  test("ends with its server, and passes over a line that is no event", async () => {
    const lines = ["", "7", "null", "{", added("a"), added("b").slice(0, 20)];
    const events = await told(() => new Response(lines.join("\n")));
    expect(events.map(({ object }) => object.metadata.name)).toEqual(["a"]);
  });

  test("a refusal is an event of the type ERROR", async () => {
    const status = { metadata: { name: "" }, code: 410, message: "too old resource version" };
    expect(await told(() => Response.json(status, { status: 410 }))).toEqual([
      { type: "ERROR", object: status },
    ]);
    expect(await told(() => new Response("no", { status: 500 }))).toMatchObject([{ type: "ERROR" }]);
  });

  test("a server that does not end it in time is left", async () => {
    // Less than nothing: the grace is over at once.
    const { answer } = open(`${added("a")}\n`);
    expect(told(answer, { seconds: -4.9 })).rejects.toThrow("abort");
  });

  test("ends when it is interrupted", async () => {
    const controller = new AbortController();
    const { answer } = open(`${added("a")}\n`);
    const ended = told(answer, { signal: controller.signal });
    controller.abort();
    expect(ended).rejects.toThrow("abort");
  });
});
