import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../errors.ts';
import { isInput, type LogEntry } from '../session/event.ts';
import type { SessionLog, SessionRef } from '../session/log.ts';
import { timeLimit } from '../signals.ts';
import { type Connector, PostRefusedError, RateLimitedError } from './connector.ts';
import type { PostDeps } from './post.ts';

/** Tries of one call; a mark is a courtesy. */
const TRIES = 3;
const CALL_MS = 5_000;
/** By so much may the clock of whoever appended a message be ahead of this one's. */
const CLOCKS_MS = 60_000;
/** Messages of an ended session that are looked at for marks of another gateway's. */
const LEFT = 50;
/** Entries before a message among which its run's begin or end is looked for, before the log is asked. */
const NEAR = 20;

/**
 * Marks on people's messages that came while the agent was at work, until it takes them up: they show that somebody was
 * heard. All follows from the log, so a gateway that goes on with the session goes on with them; doing it twice changes
 * nothing. Nobody waits for them, and one that fails stays away.
 */
export interface Marks {
  /** Every entry, in order, before it is shown; what came together at once. */
  take(entries: readonly LogEntry[]): void;
  /** Where whoever goes on has to begin for what is not marked yet; null: with what is new. */
  readonly unshown_from: number | null;
}

interface MarkDeps extends Pick<PostDeps, 'pace' | 'conversation' | 'logger' | 'retry_ms' | 'signal'> {
  connector: Pick<Connector, 'name' | 'limits' | 'react'>;
  log: Pick<SessionLog, 'find' | 'query' | 'readPage'>;
  ref: SessionRef;
  /** Nothing is left to be done. */
  onQuiet(): void;
}

export function createMarks(deps: MarkDeps): Marks {
  const { connector, conversation, log, ref, logger, signal } = deps;
  const react = connector.react?.bind(connector);
  /** Inputs that were seen here, and those of them that were taken up before anybody could mark them. */
  const seen = new Set<string>();
  const taken_up = new Set<string>();
  /** Marked messages by the id of their event. */
  const marked = new Map<string, string>();
  const waiting: LogEntry[] = [];
  const began = Date.now();
  /** Whether a run is under way; null: what was before is not known here. */
  let in_run: boolean | null = null;
  let is_busy = false;

  async function mark(message_id: string, on: boolean): Promise<void> {
    if (react === undefined) return;
    const place = {
      name: `marks:${conversation.connector}/${conversation.tenant}`,
      interval_ms: connector.limits.edit_interval_ms,
    };
    for (let attempt = 1; ; attempt += 1) {
      const call = async () => {
        using limit = timeLimit(CALL_MS, [signal]);
        await react(conversation, message_id, on, limit.signal);
      };
      try {
        await deps.pace.run(place, call, signal);
        return;
      } catch (error) {
        signal.throwIfAborted();
        logger.debug({ ...ref, message_id, on, attempt, reason: messageOf(error) }, 'a message was not marked');
        if (error instanceof PostRefusedError || error instanceof RateLimitedError || attempt === TRIES) return;
      }
      await sleep(deps.retry_ms * 2 ** (attempt - 1), undefined, { signal });
    }
  }

  /** Whether a run was under way before this entry. */
  async function runBefore({ seq }: LogEntry): Promise<boolean> {
    if (seq === 1) return false;
    const from = Math.max(0, seq - 1 - NEAR);
    const near = (await log.readPage(ref, from, seq - 1 - from)).entries;
    const known = near.findLast(({ event }) => runAfter(event) !== null);
    if (known !== undefined || from === 0) return runAfter(known?.event) ?? false;
    const types = ['session.status_running', 'session.status_idle', 'session.status_terminated'] as const;
    const [last] = await log.query({ ...ref, types, before_seq: seq, order: 'desc', limit: 1 });
    return runAfter(last?.event) ?? false;
  }

  async function hear(entry: LogEntry): Promise<void> {
    const { event } = entry;
    in_run = runAfter(event) ?? in_run;
    if (event.type === 'user.message' && entry.message_id !== undefined && entry.by?.via === connector.name) {
      in_run ??= await runBefore(entry);
      if (taken_up.delete(event.id)) {
        // Who showed the session before may have marked it.
        if (in_run && entry.created_at.getTime() < began + CLOCKS_MS) marked.set(event.id, entry.message_id);
        return;
      }
      if (!in_run) return;
      marked.set(event.id, entry.message_id);
      await mark(entry.message_id, true);
    }
    if (event.type === 'deckhand.input_processed') await takeOff(event.event_ids);
    if (event.type === 'session.status_terminated') await takeOffRest(entry);
  }

  /** What nobody will take up any more. */
  async function takeOffRest({ seq }: LogEntry): Promise<void> {
    const types = ['user.message'] as const;
    const inputs = await log.query({ ...ref, types, before_seq: seq, order: 'desc', limit: LEFT });
    const left = inputs.filter(({ event }) => event.type === 'user.message' && event.processed_at === null);
    await takeOff([...new Set([...marked.keys(), ...left.map(({ event }) => event.id)])]);
  }

  async function takeOff(event_ids: string[]): Promise<void> {
    const before = event_ids.filter((id) => !seen.has(id));
    // Another gateway saw them, and may have marked them.
    const found = before.length === 0 ? [] : await log.find(ref, before);
    for (const { event, message_id } of found) if (message_id !== undefined) marked.set(event.id, message_id);
    for (const id of event_ids) {
      const message_id = marked.get(id);
      marked.delete(id);
      if (message_id !== undefined) await mark(message_id, false);
    }
  }

  async function work(): Promise<void> {
    is_busy = true;
    for (let entry = waiting[0]; entry !== undefined; entry = waiting[0]) {
      await hear(entry).catch((err: unknown) => {
        if (!signal.aborted) logger.debug({ err, ...ref }, 'messages were not marked');
      });
      // What was broken off is done by whoever goes on.
      if (signal.aborted) break;
      waiting.shift();
    }
    is_busy = false;
    deps.onQuiet();
  }

  return {
    take(entries) {
      if (react === undefined) return;
      for (const entry of entries) {
        const { event } = entry;
        if (isInput(event)) seen.add(event.id);
        if (event.type === 'deckhand.input_processed') {
          for (const { event: input } of waiting) if (event.event_ids.includes(input.id)) taken_up.add(input.id);
        }
        const is_about = event.type === 'user.message' || event.type === 'deckhand.input_processed';
        if (is_about || runAfter(event) !== null) waiting.push(withoutContent(entry));
      }
      if (waiting.length > 0 && !is_busy) void work();
    },
    get unshown_from() {
      return waiting[0]?.seq ?? null;
    },
  };
}

/** All that a mark needs: thousands may wait where a platform takes one a second. */
function withoutContent(entry: LogEntry): LogEntry {
  const { event } = entry;
  return event.type === 'user.message' ? { ...entry, event: { ...event, content: [] } } : entry;
}

/** Whether a run is under way after this event; null: as before. One that waits for a person is. */
function runAfter(event: LogEntry['event'] | undefined): boolean | null {
  switch (event?.type) {
    case 'session.status_running':
      return true;
    case 'session.status_idle':
      return event.stop_reason.type === 'requires_action';
    case 'session.status_terminated':
      return false;
    default:
      return null;
  }
}
