import { LRUCache } from 'lru-cache';
import { type PostRef, PostRefusedError, RateLimitedError } from '../../src/chat/connector.ts';
import type { ConversationKey } from '../../src/chat/place.ts';
import type { SlackClient } from './client.ts';
import { placeOf, refOf } from './conversation-id.ts';
import { deliveryIdOf, streamBlockId } from './render.ts';
import type { Uploads } from './uploads.ts';

/** Messages a page, and of a thread: one of 4,000 messages is still searched whole. */
const PAGE = 200;
const MOST = 4_000;

interface Delivery {
  id: string;
  /** It was not posted before: seconds since the epoch. Where it is left out, all is looked through. */
  oldest?: string;
}

export type FindDelivery = (
  client: SlackClient,
  conversation: ConversationKey,
  delivery: Delivery,
  signal: AbortSignal,
) => Promise<PostRef | null>;

/** How far a look has come. */
interface Begun {
  cursor: string | undefined;
  seen: number;
}

interface FoundMessage {
  ts?: string;
  bot_id?: string;
  metadata?: unknown;
  blocks?: { block_id?: string }[];
  files?: { id?: string }[];
}

interface FoundPage {
  messages?: FoundMessage[];
  response_metadata?: { next_cursor?: string };
}

function carries(message: FoundMessage, deliveryId: string, fileIds: ReadonlySet<string>): boolean {
  if (message.bot_id === undefined) return false;
  const marker = streamBlockId(deliveryId);
  return (
    deliveryIdOf(message.metadata) === deliveryId ||
    (message.blocks ?? []).some((block) => block.block_id === marker) ||
    (message.files ?? []).some((file) => fileIds.has(file.id ?? ''))
  );
}

/**
 * The message that carries a delivery id, by reading the thread (or, outside a thread, the channel's latest messages).
 * Null when there is none; a thread or channel that is gone holds none. A look that Slack makes wait goes on where it
 * stood when it is made again: where Slack gives one short page a minute, it would never come to an end otherwise.
 * @throws Error when the thread is longer than what is read: answering "none" there could post a second time
 */
export function createLookup(uploads: Pick<Uploads, 'of'>): FindDelivery {
  const begun = new LRUCache<string, Begun>({ max: 1_000 });

  return async (client, conversation, delivery, signal) => {
    const from = begun.get(delivery.id) ?? { cursor: undefined, seen: 0 };
    begun.delete(delivery.id);
    try {
      return await search(client, conversation, { delivery, from, fileIds: await uploads.of(delivery.id) }, signal);
    } catch (error) {
      if (error instanceof RateLimitedError) begun.set(delivery.id, from);
      if (error instanceof PostRefusedError && ['thread_not_found', 'channel_not_found'].includes(error.reason))
        return null;
      throw error;
    }
  };
}

/** `from` is moved along with each page. */
async function search(
  client: SlackClient,
  conversation: ConversationKey,
  { delivery: { id, oldest }, from, fileIds }: { delivery: Delivery; from: Begun; fileIds: ReadonlySet<string> },
  signal: AbortSignal,
): Promise<PostRef | null> {
  const { channel, thread_ts: ts } = placeOf(conversation);
  const since = oldest === undefined ? {} : { oldest };
  const options = { channel, limit: PAGE, include_all_metadata: true, ...since };
  while (from.seen < MOST) {
    const at = from.cursor === undefined ? {} : { cursor: from.cursor };
    const { messages = [], response_metadata: metadata }: FoundPage = await client.call(
      (web) =>
        ts === undefined
          ? web.conversations.history({ ...options, ...at })
          : web.conversations.replies({ ...options, ...at, ts }),
      signal,
    );
    const message = messages.find((candidate) => carries(candidate, id, fileIds));
    if (message?.ts !== undefined) return refOf(channel, message.ts);
    from.cursor = metadata?.next_cursor || undefined;
    from.seen += messages.length;
    if (from.cursor === undefined) return null;
  }
  // A channel's history comes newest first: what was posted a moment ago is not 4,000 messages back.
  if (ts === undefined) return null;
  throw new Error(`The thread is too long to look for a delivery: over ${MOST} messages`);
}
