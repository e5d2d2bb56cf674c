import type {
  BetaManagedAgentsSessionDeletedEvent,
  BetaManagedAgentsStreamSessionEvents,
} from '@anthropic-ai/sdk/resources/beta/sessions/events';
import type { BetaManagedAgentsDeltaType } from '@anthropic-ai/sdk/resources/beta/sessions/sessions';
import type { Response } from 'express';
import { LRUCache } from 'lru-cache';
import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import {
  type EventOf,
  type InputEvent,
  isDeckhandEvent,
  isInput,
  type LogEntry,
  type SessionEvent,
} from '../session/event.ts';
import type { SessionFeeds } from '../session/feed.ts';
import type { PreviewEvent } from '../session/hints.ts';
import { newId } from '../session/id.ts';
import type { SessionLog, SessionRef } from '../session/log.ts';
import type { Unread } from './unread.ts';

export interface StreamDeps {
  log: Pick<SessionLog, 'find'>;
  feeds: Pick<SessionFeeds, 'open'>;
  /** What waits for clients that read slowly, of all streams. */
  unread: Unread;
  logger: Logger;
}

/** Keeps proxies from closing a quiet stream; the SDK skips pings. */
const PING_MS = 15_000;
/** A client that takes nothing for this long is let go: it can list what it missed. */
const STALL_MS = 30_000;
/** Inputs that wait to be taken up and are kept for it, and their weight together; others are looked up. */
const MOST_WAITING = 100;
const MOST_WAITING_BYTES = 256 * 1024;
/** Batches and previews on their way to one client's socket. */
const MOST_QUEUED = 100;

/**
 * Server-sent events of a session from now on, until the client goes or the session is deleted. Nothing is replayed: a
 * client opens the stream, then lists, and drops what it has seen. An input comes when it is sent and again, with
 * `processed_at`, when a turn takes it up.
 *
 * A client that reads slowly is sent no faster than it reads: at most one event waits for its socket, the next ones are
 * read from the log when it is ready, and previews it is too slow for are left out. It is let go when it takes nothing for
 * `STALL_MS`, or when what waits for all such clients together needs its room. @throws NotFoundError before anything
 * is sent
 */
export async function streamEvents(
  deps: StreamDeps,
  ref: SessionRef,
  deltas: readonly BetaManagedAgentsDeltaType[],
  res: Response,
): Promise<void> {
  const started = new Set<string>();
  const waiting = new LRUCache<string, InputEvent>({
    max: MOST_WAITING,
    maxSize: MOST_WAITING_BYTES,
    sizeCalculation: (input) => sharedFrame(input).length,
  });
  let queued = 0;
  let begin: () => void = () => undefined;
  // One batch after the other, although looking up an input takes a moment, and none before the headers.
  let sending = new Promise<void>((resolve) => {
    begin = resolve;
  });
  let over = false;

  function write(frame: string | Buffer): void {
    if (over || res.destroyed) return;
    // What is written in one tick leaves together.
    res.cork();
    res.write(frame);
    process.nextTick(() => res.uncork());
  }

  function emit(event: BetaManagedAgentsStreamSessionEvents): void {
    write(frameOf(event));
  }

  /** The socket has taken what was written, `frame` last. A client that does not let it within `STALL_MS` is let go. */
  async function drained(frame: Buffer): Promise<void> {
    if (over || res.destroyed || !res.writableNeedDrain) return;
    // What it misses of a growing text meanwhile leaves a gap.
    started.clear();
    await new Promise<void>((resolve) => {
      const letGo = (): void => {
        deps.logger.warn({ ...ref, unread_bytes: res.writableLength }, 'dropped a reader that does not read');
        res.destroy();
      };
      const release = deps.unread.hold(ref.workspace_id, frame, letGo);
      const stalled = setTimeout(letGo, STALL_MS);
      const done = (): void => {
        clearTimeout(stalled);
        release();
        res.off('drain', done);
        res.off('close', done);
        resolve();
      };
      res.on('drain', done);
      res.on('close', done);
    });
  }

  async function sendFrame(frame: Buffer): Promise<void> {
    write(frame);
    await drained(frame);
  }

  async function sendEntries(entries: readonly LogEntry[]): Promise<void> {
    for (const { event } of entries) {
      if (event.type === 'deckhand.input_processed') await sendProcessed(event);
      else if (!isDeckhandEvent(event)) {
        if (isInput(event)) waiting.set(event.id, event);
        started.delete(event.id);
        await sendFrame(sharedFrame(event));
      }
    }
  }

  async function sendProcessed({ event_ids, processed_at }: EventOf<'deckhand.input_processed'>): Promise<void> {
    // As many as are read at a time, in place of what was read before.
    let found: ReadonlyMap<string, InputEvent> = new Map();
    for (const [index, id] of event_ids.entries()) {
      if (!waiting.has(id) && !found.has(id)) {
        const unknown = event_ids.slice(index).filter((other) => !waiting.has(other));
        found = await lookUp(deps.log, ref, unknown);
      }
      const input = waiting.get(id) ?? found.get(id);
      waiting.delete(id);
      if (input === undefined) continue;
      await sendFrame(processedFrame(input, processed_at));
    }
  }

  function sendPreview(event: PreviewEvent): void {
    if (event.type === 'event_start' && deltas.includes(event.event.type)) {
      // `agent.thinking` is a sign that thinking began, and no more.
      if (event.event.type === 'agent.message') started.add(event.event.id);
      emit(event);
    } else if (event.type === 'event_delta' && started.has(event.event_id)) emit(event);
    else if (event.type === 'preview_dropped') started.delete(event.event_id);
  }

  function finish(): void {
    over = true;
    res.end();
  }

  function after(work: () => void | Promise<void>): Promise<void> {
    queued += 1;
    sending = sending
      .then(work)
      .catch((error: unknown) => {
        // A gap must not go unnoticed: without its connection the client lists again.
        deps.logger.warn({ ...ref, reason: messageOf(error) }, 'event stream broke off');
        res.destroy();
      })
      .finally(() => {
        queued -= 1;
      });
    return sending;
  }

  /** What comes now had better come later: the client, or the database, is behind. */
  function isBehind(): boolean {
    return res.writableNeedDrain || queued > MOST_QUEUED;
  }

  const close = await deps.feeds.open(ref, {
    onEntries(entries) {
      const sent = after(() => sendEntries(entries));
      return isBehind() ? sent : undefined;
    },
    onPreview(event) {
      if (isBehind()) started.clear();
      else void after(() => sendPreview(event));
    },
    onDeleted: () =>
      void after(() => {
        const processed_at = new Date().toISOString();
        const deleted: BetaManagedAgentsSessionDeletedEvent = {
          id: newId('sevt'),
          type: 'session.deleted',
          processed_at,
        };
        emit(deleted);
        finish();
      }),
    // A whole answer, so that the client opens its next stream elsewhere instead of seeing an error.
    onStopped: () => void after(finish),
  });
  const ping = setInterval(() => res.writableNeedDrain || write(PING), PING_MS);
  const stop = (): void => {
    over = true;
    clearInterval(ping);
    close().catch((error: unknown) => deps.logger.warn({ ...ref, reason: messageOf(error) }, 'could not close a feed'));
  };
  if (res.destroyed) {
    stop();
    return;
  }
  res.on('close', stop);
  res.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache, no-transform',
    // Whose stream ends because this gateway leaves would send the next request into a connection that is being closed.
    connection: 'close',
    'x-accel-buffering': 'no',
  });
  // The stream stands from here on: what is appended after the client sees the headers will arrive.
  res.flushHeaders();
  begin();
}

const PING = 'event: ping\ndata: {"type":"ping"}\n\n';

function frameOf(event: { type: string }): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}

const frames = new WeakMap<object, Buffer>();

/** An event as all who watch its session are sent it: the same bytes, once in memory. */
function sharedFrame(event: SessionEvent): Buffer {
  const known = frames.get(event);
  if (known !== undefined) return known;
  const frame = Buffer.from(frameOf(event));
  frames.set(event, frame);
  return frame;
}

/** By the inputs as they came, which are taken up once. */
const processedFrames = new WeakMap<InputEvent, Buffer>();

/** An input that was taken up, as all are sent it who had it from one read. */
function processedFrame(input: InputEvent, processed_at: string): Buffer {
  const known = processedFrames.get(input);
  if (known !== undefined) return known;
  const taken: InputEvent = { ...input, processed_at };
  const frame = Buffer.from(frameOf(taken));
  processedFrames.set(input, frame);
  return frame;
}

/** Reads under way of inputs that were taken up, by the log and what is read. */
const lookUps = new WeakMap<object, Map<string, Promise<ReadonlyMap<string, InputEvent>>>>();

/** All who watch a session ask for the same at the same moment: it is read once, however many they are and however large it is. */
function lookUp(log: StreamDeps['log'], ref: SessionRef, ids: string[]): Promise<ReadonlyMap<string, InputEvent>> {
  const underway = lookUps.get(log) ?? new Map<string, Promise<ReadonlyMap<string, InputEvent>>>();
  lookUps.set(log, underway);
  const key = [ref.workspace_id, ref.session_id, ...ids].join();
  const known = underway.get(key);
  if (known !== undefined) return known;
  const read = log
    .find(ref, ids)
    .then((entries) => new Map(entries.flatMap(({ event }) => (isInput(event) ? [[event.id, event]] : []))))
    .finally(() => underway.delete(key));
  underway.set(key, read);
  return read;
}
