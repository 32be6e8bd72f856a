import { spyOn } from "bun:test";

/** What was asked over HTTP; at the end of the scope requests leave the program again. */
export interface FakeFetch extends Disposable {
  /** Addresses in the order of asking. */
  readonly asked: string[];
}

/**
 * Answers every request by its address in place of the network.
 *
 * @param answer undefined: nobody listens there
 */
export function fakeFetch(answer: (url: string) => Response | undefined): FakeFetch {
  const asked: string[] = [];
  const work = async (input: string | URL | Request): Promise<Response> => {
    const url = input instanceof Request ? input.url : String(input);
    asked.push(url);
    const response = answer(url);
    if (response) return response;
    throw Object.assign(new Error("Unable to connect"), { code: "ConnectionRefused" });
  };
  const spy = spyOn(globalThis, "fetch").mockImplementation(work as typeof fetch);
  return { asked, [Symbol.dispose]: () => void spy.mockRestore() };
}
