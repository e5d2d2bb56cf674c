import { deferred } from '../deferred.ts';
import type { Arguments } from './arguments.ts';
import type { SlackClock } from './clock.ts';

/** What goes wrong with one call of a method. `lost` happens after the method was applied, the others instead of it. */
type Fault =
  | { kind: 'lost' }
  | { kind: 'rate_limited'; retry_after_s: number }
  | { kind: 'status'; status: number }
  | { kind: 'error'; error: string }
  | { kind: 'held'; reached: () => void; ending: Promise<'taken' | 'dropped'> };

/** Calls that have reached Slack and are not looked at yet. */
export interface HeldCall {
  /** Resolves when one is there. */
  reached: Promise<void>;
  /** `taken`: applied now, whether or not anybody still waits for the answer. `dropped`: it never got here. */
  end(how: 'taken' | 'dropped'): void;
}

export interface SlackFaults {
  /** The next call of any of these methods is applied and its connection closed without an answer. */
  loseResponse(...methods: string[]): void;
  /** The next call of any of these methods waits until the test says what becomes of it. */
  hold(...methods: string[]): HeldCall;
  /** 429 with Retry-After in whole seconds. */
  rateLimit(methods: string | string[], retryAfterSeconds: number, times?: number): void;
  /** Posts in this channel are 429 for so long by this Slack's clock, whoever makes them; `Retry-After` says what is left. */
  limitChannel(channel: string, seconds: number): void;
  /** A bare HTTP status, as when a proxy fails. */
  fail(methods: string | string[], status: number, times?: number): void;
  /** `{ok: false, error}`. */
  refuse(methods: string | string[], error: string, times?: number): void;
}

export interface FaultPlan extends SlackFaults {
  /** The fault of this call, used up by it unless it lasts. */
  take(method: string, args: Arguments): Fault | undefined;
}

const POSTING: ReadonlySet<string> = new Set(['chat.postMessage', 'chat.startStream']);

export function createFaultPlan(clock: Pick<SlackClock, 'now'>): FaultPlan {
  /** When each ends. */
  const limited = new Map<string, number>();
  const planned: { methods: string[]; fault: Fault }[] = [];

  function plan(methods: string | string[], fault: Fault, times = 1): void {
    for (let n = 0; n < times; n += 1) planned.push({ methods: [methods].flat(), fault });
  }

  return {
    loseResponse: (...methods) => plan(methods, { kind: 'lost' }),
    hold(...methods) {
      const reached = deferred<void>();
      const ending = deferred<'taken' | 'dropped'>();
      plan(methods, { kind: 'held', reached: reached.resolve, ending: ending.promise });
      return { reached: reached.promise, end: ending.resolve };
    },
    rateLimit: (methods, seconds, times) => plan(methods, { kind: 'rate_limited', retry_after_s: seconds }, times),
    fail: (methods, status, times) => plan(methods, { kind: 'status', status }, times),
    refuse: (methods, error, times) => plan(methods, { kind: 'error', error }, times),
    limitChannel: (channel, seconds) => void limited.set(channel, clock.now() + seconds * 1_000),
    take(method, args) {
      const left = POSTING.has(method) ? (limited.get(String(args['channel'])) ?? 0) - clock.now() : 0;
      if (left > 0) return { kind: 'rate_limited', retry_after_s: Math.ceil(left / 1_000) };
      const index = planned.findIndex(({ methods }) => methods.includes(method));
      return index < 0 ? undefined : planned.splice(index, 1)[0]?.fault;
    },
  };
}
