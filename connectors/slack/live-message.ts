import type { AnyChunk, KnownBlock } from '@slack/types';
import { LRUCache } from 'lru-cache';
import { type PostRef, PostRefusedError, RateLimitedError } from '../../src/chat/connector.ts';
import type { Outgoing } from '../../src/chat/outgoing.ts';
import type { ConversationKey } from '../../src/chat/place.ts';
import { messageOf } from '../../src/errors.ts';
import type { Logger } from '../../src/logger.ts';
import { messageOfRef, placeOf, refOf } from './conversation-id.ts';
import type { SlackClients } from './installations.ts';
import { NOTHING_SENT, type PlanOut, planChunks, type SentPlan } from './plan-blocks.ts';
import type { Reader, Readers } from './readers.ts';
import { metadataOf, type Said, saidText, streamHeader } from './render.ts';

/*
 * A live message streams natively to its reader (readers.ts says to whom and where). Where there is none, and where Slack takes
 * no stream, it is posted and edited like any other; so it is from the moment on in which somebody else speaks there, where a
 * stream is for one person only.
 *
 *   streaming  chat.startStream took it. Edits that extend it go out as chat.appendStream.
 *   doubtful   an append's answer was lost, so what Slack has is not known. The next edit stops and rewrites.
 *   stopped    chat.stopStream took it, Slack ended it (about 5 minutes), or it is not known here (another process
 *              began it): it is edited with chat.update from now on.
 *
 * A message leaves `streaming` at the last edit, at four minutes (by itself, for a run that is silent for that long), at an
 * edit that does not extend it, and at any refusal. Before that, at SEGMENT_MS, what follows goes on in a message of its own
 * (`growsFor`), which is a stream again, at whichever process. chat.startStream takes no metadata: the delivery id is the id of the
 * first block until chat.stopStream sets the metadata (whether Slack keeps a streamed block's id is not in its reference;
 * the answer of a start that is lost depends on it, nothing else does).
 */
const ROLL_MS = 240_000;
/** Time enough before that to end a message and to begin the next one, also where Slack asks to wait. */
const SEGMENT_MS = 210_000;
const ROLL_TIMEOUT_MS = 15_000;

type LiveOut = Extract<Outgoing, { kind: 'text' }> | PlanOut;

/** What Slack has of a message. */
type Sent = { kind: 'text'; text: string } | { kind: 'plan'; plan: SentPlan };

interface Stream {
  state: 'streaming' | 'doubtful';
  sent: Sent;
  started_at: number;
  cancelRoll: () => void;
  /** Ends when it was stopped because of its age. */
  rolled: Promise<void>;
}

export interface LiveMessages {
  /** Begin a stream, or null when this conversation or this Slack takes none: post it instead. Errors as `post`. */
  start(conversation: ConversationKey, outgoing: LiveOut, signal: AbortSignal): Promise<PostRef | null>;
  /**
   * True when the stream took the edit; false when it must be made with chat.update. Errors as `edit`. `below` is what
   * stands below the message once it is whole.
   */
  edit(
    conversation: ConversationKey,
    ref: PostRef,
    outgoing: Outgoing,
    how: { signal: AbortSignal; below?: readonly KnownBlock[] },
  ): Promise<boolean>;
  /** End a stream that somebody else began, so that it can be edited. */
  stop(conversation: ConversationKey, ref: PostRef, deliveryId: string, signal: AbortSignal): Promise<void>;
  /** As `Connector.growsFor`. */
  growsFor(conversation: ConversationKey): number | null;
  /** Somebody wrote here: a stream needs one reader to go to. Resolves when that is kept. */
  heard(conversation: ConversationKey, reader: Reader): Promise<void>;
  /** Leave the streams that go on to another process. */
  close(): void;
}

export interface LiveMessageParts {
  clients: SlackClients;
  readers: Readers;
  now: () => number;
  /** Run it after `ms`, unless cancelled. */
  after: (ms: number, run: () => void) => () => void;
  logger: Logger;
}

/** A message of a tenant's. */
interface Place {
  tenant: string;
  ref: PostRef;
}

function keyOf({ tenant, ref }: Place): string {
  return `${tenant}:${ref}`;
}

/** What a stream ends with. */
interface Last {
  chunks: readonly AnyChunk[];
  below: readonly KnownBlock[];
}

const NOTHING: Last = { chunks: [], below: [] };

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

/** What to send beyond what was sent; null when a stream cannot say it: other words, another kind of message. */
function extension(sent: Sent, outgoing: Said): { chunks: AnyChunk[]; sent: Sent } | null {
  if (sent.kind === 'plan') {
    if (outgoing.kind !== 'plan') return null;
    const next = planChunks(sent.plan, outgoing);
    return { chunks: next.chunks, sent: { kind: 'plan', plan: next.sent } };
  }
  if (outgoing.kind !== 'text') return null;
  const text = saidText(outgoing);
  if (!text.startsWith(sent.text)) return null;
  const piece = outgoing.live ? nextPiece(sent.text, text) : text.slice(sent.text.length);
  const chunks = piece === '' ? [] : [{ type: 'markdown_text' as const, text: piece }];
  return { chunks, sent: { kind: 'text', text: sent.text + piece } };
}

function nothingSent(outgoing: LiveOut): Sent {
  return outgoing.kind === 'plan' ? { kind: 'plan', plan: NOTHING_SENT } : { kind: 'text', text: '' };
}

export function createLiveMessages({ clients, readers, now, after, logger }: LiveMessageParts): LiveMessages {
  /** By tenant and message. */
  const streams = new LRUCache<string, Stream>({ max: 10_000, dispose: (stream) => stream.cancelRoll() });

  async function stop(at: Place, deliveryId: string, signal: AbortSignal, last: Last = NOTHING): Promise<boolean> {
    const { tenant, ref } = at;
    const metadata = metadataOf(deliveryId);
    const rest = {
      ...(last.chunks.length > 0 && { chunks: [...last.chunks] }),
      ...(last.below.length > 0 && { blocks: [...last.below] }),
    };
    try {
      const call = { ...messageOfRef(ref), metadata, ...rest };
      await clients.of(tenant).call((web) => web.chat.stopStream(call), signal);
      streams.delete(keyOf(at));
      return true;
    } catch (error) {
      if (!(error instanceof PostRefusedError)) {
        markDoubtful(at, error);
        throw error;
      }
      // Over already, or too long: whatever the reason, the rewrite that follows puts it right.
      streams.delete(keyOf(at));
      return false;
    }
  }

  function markDoubtful(at: Place, error: unknown): void {
    const stream = streams.get(keyOf(at));
    if (stream !== undefined && !(error instanceof RateLimitedError)) stream.state = 'doubtful';
  }

  /** True when taken. */
  async function append(at: Place, chunks: AnyChunk[], signal: AbortSignal): Promise<boolean> {
    if (chunks.length === 0) return true;
    try {
      const call = { ...messageOfRef(at.ref), chunks };
      await clients.of(at.tenant).call((web) => web.chat.appendStream(call), signal);
      return true;
    } catch (error) {
      if (error instanceof PostRefusedError) return false;
      markDoubtful(at, error);
      throw error;
    }
  }

  /** Nobody may say anything for minutes, and Slack would show an error in its place. */
  function roll(at: Place, deliveryId: string): void {
    const stream = streams.get(keyOf(at));
    if (stream === undefined) return;
    stream.rolled = stop(at, deliveryId, AbortSignal.timeout(ROLL_TIMEOUT_MS)).then(
      () => undefined,
      (error: unknown) => logger.info({ reason: messageOf(error) }, 'slack stream not ended, the next edit does it'),
    );
  }

  return {
    async start(conversation, outgoing, signal) {
      const { tenant } = conversation;
      const { channel, thread_ts: threadTs } = placeOf(conversation);
      if (threadTs === undefined) return null;
      const reader = await readers.of(conversation, outgoing.audience);
      if (reader === null) return null;
      const first = extension(nothingSent(outgoing), outgoing);
      if (first === null) return null;
      const { delivery_id, agent_name } = outgoing;
      const header = { type: 'blocks' as const, blocks: [streamHeader(delivery_id, agent_name)] };
      const args = {
        channel,
        thread_ts: threadTs,
        recipient_team_id: reader.team_id,
        recipient_user_id: reader.user_id,
        ...(outgoing.kind === 'plan' && { task_display_mode: 'plan' }),
        chunks: [header, ...first.chunks],
      };
      try {
        const { ts } = await clients.of(tenant).call((web) => web.chat.startStream(args), signal);
        if (ts === undefined) throw new Error('chat.startStream returned no ts');
        const ref = refOf(channel, ts);
        const at = { tenant, ref };
        const cancelRoll = after(ROLL_MS, () => roll(at, delivery_id));
        streams.set(keyOf(at), {
          state: 'streaming',
          sent: first.sent,
          started_at: now(),
          cancelRoll,
          rolled: Promise.resolve(),
        });
        return ref;
      } catch (error) {
        // Nothing was begun. Streams have a limit of their own: what is posted need not wait for it.
        if (!(error instanceof PostRefusedError || error instanceof RateLimitedError)) throw error;
        logger.info({ reason: messageOf(error) }, 'slack takes no stream here, posting instead');
        return null;
      }
    },

    async edit(conversation, ref, outgoing, { signal, below = [] }) {
      const at = { tenant: conversation.tenant, ref };
      await streams.get(keyOf(at))?.rolled;
      const stream = streams.get(keyOf(at));
      if (stream === undefined) return false;
      const mayGoOn = !('audience' in outgoing) || readers.allow(conversation, outgoing.audience);
      const next = stream.state === 'streaming' && mayGoOn ? extension(stream.sent, outgoing) : null;
      if (next !== null) {
        const isLast = !('live' in outgoing) || !outgoing.live;
        if (isLast) return stop(at, outgoing.delivery_id, signal, { chunks: next.chunks, below });
        if (now() - stream.started_at < ROLL_MS && (await append(at, next.chunks, signal))) {
          stream.sent = next.sent;
          return true;
        }
      }
      await stop(at, outgoing.delivery_id, signal);
      return false;
    },

    async stop({ tenant }, ref, deliveryId, signal) {
      await stop({ tenant, ref }, deliveryId, signal);
    },

    growsFor: (conversation) => (readers.allow(conversation, undefined) ? SEGMENT_MS : null),

    heard: readers.heard,

    close: () => streams.clear(),
  };
}
