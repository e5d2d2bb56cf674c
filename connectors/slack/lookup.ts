import { type PostRef, PostRefusedError } from '../../src/chat/connector.ts';
import type { ConversationKey } from '../../src/chat/place.ts';
import type { SlackClient } from './client.ts';
import { placeOf, refOf } from './conversation-id.ts';
import { isFileOf } from './files.ts';
import { deliveryIdOf, streamBlockId } from './render.ts';

/** Messages a page and pages: a thread of 4,000 messages is still searched whole. */
const PAGE = 200;
const PAGES = 20;

interface FoundMessage {
  ts?: string;
  bot_id?: string;
  metadata?: unknown;
  blocks?: { block_id?: string }[];
  files?: { name?: string }[];
}

interface FoundPage {
  messages?: FoundMessage[];
  response_metadata?: { next_cursor?: string };
}

function carries(message: FoundMessage, deliveryId: string): boolean {
  if (message.bot_id === undefined) return false;
  const marker = streamBlockId(deliveryId);
  return (
    deliveryIdOf(message.metadata) === deliveryId ||
    (message.blocks ?? []).some((block) => block.block_id === marker) ||
    (message.files ?? []).some((file) => isFileOf(file.name ?? '', deliveryId))
  );
}

async function search(
  client: SlackClient,
  conversation: ConversationKey,
  deliveryId: string,
  signal: AbortSignal,
): Promise<PostRef | null> {
  const { channel, thread_ts: ts } = placeOf(conversation);
  const options = { channel, limit: PAGE, include_all_metadata: true };
  let cursor: string | undefined;
  for (let page = 0; page < PAGES; page += 1) {
    const at = cursor === undefined ? {} : { cursor };
    const found: FoundPage = await client.call(
      (web) =>
        ts === undefined
          ? web.conversations.history({ ...options, ...at })
          : web.conversations.replies({ ...options, ...at, ts }),
      signal,
    );
    const message = found.messages?.find((candidate) => carries(candidate, deliveryId));
    if (message?.ts !== undefined) return refOf(channel, message.ts);
    cursor = found.response_metadata?.next_cursor || undefined;
    if (cursor === undefined) return null;
  }
  // A channel's history comes newest first: what was posted a moment ago is not 4,000 messages back.
  if (ts === undefined) return null;
  throw new Error(`The thread is too long to look for a delivery: over ${PAGE * PAGES} messages`);
}

/**
 * The message that carries a delivery id, by reading the thread (or, outside a thread, the channel's latest messages).
 * Null when there is none; a thread or channel that is gone holds none.
 * @throws Error when the thread is longer than what is read: answering "none" there could post a second time
 */
export async function findDelivery(
  client: SlackClient,
  conversation: ConversationKey,
  deliveryId: string,
  signal: AbortSignal,
): Promise<PostRef | null> {
  try {
    return await search(client, conversation, deliveryId, signal);
  } catch (error) {
    if (error instanceof PostRefusedError && ['thread_not_found', 'channel_not_found'].includes(error.reason))
      return null;
    throw error;
  }
}
