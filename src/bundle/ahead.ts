/**
 * Does work on items, and gives the results in the order of the items, while the next ones are under way.
 *
 * @param how `most`: how many are under way at the same time
 * @throws what the work throws, when it is that item's turn
 */
export async function* ahead<Item, Result>(
  items: readonly Item[],
  { most, work }: { most: number; work: (item: Item) => Promise<Result> },
): AsyncGenerator<Result> {
  const coming: Promise<Result>[] = [];
  const begin = (item: Item) => {
    const result = work(item);
    // Seen when it is its turn.
    result.catch(() => {});
    coming.push(result);
  };
  try {
    for (const [index, item] of items.entries()) {
      begin(item);
      if (index + 1 >= most) yield await (coming.shift() as Promise<Result>);
    }
    while (coming.length > 0) yield await (coming.shift() as Promise<Result>);
  } finally {
    // Who takes no more leaves nobody to see how these end.
    await Promise.allSettled(coming);
  }
}
