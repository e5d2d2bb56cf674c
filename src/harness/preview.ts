import type { Logger } from '../logger.ts';
import {
  type Hints,
  type PreviewEvent,
  piecesChannel,
  type SessionHint,
  SO_FAR_MS,
  sessionChannel,
} from '../session/hints.ts';
import type { Lease } from '../session/log.ts';

/** Pieces are gathered this long before they are sent: still smooth to the eye, and 10 messages a second at most. */
const GATHER_MS = 100;
/** What saying long texts again and again may cost, in characters a second. */
const SO_FAR_CHARS_PER_SECOND = 64 * 1024;

/**
 * What watchers see while something is being written. Best effort: losing a piece costs nothing but smoothness. The whole of a
 * text is said now and then, its pieces in between only while somebody follows them.
 */
export interface Preview {
  text(message_id: string, text: string, index: number): void;
  thinking(event_id: string): void;
  /** Nothing more will come for this id: a failed request. */
  dropped(message_id: string): void;
  /** The request is over: nothing more will be written. */
  written(): void;
  toolOutput(tool_use_id: string, text: string): void;
  /** Their results are about to be written, and say all of it: what is gathered is not sent. */
  toolsEnded(): void;
  /** Send what is gathered, now. */
  flush(): void;
}

/**
 * @param lease under which it is written
 * @param isSure whether the lease is held at this moment: while it is in doubt, and somebody else may be writing, nothing is
 * shown; what was left out then is said as soon as it is held again
 */
export function createPreview(
  deps: { hints: Pick<Hints, 'publish'>; logger: Logger; jitter: () => number },
  { session_id, token }: Pick<Lease, 'session_id' | 'token'>,
  isSure: () => boolean = () => true,
): Preview {
  const channel = sessionChannel(session_id);
  const pieces = piecesChannel(session_id);
  const started = new Set<string>();
  let message: { id: string; blocks: string[]; has_begun: boolean } | null = null;
  let soFar: NodeJS.Timeout | null = null;
  /** Somebody may be following the pieces. */
  let followed = true;
  /** Pieces were left out since the text was said whole. */
  let skipped = false;
  let pending: PreviewEvent[] = [];
  let timer: NodeJS.Timeout | null = null;

  function send(event: PreviewEvent): void {
    const hint: SessionHint = { type: 'preview', event, token };
    const isPiece = event.type === 'event_delta';
    const sent = deps.hints.publish(isPiece ? pieces : channel, JSON.stringify(hint));
    sent.then(isPiece ? pieceHeardBy : heardBy, (err: unknown) => {
      deps.logger.debug({ err, session_id }, 'preview was not sent');
    });
  }

  function pieceHeardBy(count: number): void {
    if (count > 0) return;
    followed = false;
    skipped = true;
  }

  /** Whoever heard it may follow the pieces as well: the next one shows. */
  function heardBy(count: number): void {
    if (count === 0) {
      followed = false;
      return;
    }
    followed = true;
    // What was left out while this was on its way.
    if (skipped) sendSoFar();
  }

  function flush(): void {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    const events = pending;
    pending = [];
    if (events.length > 0 && !isSure()) skipped = true;
    else for (const event of events) send(event);
  }

  function gather(event: PreviewEvent): void {
    const last = pending.at(-1);
    if (last !== undefined && joined(last, event)) return;
    pending.push(event);
    timer ??= setTimeout(flush, GATHER_MS);
  }

  function sendSoFar(): void {
    if (message === null || !isSure()) return;
    // What is gathered is part of it, and must not be added to it again.
    flush();
    begin(message);
    skipped = false;
    send({ type: 'event_so_far', event_id: message.id, blocks: Array.from(message.blocks, (text) => text ?? '') });
  }

  function begin(begun: { id: string; has_begun: boolean }): void {
    if (begun.has_begun) return;
    const { id } = begun;
    begun.has_begun = true;
    started.add(id);
    send({ type: 'event_start', event: { type: 'agent.message', id } });
  }

  function saySoFarLater(share = 1): void {
    const chars = message?.blocks.reduce((sum, text) => sum + text.length, 0) ?? 0;
    soFar = setTimeout(
      () => {
        sendSoFar();
        saySoFarLater();
      },
      share * Math.max(SO_FAR_MS, (1000 * chars) / SO_FAR_CHARS_PER_SECOND),
    );
  }

  function written(): void {
    flush();
    if (soFar !== null) clearTimeout(soFar);
    soFar = null;
    skipped = false;
    message = null;
  }

  return {
    text(message_id, text, index) {
      if (message?.id !== message_id) {
        message = { id: message_id, blocks: [], has_begun: started.has(message_id) };
        followed = true;
        // Those that begin in the same moment are not to go on in step.
        if (soFar === null) saySoFarLater(deps.jitter());
      }
      message.blocks[index] = (message.blocks[index] ?? '') + text;
      // Most words are heard by nobody, or held back: nothing more is done for them.
      if ((!followed && message.has_begun) || !isSure()) {
        skipped = true;
        return;
      }
      // This piece is in it.
      if (followed && skipped) return sendSoFar();
      begin(message);
      if (!followed) {
        skipped = true;
        return;
      }
      gather({
        type: 'event_delta',
        event_id: message_id,
        delta: { type: 'content_delta', index, content: { type: 'text', text } },
      });
    },
    thinking(event_id) {
      if (!isSure()) return;
      send({ type: 'event_start', event: { type: 'agent.thinking', id: event_id } });
    },
    dropped(message_id) {
      written();
      if (started.delete(message_id)) send({ type: 'preview_dropped', event_id: message_id });
    },
    toolOutput(tool_use_id, text) {
      gather({ type: 'tool_output', tool_use_id, text });
    },
    toolsEnded() {
      pending = pending.filter(({ type }) => type !== 'tool_output');
      flush();
    },
    flush,
    written,
  };
}

/** Whether `next` could be added to `last` in place. */
function joined(last: PreviewEvent, next: PreviewEvent): boolean {
  if (last.type === 'event_delta' && next.type === 'event_delta') {
    if (last.event_id !== next.event_id || last.delta.index !== next.delta.index) return false;
    last.delta.content.text += next.delta.content.text;
    return true;
  }
  if (last.type === 'tool_output' && next.type === 'tool_output' && last.tool_use_id === next.tool_use_id) {
    last.text += next.text;
    return true;
  }
  return false;
}
