/** Lets so many through in one turn of the event loop, and whoever else is there in the following ones, in their order. */
export interface Turnstile {
  pass(): Promise<void>;
}

/**
 * What a thousand answers that begin or end in the same moment have to do would otherwise be done before anything else is:
 * renewals, Stops, the words of others. Alone, nobody waits.
 */
export function createTurnstile(most: number): Turnstile {
  const waiting: Array<() => void> = [];
  let passed = 0;

  function letThrough(): void {
    const next = waiting.splice(0, most);
    passed = next.length;
    if (passed === 0) return;
    setImmediate(letThrough);
    for (const go of next) go();
  }

  return {
    async pass() {
      if (passed === 0) setImmediate(letThrough);
      if (passed === most) return new Promise((resolve) => waiting.push(resolve));
      passed += 1;
      return undefined;
    },
  };
}
