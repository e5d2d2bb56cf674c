import { messageOf, NotFoundError } from '../errors.ts';
import type { EventType, NewEntry, SessionEvent } from '../session/event.ts';
import type { Lease } from '../session/log.ts';
import { requestEnd } from './reply.ts';
import { stamp } from './turn-log.ts';
import type { TurnDeps } from './turn-parts.ts';

/** Signs of a run that gets on, or ended: failures before them no longer count. */
const FRESH_STARTS: readonly EventType[] = ['user.message', 'deckhand.model_reply', 'session.status_idle'];

const REQUEST_MARKS: readonly EventType[] = ['span.model_request_start', 'span.model_request_end'];

/**
 * A turn broke for a reason that is not Claude's. Say so in the log and give the session back: the sweep tries again, and
 * at the last of `max_failures` in a row the run ends in words, so that no session fails for ever and in silence. Nothing
 * here depends on the state, which may be what is broken. Without a database nothing is counted, and the lease runs out.
 *
 * @returns whether the session is gone.
 */
export async function failTurn(deps: TurnDeps, lease: Lease, error: unknown): Promise<boolean> {
  const { log, timings } = deps;
  try {
    const { seq, owed: isOwed } = await log.head(lease);
    if (!isOwed) {
      // A wake too many: nobody waits for anything, and nobody would come back to a session said to be rescheduled.
      await log.release(lease);
      return false;
    }
    const recent = await log.query({
      workspace_id: lease.workspace_id,
      session_id: lease.session_id,
      types: [...FRESH_STARTS, 'session.error'],
      order: 'desc',
      limit: timings.max_failures,
    });
    const fresh = recent.findIndex(({ event }) => event.type !== 'session.error');
    const failures = (fresh === -1 ? recent.length : fresh) + 1;
    const last = failures >= timings.max_failures;
    const { workspace_id, session_id } = lease;
    const events = [...(await openRequestEnd(deps, lease)), ...failureEvents(last, deps.now)];
    const entries = events.map((event): NewEntry => ({ event }));
    // Still owed until the last: the sweep's pace is the wait between two tries.
    const owed = last ? { owed: false } : {};
    await log.append({ workspace_id, session_id, lease, after: seq, entries, release: true, ...owed });
    deps.logger.warn({ session_id, failures, reason: messageOf(error) }, 'turn broke');
    return false;
  } catch (second) {
    if (second instanceof NotFoundError) return true;
    await log.release(lease).catch(() => undefined);
    return false;
  }
}

/** Of a request that the turn had begun: it is over, and the next turn must not count it as one more that was lost. */
async function openRequestEnd({ log, now }: TurnDeps, { workspace_id, session_id }: Lease): Promise<SessionEvent[]> {
  const [latest] = await log.query({ workspace_id, session_id, types: REQUEST_MARKS, order: 'desc', limit: 1 });
  if (latest?.event.type !== 'span.model_request_start') return [];
  return [requestEnd({ request_id: latest.event.id, usage: null }, true, now)];
}

function failureEvents(last: boolean, now: () => number): SessionEvent[] {
  const message = last
    ? 'Something keeps going wrong on my side, so I stopped. The log of the worker says what.'
    : 'Something went wrong on my side.';
  const retry_status = { type: last ? ('exhausted' as const) : ('retrying' as const) };
  return [
    { ...stamp(now), type: 'session.error', error: { type: 'unknown_error', message, retry_status } },
    last
      ? { ...stamp(now), type: 'session.status_idle', stop_reason: { type: 'retries_exhausted' }, stop_details: null }
      : { ...stamp(now), type: 'session.status_rescheduled' },
  ];
}
