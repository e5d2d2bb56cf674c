/** What was opened and must be closed, last first. (Node 20 has no AsyncDisposableStack.) */
export interface Cleanup extends AsyncDisposable {
  defer(close: () => Promise<unknown>): void;
}

/** Disposing runs every close, also after one of them failed, and then throws the first failure. */
export function createCleanup(): Cleanup {
  const closes: Array<() => Promise<unknown>> = [];
  return {
    defer: (close) => void closes.push(close),
    async [Symbol.asyncDispose]() {
      const failures: unknown[] = [];
      for (const close of closes.splice(0).reverse()) {
        await close().catch((error: unknown) => failures.push(error));
      }
      if (failures.length > 0) throw failures[0];
    },
  };
}
