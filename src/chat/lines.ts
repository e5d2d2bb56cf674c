/** Work in lines: one after another within a line, in the order in which it joined, and different lines at once. */
export interface Lines {
  /** `work` begins when everything before it in this line has ended, however it ended. */
  join<T>(line: string, work: () => Promise<T>): Promise<T>;
  /** Somebody is in this line. */
  has(line: string): boolean;
  /** Resolves when every line is empty. */
  empty(): Promise<void>;
}

export function createLines(): Lines {
  /** The end of each line. */
  const ends = new Map<string, Promise<unknown>>();

  return {
    join(line, work) {
      const mine = (ends.get(line) ?? Promise.resolve()).then(work);
      const end = mine
        .catch(() => undefined)
        .then(() => {
          if (ends.get(line) === end) ends.delete(line);
        });
      ends.set(line, end);
      return mine;
    },
    has: (line) => ends.has(line),
    async empty() {
      while (ends.size > 0) await Promise.all(ends.values());
    },
  };
}
