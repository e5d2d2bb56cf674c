import type { StreamEvents } from '../../connectors/web/wire.ts';

export type FeedListener = {
  [E in keyof StreamEvents]?: (data: StreamEvents[E]) => void;
} & { onConnection: (isOpen: boolean) => void };

/** Longer than two of the server's heartbeats: the connection is dead though nobody said so. */
const SILENCE_MS = 25_000;
/**
 * A page nobody has looked at for this long lets go of its connection until it is looked at again: a browser opens only
 * six to one server, and forgotten tabs would take them all.
 */
const HIDDEN_MS = 5 * 60_000;
const RETRY_MS = [500, 1_000, 2_000, 4_000, 8_000];

/**
 * The server's events for one conversation (or for the list alone), from `after` on, across lost connections: each new
 * connection resumes after the last revision seen. Returns what ends it.
 */
export function openFeed(conversationId: string | null, after: number, listener: FeedListener): () => void {
  let cursor = after;
  let source: EventSource | null = null;
  let silence: number | undefined;
  let retry: number | undefined;
  let hidden: number | undefined;
  let failures = 0;
  let closed = false;

  function connect(): void {
    const parameters = new URLSearchParams({ after: String(cursor) });
    if (conversationId !== null) parameters.set('conversation', conversationId);
    source = new EventSource(`/web/events?${parameters}`);
    source.onerror = reconnect;
    on('message', (message) => {
      cursor = Math.max(cursor, message.revision);
      listener.message?.(message);
    });
    on('delta', (delta) => listener.delta?.(delta));
    on('conversation', (summary) => listener.conversation?.(summary));
    on('ping', () => undefined);
    on('ready', (ready) => {
      failures = 0;
      listener.onConnection(true);
      listener.ready?.(ready);
    });
    on('signed_out', (gone) => {
      close();
      listener.signed_out?.(gone);
    });
    listen();
  }

  function on<E extends keyof StreamEvents>(event: E, handle: (data: StreamEvents[E]) => void): void {
    source?.addEventListener(event, (raw) => {
      listen();
      // Written by the same release's connectors/web/event-stream.ts, from the same types.
      handle(JSON.parse((raw as MessageEvent<string>).data) as StreamEvents[E]);
    });
  }

  /** Starts waiting for the next sign of life. */
  function listen(): void {
    clearTimeout(silence);
    silence = window.setTimeout(reconnect, SILENCE_MS);
  }

  function reconnect(): void {
    clearTimeout(silence);
    clearTimeout(retry);
    source?.close();
    if (closed) return;
    listener.onConnection(false);
    retry = window.setTimeout(connect, RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]);
    failures += 1;
  }

  function onVisibility(): void {
    clearTimeout(hidden);
    if (document.visibilityState === 'visible') hurry();
    else hidden = window.setTimeout(pause, HIDDEN_MS);
  }

  function pause(): void {
    clearTimeout(silence);
    clearTimeout(retry);
    source?.close();
  }

  /** The network is back, or the page is looked at again: do not wait for the next try. */
  function hurry(): void {
    if (source?.readyState === EventSource.OPEN || document.visibilityState === 'hidden') return;
    failures = 0;
    clearTimeout(retry);
    source?.close();
    connect();
  }

  function close(): void {
    closed = true;
    clearTimeout(hidden);
    removeEventListener('online', hurry);
    document.removeEventListener('visibilitychange', onVisibility);
    pause();
  }

  addEventListener('online', hurry);
  document.addEventListener('visibilitychange', onVisibility);
  connect();
  return close;
}
