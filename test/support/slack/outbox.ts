import { deferred } from '../deferred.ts';
import type { SlackClock } from './clock.ts';
import { deliverHttp, type HttpTarget } from './http-delivery.ts';
import type { Acknowledgement, Envelope, SocketMode } from './socket-mode.ts';
import type { SlackWorkspace } from './workspace.ts';

/** "Nearly immediately, after 1 minute, after 5 minutes" (docs.slack.dev/apis/events-api#errors), then it is dropped. */
const RETRY_AFTER_MS = [0, 60_000, 300_000];

/** One delivery attempt of an event, for tests that count them. */
interface Attempt {
  event_id: string;
  type: string;
  /** Of the message that the event is about. */
  ts: string;
  retry: number;
  acked: boolean;
}

/** Delivers events and interactions to the app, over its socket or over HTTP. */
export interface Outbox {
  readonly attempts: Attempt[];
  /** Deliver over HTTP from now on; null goes back to Socket Mode. */
  target: HttpTarget | null;
  /** Deliver by this instead, to several gateways at once; what it resolves with is the answer that Slack takes. */
  everywhere: ((envelope: Envelope) => Promise<Acknowledgement>) | null;
  /** Every next event is delivered twice, at once. */
  duplicateNext(times?: number): void;
  /** The next event is delivered when the result is called. */
  holdNext(): () => void;
  event(event: Record<string, unknown>): void;
  /** The latest event of a person again, with the id it had. */
  redeliverLast(): Promise<Acknowledgement>;
  /** Deliver something once more, as it was: with a retry's headers, where it is an event. */
  again(envelope: Envelope): Promise<Acknowledgement>;
  /** Interactions and commands are delivered once; Slack does not repeat them. */
  interaction(envelope: Envelope): Promise<Acknowledgement>;
  /** Resolves when no delivery is under way (waiting for a retry is not under way). */
  idle(): Promise<void>;
  /** A delivery is under way, or one will be tried again. */
  isBusy(): boolean;
}

export function createOutbox(clock: SlackClock, workspace: SlackWorkspace, sockets: SocketMode): Outbox {
  const attempts: Attempt[] = [];
  const underway = new Set<Promise<unknown>>();
  let duplicates = 0;
  let waiting = 0;
  let last: Record<string, unknown> | undefined;
  /** What the next event waits for. */
  let until: Promise<void> | null = null;

  function send(envelope: Envelope): Promise<Acknowledgement> {
    if (outbox.everywhere !== null) return outbox.everywhere(envelope);
    return outbox.target === null ? sockets.send(envelope) : deliverHttp(clock, outbox.target, envelope);
  }

  function track<T>(work: Promise<T>): Promise<T> {
    underway.add(work);
    void work.finally(() => underway.delete(work));
    return work;
  }

  const enterprise_id = workspace.enterprise?.id ?? null;

  function callback(event: Record<string, unknown>): Record<string, unknown> {
    return {
      token: 'verification-token',
      team_id: workspace.team_id,
      ...(enterprise_id !== null && { enterprise_id }),
      api_app_id: workspace.app_id,
      event,
      type: 'event_callback',
      event_id: workspace.nextId('Ev'),
      event_time: Math.floor(clock.now() / 1_000),
      authorizations: [
        {
          enterprise_id,
          team_id: workspace.team_id,
          user_id: workspace.bot_user_id,
          is_bot: true,
          is_enterprise_install: enterprise_id !== null,
        },
      ],
      is_ext_shared_channel: false,
    };
  }

  async function attempt(payload: Record<string, unknown>, retry: number): Promise<Acknowledgement> {
    const again = retry === 0 ? {} : { retry_attempt: retry, retry_reason: 'timeout' };
    const ack = await send({ type: 'events_api', payload, ...again });
    const { event } = payload;
    const about: { type?: unknown; ts?: unknown } = typeof event === 'object' && event !== null ? event : {};
    const [type, ts] = [about.type, about.ts].map((value) => (typeof value === 'string' ? value : ''));
    attempts.push({ event_id: String(payload.event_id), type: type ?? '', ts: ts ?? '', retry, acked: ack.acked });
    const wait = RETRY_AFTER_MS[retry];
    if (!ack.acked && wait !== undefined) {
      waiting += 1;
      clock.after(wait, () => {
        waiting -= 1;
        void track(attempt(payload, retry + 1));
      });
    }
    return ack;
  }

  const outbox: Outbox = {
    attempts,
    target: null,
    everywhere: null,
    duplicateNext(times = 1) {
      duplicates += times;
    },
    holdNext() {
      const { promise, resolve } = deferred<void>();
      until = promise;
      return resolve;
    },
    event(event) {
      const payload = callback(event);
      // What the bot wrote itself is no news to it: a repeat is about what people did.
      if (!('bot_id' in event)) last = payload;
      const held = until;
      until = null;
      void track(held === null ? attempt(payload, 0) : held.then(() => attempt(payload, 0)));
      if (duplicates > 0) {
        duplicates -= 1;
        void track(attempt(payload, 0));
      }
    },
    redeliverLast() {
      if (last === undefined) throw new Error('No event was delivered yet');
      return track(attempt(last, 1));
    },
    again: (envelope) =>
      track(
        send(envelope.type === 'events_api' ? { ...envelope, retry_attempt: 1, retry_reason: 'timeout' } : envelope),
      ),
    interaction: (envelope) => track(send(envelope)),
    async idle() {
      while (underway.size > 0) await Promise.allSettled(underway);
    },
    isBusy: () => underway.size + waiting > 0,
  };
  return outbox;
}
