import { describe, expect, test } from "bun:test";
import { ahead } from "../../../src/bundle/ahead.ts";

/** Work that ends when the test says so. */
function gated() {
  const begun: number[] = [];
  const ends = new Map<number, { resolve: (value: string) => void; reject: (error: Error) => void }>();
  const work = (item: number) => {
    begun.push(item);
    return new Promise<string>((resolve, reject) => ends.set(item, { resolve, reject }));
  };
  return { begun, work, end: (item: number) => ends.get(item)?.resolve(`result ${item}`), ends };
}

describe("ahead()", () => {
  test("gives results in the order of the items, however the work ends", async () => {
    const { begun, work, end } = gated();
    const results = ahead([1, 2, 3], { most: 2, work });
    const first = results.next();
    expect(begun).toEqual([1, 2]);
    end(2);
    end(1);
    expect((await first).value).toBe("result 1");
    // Nobody has asked for more: nothing more has begun.
    expect(begun).toEqual([1, 2]);
    const second = results.next();
    expect((await second).value).toBe("result 2");
    const third = results.next();
    expect(begun).toEqual([1, 2, 3]);
    end(3);
    expect((await third).value).toBe("result 3");
    expect((await results.next()).done).toBe(true);
  });

  test("throws at the turn of the item whose work failed", async () => {
    const work = async (item: number) => {
      if (item === 2) throw new Error("two");
      return item;
    };
    const seen: number[] = [];
    const all = (async () => {
      for await (const one of ahead([1, 2, 3], { most: 3, work })) seen.push(one);
    })();
    await expect(all).rejects.toThrow("two");
    expect(seen).toEqual([1]);
  });

  test("waits for what is under way when its reader ends early", async () => {
    const { begun, work, end, ends } = gated();
    const results = ahead([1, 2, 3], { most: 2, work });
    const first = results.next();
    end(1);
    await first;
    let ended = false;
    const closing = results.return(undefined).then(() => (ended = true));
    await Promise.resolve();
    expect([begun, ended]).toEqual([[1, 2], false]);
    ends.get(2)?.reject(new Error("seen by nobody"));
    await closing;
  });

  test("takes nothing, and more at once than there are", async () => {
    const work = async (item: number) => item;
    expect(await Array.fromAsync(ahead([], { most: 2, work }))).toEqual([]);
    expect(await Array.fromAsync(ahead([1], { most: 9, work }))).toEqual([1]);
  });
});
