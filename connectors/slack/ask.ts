import type { Question } from '../../src/chat/connector.ts';
import type { ConversationKey } from '../../src/chat/place.ts';
import type { SlackClient } from './client.ts';
import { messageOfRef, placeOf } from './conversation-id.ts';
import type { FindDelivery } from './lookup.ts';
import { fallbackText, markdownOf, metadataOf } from './render.ts';

/** A gateway's clock and Slack's may be so far apart. */
const SKEW_MS = 60_000;

/** Show what somebody asks, as a post of its own or in a thread; a repeat finds it. Errors as `Connector.post`. */
export async function showQuestion(
  { client, findDelivery }: { client: SlackClient; findDelivery: FindDelivery },
  conversation: ConversationKey,
  { delivery_id, markdown, since }: Question,
  signal: AbortSignal,
): Promise<ConversationKey> {
  const { channel, thread_ts } = placeOf(conversation);
  const oldest = new Date(since.getTime() - SKEW_MS);
  const found = await findDelivery(client, conversation, { id: delivery_id, oldest }, signal);
  const ts = found === null ? await post() : messageOfRef(found).ts;
  return { ...conversation, thread: thread_ts ?? ts };

  async function post(): Promise<string> {
    const content = {
      channel,
      text: fallbackText(markdown),
      blocks: [{ type: 'markdown' as const, text: markdownOf(markdown) }],
      metadata: metadataOf(delivery_id),
      unfurl_links: false,
      unfurl_media: false,
    };
    const posted = await client.call(
      (web) => web.chat.postMessage(thread_ts === undefined ? content : { ...content, thread_ts }),
      signal,
    );
    if (posted.ts === undefined) throw new Error('chat.postMessage returned no ts');
    return posted.ts;
  }
}
