import { LRUCache } from 'lru-cache';
import { type PostRef, PostRefusedError, RateLimitedError } from '../../src/chat/connector.ts';
import type { ConversationKey } from '../../src/chat/place.ts';
import type { SlackClient } from './client.ts';
import { placeOf, refOf } from './conversation-id.ts';
import { deliveryIdOf, streamBlockId } from './render.ts';
import type { Uploads } from './uploads.ts';

/** Messages a page. */
const PAGE = 200;

interface Delivery {
  id: string;
  /** It was not posted before, by Slack's clock. Where it is left out, all is looked through. */
  oldest?: Date;
}

/** A gateway's clock and Slack's may be so far apart, and more messages than that are soon read. */
const CLOCKS_MS = 600_000;

/** @param since when it was claimed, by a gateway's clock */
export function deliveryOf(id: string, since?: Date): Delivery {
  return since === undefined ? { id } : { id, oldest: new Date(since.getTime() - CLOCKS_MS) };
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
 * The message that carries a delivery id, by reading the thread (or, outside a thread, the channel) from `oldest` on.
 * Null when there is none; a thread or channel that is gone holds none. A look that Slack makes wait goes on where it
 * stood when it is made again: where Slack gives one short page a minute, it would never come to an end otherwise.
 *
 * However many messages came since, all of them are read. To give up would hold up the thread for ever, and to answer
 * "none" could post a second time; but Slack gives ten thousand messages a minute, and people write no thread so fast.
 */
export function createLookup(uploads: Pick<Uploads, 'of'>): FindDelivery {
  const begun = new LRUCache<string, Begun>({ max: 1_000 });

  return async (client, conversation, delivery, signal) => {
    const from = begun.get(delivery.id) ?? { cursor: undefined };
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
  const since = oldest === undefined ? {} : { oldest: secondsOf(oldest) };
  const options = { channel, limit: PAGE, include_all_metadata: true, ...since };
  for (;;) {
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
    if (from.cursor === undefined) return null;
  }
}

/** Slack's time, as its `oldest` wants it. */
function secondsOf(since: Date): string {
  return (since.getTime() / 1_000).toFixed(6);
}
