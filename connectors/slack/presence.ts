import { PostRefusedError } from '../../src/chat/connector.ts';
import type { ConversationKey } from '../../src/chat/place.ts';
import { messageOf } from '../../src/errors.ts';
import type { Logger } from '../../src/logger.ts';
import { isWithoutLeave, platformErrorOf, type SlackClient } from './client.ts';

/** conversations.members gives fewer than 1,000 at a time (docs.slack.dev/reference/methods/conversations.members). */
const PAGE = 999;
/** In a channel of ten thousand people a mention in a thread is easily missed: who is behind these counts as not there. */
const PAGES = 10;

/**
 * Those of these people who are members of the conversation's channel, and so hear of it when they are mentioned there. Nobody
 * where Slack will not say it, as where the app was installed before it asked for leave to know: better told twice than never.
 */
export async function presentAmong(
  { client, logger }: { client: SlackClient; logger: Logger },
  conversation: ConversationKey | undefined,
  people: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const present = new Set<string>();
  if (conversation === undefined) return present;
  const { channel, tenant } = conversation;
  let cursor: string | undefined;
  try {
    for (let page = 0; page < PAGES; page++) {
      const asked = { channel, limit: PAGE, ...(cursor !== undefined && { cursor }) };
      const { members = [], response_metadata: next } = await client.call(
        (web) => web.conversations.members(asked),
        signal,
      );
      for (const id of members) if (people.includes(id)) present.add(id);
      cursor = next?.next_cursor || undefined;
      if (cursor === undefined || present.size === people.length) break;
    }
  } catch (error) {
    if (!(error instanceof PostRefusedError) && !isWithoutLeave(platformErrorOf(error))) throw error;
    logger.warn({ tenant, channel, reason: messageOf(error) }, 'slack did not say who is in a channel');
  }
  return present;
}
