/** Slack's time as the test sees it: real time plus what the test added. Timers fire by whichever comes first. */
export interface SlackClock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Let time pass at once; what falls due is started before this resolves. */
  advance(ms: number): Promise<void>;
  /** Run after `ms` of this clock's time. Returns how to cancel. */
  after(ms: number, run: () => void): () => void;
  /** Cancel everything that waits. */
  clear(): void;
}

interface Timer {
  due: number;
  fire(): void;
  handle: NodeJS.Timeout;
}

export function createSlackClock(): SlackClock {
  let offset = 0;
  const timers = new Set<Timer>();
  const now = () => Date.now() + offset;

  function drop(timer: Timer): void {
    clearTimeout(timer.handle);
    timers.delete(timer);
  }

  return {
    now,
    async advance(ms) {
      offset += ms;
      const due = [...timers].filter((timer) => timer.due <= now()).sort((a, b) => a.due - b.due);
      for (const timer of due) timer.fire();
      await new Promise((resolve) => setImmediate(resolve));
    },
    after(ms, run) {
      const fire = () => {
        drop(timer);
        run();
      };
      // unref: a retry in five minutes keeps no process alive.
      const timer: Timer = { due: now() + ms, fire, handle: setTimeout(fire, ms).unref() };
      timers.add(timer);
      return () => drop(timer);
    },
    clear() {
      for (const timer of timers) drop(timer);
    },
  };
}
