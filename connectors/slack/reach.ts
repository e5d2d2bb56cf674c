import { type Audience, PostRefusedError, type Reached } from '../../src/chat/connector.ts';
import type { ConversationKey, Mention } from '../../src/chat/place.ts';
import { isWithoutLeave, platformErrorOf, type SlackClient } from './client.ts';
import { SLACK } from './conversation-id.ts';
import type { SlackGroups } from './groups.ts';

/**
 * Direct messages to the members of one group: more would be a broadcast, and conversations.open (Tier 3) takes about 50 a
 * minute of the whole workspace. The others are counted.
 */
const MEMBERS = 20;

interface ReachParts {
  client: SlackClient;
  groups: Pick<SlackGroups, 'membersOf'>;
}

type Place = Reached['places'][number];

/**
 * Where somebody can be asked who is not in the conversation: people in their direct messages with the app, channels at the
 * top level. A conversation whose thread is its channel posts there.
 */
export async function reach(...asked: Parameters<typeof placesOf>): Promise<Reached> {
  try {
    return await placesOf(...asked);
  } catch (error) {
    const reason = platformErrorOf(error);
    // What the app was not given leave to do no later try mends, and the conversation must not wait for it.
    throw isWithoutLeave(reason) ? new PostRefusedError(reason, { cause: error }) : error;
  }
}

async function placesOf(
  { client, groups }: ReachParts,
  { kind, id }: Mention,
  { tenant, outside_of }: { tenant: string; outside_of: Audience | undefined },
  signal: AbortSignal,
): Promise<Reached> {
  const topOf = (channel: string): ConversationKey => ({ connector: SLACK, tenant, channel, thread: channel });
  /** Null: the conversation is these very direct messages. */
  async function direct(person: string): Promise<Place | null> {
    const channel = await directOf(client, person, signal);
    return channel === outside_of?.conversation.channel ? null : { conversation: topOf(channel), person };
  }

  /** Those of them who are not in the conversation, where they can be written to. */
  async function directs(people: readonly string[]): Promise<Reached> {
    const present = await outside_of?.among(people, signal);
    const away = people.filter((user) => present?.has(user) !== true);
    const places: Place[] = [];
    let isPresent = away.length < people.length;
    for (const user of away.slice(0, MEMBERS)) {
      try {
        const place = await direct(user);
        if (place === null) isPresent = true;
        else places.push(place);
      } catch (error) {
        // Somebody who cannot be written to (deactivated, a guest elsewhere): the others can.
        if (!(error instanceof PostRefusedError) || people.length === 1) throw error;
      }
    }
    return { places, left_out: Math.max(0, away.length - MEMBERS), ...(isPresent && { present: true as const }) };
  }

  switch (kind) {
    case 'channel':
      return { places: [{ conversation: topOf(id) }], left_out: 0 };
    case 'person':
      return directs([id]);
    case 'group':
      return directs(await groups.membersOf(id, { tenant, channel: outside_of?.conversation.channel ?? null }, signal));
    default:
      return kind satisfies never;
  }
}

async function directOf(client: SlackClient, users: string, signal: AbortSignal): Promise<string> {
  const { channel } = await client.call((web) => web.conversations.open({ users }), signal);
  if (channel?.id === undefined) throw new Error('conversations.open returned no channel');
  return channel.id;
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
