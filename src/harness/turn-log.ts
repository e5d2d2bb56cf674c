import { LogMovedError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { EventOf, LogEntry, NewEntry, SessionEvent } from '../session/event.ts';
import { newId } from '../session/id.ts';
import type { Lease, SessionLog } from '../session/log.ts';
import { pagesAfter } from '../session/log-reading.ts';
import type { SessionState } from '../session/session-state.ts';
import { fold } from '../session/state.ts';
import type { StateCache } from './state-cache.ts';

export interface AppendOptions {
  /** Whether a turn is still owed afterwards; asked of the state that `build` last saw. Absent: unchanged. */
  owed?: (state: SessionState) => boolean;
  /** Give the lease back with this append: it is the turn's last. */
  release?: boolean;
}

/** The log as a running turn sees it: what it has read, what it appends, and the state that both give. */
export interface TurnLog {
  readonly state: SessionState;
  /** Read what others appended (inputs) since. */
  refresh(): Promise<SessionState>;
  /**
   * Append what `build` makes of the current state. When somebody else appended meanwhile, the state is refreshed and
   * `build` asked again; null means that it no longer wants to. Now and then a checkpoint is saved: this is what bounds
   * what another worker reads that goes on, however long the run is. @throws LeaseLostError
   */
  append(build: (state: SessionState) => SessionEvent[] | null, options?: AppendOptions): Promise<LogEntry[] | null>;
}

export function openTurnLog(
  deps: { log: SessionLog; states: StateCache; logger: Logger },
  lease: Lease,
  initial: SessionState,
): TurnLog {
  let state = initial;
  // One reader or writer at a time: a refresh in the middle of an append would fold the same entries twice.
  let busy: Promise<unknown> = Promise.resolve();

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = busy.then(work, work);
    busy = next.catch(() => undefined);
    return next;
  }

  function accept(entries: LogEntry[]): void {
    if (entries.length === 0) return;
    state = fold(entries, state);
    deps.states.put(lease, state);
  }

  async function readNew(): Promise<SessionState> {
    for await (const page of pagesAfter(deps.log, lease, state.seq)) accept(page);
    return state;
  }

  async function append(
    build: (state: SessionState) => SessionEvent[] | null,
    options: AppendOptions,
  ): Promise<LogEntry[] | null> {
    for (;;) {
      const events = build(state);
      if (events === null) return null;
      if (events.length === 0 && options.owed === undefined && options.release !== true) return [];
      const entries: NewEntry[] = events.map((event) => ({ event }));
      try {
        const appended = await deps.log.append({
          ...lease,
          lease,
          after: state.seq,
          entries,
          release: options.release === true,
          ...(options.owed === undefined ? {} : { owed: options.owed(state) }),
        });
        accept(appended);
        return appended;
      } catch (error) {
        if (!(error instanceof LogMovedError)) throw error;
        await readNew();
      }
    }
  }

  async function checkpoint(): Promise<void> {
    const { workspace_id, session_id } = lease;
    await deps.states.checkpoint(lease).catch((err: unknown) => {
      deps.logger.warn({ err, workspace_id, session_id }, 'no checkpoint was saved; a later append tries again');
    });
  }

  return {
    get state() {
      return state;
    },
    refresh: () => inTurn(readNew),
    async append(build, options = {}) {
      const appended = await inTurn(() => append(build, options));
      // Not in turn: a Stop is seen meanwhile.
      await checkpoint();
      return appended;
    },
  };
}

/** Id and time for a new event of the agent's. */
export function stamp(now: () => number): { id: string; processed_at: string } {
  const at = now();
  return { id: newId('sevt', at), processed_at: new Date(at).toISOString() };
}

/** These inputs have taken effect. */
export function processedEvent(event_ids: string[], now: () => number): EventOf<'deckhand.input_processed'> {
  return { ...stamp(now), type: 'deckhand.input_processed', event_ids };
}

/** A run's first event, unless it is running already. */
export function runningEvents(state: SessionState, now: () => number): SessionEvent[] {
  return state.status === 'running' ? [] : [{ ...stamp(now), type: 'session.status_running' }];
}

export const NOT_OWED = (): boolean => false;
