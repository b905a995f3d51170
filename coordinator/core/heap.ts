/** A binary heap: the first of its items is at hand, and taking it costs the logarithm of their number. */
export interface Heap<T> {
  readonly size: number;
  first(): T | undefined;
  take(): T | undefined;
  add(item: T): void;
  /** The first item has changed, for the worse or not at all. */
  settle(): void;
}

/** @param before whether `a` comes before `b`: a total order, or what is taken depends on the order of arrival */
export function createHeap<T>(before: (a: T, b: T) => boolean, items: T[]): Heap<T> {
  // Asked only for indices below the length.
  const at = (index: number): T => items[index] as T;

  const sink = (start: number): void => {
    const { length } = items;
    if (start >= length) return;
    const item = at(start);
    let hole = start;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= length) break;
      if (child + 1 < length && before(at(child + 1), at(child))) child += 1;
      if (!before(at(child), item)) break;
      items[hole] = at(child);
      hole = child;
    }
    items[hole] = item;
  };

  for (let index = (items.length >> 1) - 1; index >= 0; index -= 1) sink(index);

  return {
    get size() {
      return items.length;
    },
    first: () => items[0],
    take() {
      const first = items[0];
      const last = items.pop();
      if (items.length > 0 && last !== undefined) {
        items[0] = last;
        sink(0);
      }
      return first;
    },
    add(item) {
      let hole = items.length;
      items.push(item);
      while (hole > 0) {
        const parent = (hole - 1) >> 1;
        if (!before(item, at(parent))) break;
        items[hole] = at(parent);
        hole = parent;
      }
      items[hole] = item;
    },
    settle() {
      sink(0);
    },
  };
}
