import { LRUCache } from 'lru-cache';
import {
  type ConversationKey,
  type Outgoing,
  type PostRef,
  PostRefusedError,
  RateLimitedError,
} from '../../src/chat/connector.ts';
import { messageOf } from '../../src/errors.ts';
import type { Logger } from '../../src/logger.ts';
import type { SlackClient } from './client.ts';
import { isDirect, messageOfRef, placeOf, refOf } from './conversation-id.ts';
import { markdownOf, metadataOf, streamHeader } from './render.ts';

/*
 * A live message streams natively where that is good for everybody who reads it, which is in direct messages: in a
 * channel only the one recipient sees a stream grow, everybody else sees its first words until it ends. There a live
 * message is posted and edited like any other.
 *
 *   streaming  chat.startStream took it. Edits that extend the text go out as chat.appendStream.
 *   doubtful   an append's answer was lost, so what Slack has is not known. The next edit stops and rewrites.
 *   stopped    chat.stopStream took it, Slack ended it (about 5 minutes), or it is not known here (another process
 *              began it): it is edited with chat.update from now on.
 *
 * A message leaves `streaming` at the last edit, at four minutes, at an edit that does not extend its text, and at any
 * refusal. chat.startStream takes no metadata: the delivery id is the id of the first block until chat.stopStream sets
 * the metadata (whether Slack keeps a streamed block's id is not in its reference; the answer of a start that is lost
 * depends on it, nothing else does).
 */
const ROLL_MS = 240_000;

type TextOut = Extract<Outgoing, { kind: 'text' }>;

interface Stream {
  state: 'streaming' | 'doubtful';
  sent: string;
  started_at: number;
}

export interface LiveMessages {
  /** Begin a stream, or null when this conversation or this Slack takes none: post it instead. Errors as `post`. */
  start(conversation: ConversationKey, outgoing: TextOut, signal: AbortSignal): Promise<PostRef | null>;
  /** True when the stream took the edit; false when it must be made with chat.update. Errors as `edit`. */
  edit(ref: PostRef, outgoing: Outgoing, signal: AbortSignal): Promise<boolean>;
  /** End a stream that somebody else began, so that it can be edited. */
  stop(ref: PostRef, deliveryId: string, signal: AbortSignal): Promise<void>;
  /** Somebody wrote here: a stream needs one reader to go to. */
  heard(channel: string, userId: string): void;
}

export interface LiveMessageParts {
  client: SlackClient;
  /** The installation's team; known once connected. */
  teamId: () => string;
  now: () => number;
  logger: Logger;
}

/** A run of text without white space (Chinese, a long address) this long is sent as it is. */
const LONG_WORD = 40;

/**
 * How much of `text` to send now, beyond what was sent: whole words with the white space after them, because white
 * space at the start of a piece may get lost on the way. Empty when there is no whole word yet.
 */
export function nextPiece(sent: string, text: string): string {
  const rest = text.slice(sent.length);
  let end = rest.length;
  while (end > 0 && rest.slice(end - 1, end).trim() !== '') end -= 1;
  if (end > 0 || rest.length < LONG_WORD) return rest.slice(0, end);
  const last = rest.charCodeAt(rest.length - 1);
  const half = last >= 0xd800 && last <= 0xdbff;
  return half ? rest.slice(0, -1) : rest;
}

export function createLiveMessages({ client, teamId, now, logger }: LiveMessageParts): LiveMessages {
  const streams = new LRUCache<PostRef, Stream>({ max: 10_000 });
  const readers = new LRUCache<string, string>({ max: 10_000 });

  async function stop(ref: PostRef, deliveryId: string, signal: AbortSignal, text = ''): Promise<boolean> {
    const metadata = metadataOf(deliveryId);
    const chunks = text === '' ? {} : { chunks: [{ type: 'markdown_text' as const, text }] };
    try {
      await client.call((web) => web.chat.stopStream({ ...messageOfRef(ref), metadata, ...chunks }), signal);
      streams.delete(ref);
      return true;
    } catch (error) {
      if (!(error instanceof PostRefusedError)) {
        markDoubtful(ref, error);
        throw error;
      }
      // Over already, or its text too long: whatever the reason, the rewrite that follows puts it right.
      streams.delete(ref);
      return false;
    }
  }

  function markDoubtful(ref: PostRef, error: unknown): void {
    const stream = streams.get(ref);
    if (stream !== undefined && !(error instanceof RateLimitedError)) stream.state = 'doubtful';
  }

  /** True when taken. */
  async function append(ref: PostRef, stream: Stream, text: string, signal: AbortSignal): Promise<boolean> {
    const piece = nextPiece(stream.sent, text);
    if (piece === '') return true;
    try {
      const chunks = [{ type: 'markdown_text' as const, text: piece }];
      await client.call((web) => web.chat.appendStream({ ...messageOfRef(ref), chunks }), signal);
      stream.sent += piece;
      return true;
    } catch (error) {
      if (error instanceof PostRefusedError) return false;
      markDoubtful(ref, error);
      throw error;
    }
  }

  return {
    async start(conversation, outgoing, signal) {
      const { channel, thread_ts: threadTs } = placeOf(conversation);
      const reader = readers.get(channel);
      if (!isDirect(channel) || threadTs === undefined || reader === undefined) return null;
      const text = nextPiece('', markdownOf(outgoing.markdown));
      const blocks = [streamHeader(outgoing.delivery_id, outgoing.agent_name)];
      const words = text === '' ? [] : [{ type: 'markdown_text' as const, text }];
      const chunks = [{ type: 'blocks' as const, blocks }, ...words];
      const recipient = { recipient_team_id: teamId(), recipient_user_id: reader };
      try {
        const { ts } = await client.call(
          (web) => web.chat.startStream({ channel, thread_ts: threadTs, ...recipient, chunks }),
          signal,
        );
        if (ts === undefined) throw new Error('chat.startStream returned no ts');
        const ref = refOf(channel, ts);
        streams.set(ref, { state: 'streaming', sent: text, started_at: now() });
        return ref;
      } catch (error) {
        if (!(error instanceof PostRefusedError)) throw error;
        logger.info({ reason: messageOf(error) }, 'slack takes no stream here, posting instead');
        return null;
      }
    },

    async edit(ref, outgoing, signal) {
      const stream = streams.get(ref);
      if (stream === undefined) return false;
      const text = outgoing.kind === 'text' ? markdownOf(outgoing.markdown) : null;
      const extendable = stream.state === 'streaming' && text?.startsWith(stream.sent) === true;
      if (extendable && outgoing.kind === 'text' && text !== null) {
        if (!outgoing.live) return stop(ref, outgoing.delivery_id, signal, text.slice(stream.sent.length));
        if (now() - stream.started_at < ROLL_MS && (await append(ref, stream, text, signal))) return true;
      }
      await stop(ref, outgoing.delivery_id, signal);
      return false;
    },

    async stop(ref, deliveryId, signal) {
      await stop(ref, deliveryId, signal);
    },

    heard(channel, userId) {
      if (isDirect(channel)) readers.set(channel, userId);
    },
  };
}
