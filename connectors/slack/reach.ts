import { PostRefusedError, type Reached } from '../../src/chat/connector.ts';
import type { ConversationKey, Mention } from '../../src/chat/place.ts';
import type { SlackClient } from './client.ts';
import { SLACK } from './conversation-id.ts';
import type { SlackGroups } from './groups.ts';

/**
 * Direct messages to the members of one group: more would be a broadcast, and conversations.open (Tier 3) takes about 50 a
 * minute of the whole workspace. The others are counted.
 */
const MEMBERS = 20;

/**
 * Where somebody can be asked who is not in the conversation: people in their direct messages with the app, channels at the
 * top level. A conversation whose thread is its channel posts there.
 */
export async function reach(
  { client, groups }: { client: SlackClient; groups: Pick<SlackGroups, 'membersOf'> },
  { kind, id }: Mention,
  tenant: string,
  signal: AbortSignal,
): Promise<Reached> {
  const topOf = (channel: string): ConversationKey => ({ connector: SLACK, tenant, channel, thread: channel });

  async function direct(user: string): Promise<ConversationKey> {
    const { channel } = await client.call((web) => web.conversations.open({ users: user }), signal);
    if (channel?.id === undefined) throw new Error('conversations.open returned no channel');
    return topOf(channel.id);
  }

  switch (kind) {
    case 'channel':
      return { places: [topOf(id)], left_out: 0 };
    case 'person':
      return { places: [await direct(id)], left_out: 0 };
    case 'group': {
      const users = await groups.membersOf(id, { tenant, channel: null }, signal);
      const places: ConversationKey[] = [];
      for (const user of users.slice(0, MEMBERS)) {
        const place = await direct(user).catch((error: unknown) => {
          // Somebody who cannot be written to (deactivated, a guest elsewhere): the others can.
          if (error instanceof PostRefusedError) return null;
          throw error;
        });
        if (place !== null) places.push(place);
      }
      return { places, left_out: Math.max(0, users.length - MEMBERS) };
    }
    default:
      return kind satisfies never;
  }
}

/** Slack's permalink of a message. */
export async function permalinkOf(
  client: SlackClient,
  { channel, ts }: { channel: string; ts: string },
  signal: AbortSignal,
): Promise<string | null> {
  const { permalink } = await client.call((web) => web.chat.getPermalink({ channel, message_ts: ts }), signal);
  return permalink ?? null;
}
