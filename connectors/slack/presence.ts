import { type Audience, PostRefusedError } from '../../src/chat/connector.ts';
import type { ConversationKey } from '../../src/chat/place.ts';
import { messageOf } from '../../src/errors.ts';
import type { Logger } from '../../src/logger.ts';
import { isWithoutLeave, platformErrorOf, type SlackClient } from './client.ts';

/** conversations.members gives fewer than 1,000 at a time (docs.slack.dev/reference/methods/conversations.members). */
const PAGE = 999;
/** In a channel of ten thousand people a mention in a thread is easily missed: who is behind these counts as not there. */
const PAGES = 10;

/**
 * Who is a member of the conversation's channel, and so hears of it when they are mentioned there. Nobody where Slack will not say
 * it, as where the app was installed before it asked for leave to know: better told twice than never.
 */
export function createAudience(
  { client, logger }: { client: SlackClient; logger: Logger },
  conversation: ConversationKey,
): Audience {
  const { channel, tenant } = conversation;
  const known = new Set<string>();
  let cursor: string | undefined;
  let pages = 0;
  let isRead = false;

  async function readOn(signal: AbortSignal): Promise<void> {
    const asked = { channel, limit: PAGE, ...(cursor !== undefined && { cursor }) };
    try {
      const { members = [], response_metadata: next } = await client.call(
        (web) => web.conversations.members(asked),
        signal,
      );
      for (const id of members) known.add(id);
      pages += 1;
      cursor = next?.next_cursor || undefined;
      isRead = cursor === undefined || pages === PAGES;
    } catch (error) {
      if (!(error instanceof PostRefusedError) && !isWithoutLeave(platformErrorOf(error))) throw error;
      isRead = true;
      logger.warn({ tenant, channel, reason: messageOf(error) }, 'slack did not say who is in a channel');
    }
  }

  return {
    conversation,
    async among(people, signal) {
      while (!isRead && !people.every((id) => known.has(id))) await readOn(signal);
      return new Set(people.filter((id) => known.has(id)));
    },
  };
}
