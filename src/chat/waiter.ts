/** Waits for a ring. A ring that comes before the wait is not lost. */
export interface Waiter {
  ring(): void;
  /** Ring after a while, unless it rings before: pieces of a text are shown together. Of two times the earlier counts. */
  ringIn(ms: number): void;
  /** Until it rings, `ms` pass or the signal fires. */
  wait(ms: number): Promise<void>;
  clear(): void;
}

export function createWaiter(signal: AbortSignal): Waiter {
  let rung = false;
  let wakeUp: () => void = () => undefined;
  let soon: NodeJS.Timeout | null = null;
  let soon_at = 0;
  const stop = () => wakeUp();
  signal.addEventListener('abort', stop);

  function ring(): void {
    rung = true;
    if (soon !== null) clearTimeout(soon);
    soon = null;
    wakeUp();
  }

  return {
    ring,
    ringIn(ms) {
      const at = performance.now() + ms;
      if (soon !== null && soon_at <= at) return;
      if (soon !== null) clearTimeout(soon);
      soon_at = at;
      soon = setTimeout(ring, ms);
    },
    async wait(ms) {
      if (!rung && !signal.aborted) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms);
          wakeUp = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      rung = false;
      wakeUp = () => undefined;
    },
    clear() {
      signal.removeEventListener('abort', stop);
      if (soon !== null) clearTimeout(soon);
    },
  };
}
