/** What was opened and must be closed, last first. (Node 20 has no AsyncDisposableStack.) */
export interface Cleanup {
  [Symbol.asyncDispose](): Promise<void>;
  defer(close: () => PromiseLike<unknown>): void;
}

/** Disposing runs every close, also after one of them failed, and then throws the first failure. */
export function createCleanup(): Cleanup {
  const closes: Array<() => PromiseLike<unknown>> = [];
  return {
    defer: (close) => void closes.push(close),
    async [Symbol.asyncDispose]() {
      const failures: unknown[] = [];
      for (const close of closes.splice(0).reverse()) {
        try {
          await close();
        } catch (error) {
          failures.push(error);
        }
      }
      if (failures.length > 0) throw failures[0];
    },
  };
}
