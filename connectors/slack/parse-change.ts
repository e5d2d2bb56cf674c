import { z } from 'zod';
import type { InboundChange } from '../../src/chat/inbound.ts';
import { isDirect } from './conversation-id.ts';
import { mentions } from './mrkdwn.ts';
import { type Identity, inboundMessage, saidMessage, versionOf } from './parse.ts';
import { spokenIn } from './said.ts';
import { slackId } from './slack-id.ts';

/** Slack says of a deleted root that it has changed into this. */
const TOMBSTONE = 'tombstone';

const envelope = { channel: slackId, channel_type: z.string().optional(), event_ts: slackId };

const changeCallback = z.object({
  event_id: slackId,
  event: z.discriminatedUnion('subtype', [
    z.object({
      ...envelope,
      type: z.literal('message'),
      subtype: z.literal('message_changed'),
      message: saidMessage,
      previous_message: saidMessage.optional(),
    }),
    z.object({
      ...envelope,
      type: z.literal('message'),
      subtype: z.literal('message_deleted'),
      previous_message: saidMessage,
    }),
  ]),
});

/**
 * What somebody changed or took back; null when nobody did: Slack also says that a message has changed when it shows a
 * link's preview below it, and apps change their own.
 */
export function parseChange(body: unknown, identity: Identity): InboundChange | null {
  const parsed = changeCallback.safeParse(body);
  if (!parsed.success) return null;
  const { event, event_id } = parsed.data;
  const before = event.previous_message;
  const now = event.subtype === 'message_changed' && event.message.subtype !== TOMBSTONE ? event.message : null;
  const said = now ?? before;
  if (said === undefined) return null;
  const { channel, channel_type, event_ts } = event;
  const message = inboundMessage({ ...said, channel, channel_type, event_ts }, identity);
  if (message === null) return null;
  const { conversation, message_id, sender, addressed, text } = message;
  const change = { event_id: `${event_id}/change`, message_id, conversation, sender };
  if (now === null) return { ...change, version: 'deleted', text: null };
  const had = before === undefined ? '' : spokenIn(before);
  if (before === undefined ? now.edited === undefined : spokenIn(now) === had) return null;
  const version = versionOf(event_ts, now.edited);
  const isNews = addressed && !isDirect(channel) && !mentions(had, identity.bot_user_id);
  return {
    ...change,
    version,
    text,
    ...(isNews && { message: { ...message, event_id } }),
  };
}
