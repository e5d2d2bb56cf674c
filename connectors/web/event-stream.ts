import type { Response } from 'express';
import type { Person } from '../../src/chat/place.ts';
import type { ConversationStore } from './conversation-store.ts';
import type { Bell, ConversationHint } from './hints.ts';
import { wireMessage } from './message-document.ts';
import type { MessageStore } from './message-store.ts';
import type { StreamEvents } from './wire.ts';

/**
 * One open page: server-sent events about its conversation and its list.
 *
 * The stream holds a cursor, the last revision it wrote. A hint only marks it dirty; a single pump reads what is later
 * than the cursor, one batch at a time, and waits for the socket to drain in between. So memory is bounded by one batch
 * and the deltas below, whatever the reader's speed, and nothing is lost or sent twice. A reader that takes nothing for
 * `STALL_MS`, or lets more than `MOST_BUFFERED` pile up, is dropped; it resumes from its last event id.
 */
export interface EventStream {
  /** Ends when the page goes away, stalls, or `close` is called. */
  readonly ended: Promise<void>;
  close(): void;
}

interface StreamDeps {
  messages: MessageStore;
  conversations: ConversationStore;
  bell: Bell;
  /** False once the sign-in has ended. */
  isSignedIn: () => Promise<boolean>;
  onError: (error: unknown) => void;
}

interface StreamRequest {
  person: Person;
  /** Null: the list only. */
  conversationId: string | null;
  /** Send what changed after this revision. */
  after: number;
}

const BATCH = 50;
/** Bytes a socket may hold unsent before the reader is dropped. */
const MOST_BUFFERED = 1_048_576;
/** Characters of deltas kept while the pump is busy; beyond it they are let go, the stored text follows anyway. */
const MOST_DELTAS = 65_536;
const STALL_MS = 30_000;
/** A heartbeat; with it the stream also looks for itself, in case a hint was lost. */
const BEAT_MS = 10_000;

export function openEventStream(deps: StreamDeps, request: StreamRequest, response: Response): EventStream {
  const { person, conversationId } = request;
  const ended = new AbortController();
  let cursor = request.after;
  let dirty = true;
  let pumping = false;
  let deltas: StreamEvents['delta'][] = [];
  let deltaLength = 0;
  let ready = false;
  let isSummaryOwed = true;
  /** Whatever changes from now on will be noticed. */
  let isListening = false;
  const subscriptions: Promise<() => Promise<void>>[] = [];

  function send<E extends keyof StreamEvents>(event: E, data: StreamEvents[E], id?: number): boolean {
    // An announcement may still be on its way when the stream ends.
    if (ended.signal.aborted) return true;
    const frame = `event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`;
    const flowing = response.write(frame);
    if (response.writableLength > MOST_BUFFERED) close();
    return flowing;
  }

  async function pump(): Promise<void> {
    if (pumping || ended.signal.aborted) return;
    pumping = true;
    try {
      while (dirty && !ended.signal.aborted) {
        dirty = false;
        if (conversationId !== null) await sendChanges(conversationId);
      }
      if (isSummaryOwed) await sendSummary();
      if (isListening && !ready) {
        ready = true;
        send('ready', { cursor });
      }
      const kept = deltas;
      deltas = [];
      deltaLength = 0;
      for (const delta of kept) send('delta', delta);
    } catch (error) {
      // The page comes back by itself and resumes.
      deps.onError(error);
      close();
    } finally {
      pumping = false;
    }
    if (dirty) void pump();
  }

  /** What is announced to a person is not stored as a change, so a stream opens with it and repeats it now and then. */
  async function sendSummary(): Promise<void> {
    isSummaryOwed = false;
    const summary = conversationId === null ? null : await deps.conversations.get(conversationId);
    if (summary !== null) send('conversation', summary);
  }

  async function sendChanges(id: string): Promise<void> {
    const { messages, more } = await deps.messages.changedAfter(id, person.id, cursor, BATCH);
    for (const document of messages) {
      if (ended.signal.aborted) return;
      cursor = document.revision;
      if (!send('message', wireMessage(document), cursor)) await drained();
    }
    if (more) dirty = true;
  }

  function drained(): Promise<void> {
    return new Promise((resolve) => {
      const stalled = setTimeout(close, STALL_MS);
      const done = () => {
        clearTimeout(stalled);
        response.off('drain', done);
        ended.signal.removeEventListener('abort', done);
        resolve();
      };
      if (ended.signal.aborted) return done();
      response.on('drain', done);
      ended.signal.addEventListener('abort', done);
    });
  }

  function onHint(hint: ConversationHint): void {
    if (ended.signal.aborted) return;
    if (hint.type === 'changed') {
      if (hint.revision <= cursor) return;
      dirty = true;
      void pump();
    } else if (!pumping && ready) {
      send('delta', hint.delta);
    } else if (deltaLength + hint.delta.text.length <= MOST_DELTAS) {
      deltaLength += hint.delta.text.length;
      deltas.push(hint.delta);
    }
  }

  async function beat(): Promise<void> {
    if (!(await deps.isSignedIn())) {
      send('signed_out', {});
      close();
      return;
    }
    send('ping', {});
    await lookAgain();
  }

  async function lookAgain(): Promise<void> {
    dirty = true;
    isSummaryOwed = true;
    isListening = true;
    await pump();
  }

  function close(): void {
    if (ended.signal.aborted) return;
    ended.abort();
    clearInterval(heart);
    response.end();
    // `end` waits for a reader that may never read.
    setTimeout(() => response.destroy(), 1_000).unref();
    for (const subscription of subscriptions) {
      // One that never stood was reported already.
      subscription.then((off) => off().catch(deps.onError)).catch(() => undefined);
    }
  }

  const heart = setInterval(() => {
    beat().catch((error: unknown) => {
      deps.onError(error);
      close();
    });
  }, BEAT_MS);
  response.on('close', close);
  response.on('error', close);
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    // Whose stream ends because this gateway leaves would send the next request into a connection that is being closed.
    connection: 'close',
    // Proxies that buffer (nginx) hold events back otherwise.
    'x-accel-buffering': 'no',
  });
  response.write('retry: 1000\n\n');

  subscriptions.push(deps.bell.onAnnounce(person.id, (summary) => send('conversation', summary)));
  if (conversationId !== null) subscriptions.push(deps.bell.onRing(conversationId, onHint));
  void pump();
  // Look again once the subscriptions stand: a change before that is found, a change after it rings. Where they cannot
  // stand (the hints are away), the heartbeat looks.
  Promise.all(subscriptions).catch(deps.onError).then(lookAgain).catch(deps.onError);

  return {
    ended: new Promise((resolve) => ended.signal.addEventListener('abort', () => resolve())),
    close,
  };
}
