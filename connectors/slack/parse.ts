import { z } from 'zod';
import type { InboundDecision, InboundFile, InboundMessage, InboundStop } from '../../src/chat/inbound.ts';
import type { Person } from '../../src/chat/place.ts';
import { parseButtonValue } from './approval-blocks.ts';
import { conversationOf, SLACK } from './conversation-id.ts';
import { mentions, mentionsAnybody } from './mrkdwn.ts';
import { spokenIn, withForwarded } from './said.ts';
import { slackId } from './slack-id.ts';

/** Whose installation this is: from auth.test, once connected. */
export interface Identity {
  tenant: string;
  team_id: string;
  enterprise_id: string | undefined;
  /** Of the workspace, for links. */
  url: string;
  bot_user_id: string;
  bot_id: string | undefined;
}

/** A message as events show it, also within the event of its change. */
export const saidMessage = z.object({
  subtype: z.string().optional(),
  user: slackId.optional(),
  bot_id: z.string().optional(),
  text: z.string().nullish(),
  ts: slackId,
  thread_ts: slackId.optional(),
  files: z.array(z.unknown()).optional(),
  blocks: z.unknown().optional(),
  attachments: z.unknown().optional(),
  edited: z.object({ ts: slackId }).optional(),
});

const messageCallback = z.object({
  event_id: slackId,
  event: saidMessage.extend({
    event_ts: slackId.optional(),
    type: z.enum(['message', 'app_mention']),
    channel: slackId,
    channel_type: z.string().optional(),
  }),
});

/** What a `files` entry says at least; of one in a shared channel (`check_file_info`) it is no more. */
const attachedFile = z.object({ id: slackId, name: z.string().nullish(), title: z.string().nullish() });

const stopCallback = z.object({
  event_id: slackId,
  event: z.object({
    type: z.literal('agent_session_stopped'),
    channel: slackId,
    user: slackId,
    thread_ts: slackId,
  }),
});

const clickBody = z.object({
  user: z.object({ id: slackId }),
  channel: z.object({ id: slackId }).optional(),
  container: z.object({ message_ts: slackId.optional(), view_id: slackId.optional() }),
  view: z.object({ type: z.string() }).optional(),
  trigger_id: slackId,
  response_url: z.string().optional(),
  actions: z.array(z.object({ action_id: z.string(), action_ts: slackId, value: z.string().optional() })).min(1),
});

const viewBody = z.object({
  user: z.object({ id: slackId }),
  view: z.object({
    id: slackId,
    private_metadata: z.string(),
    state: z.object({ values: z.record(z.string(), z.record(z.string(), z.object({ value: z.string().nullish() }))) }),
  }),
});

/**
 * What a person says. Edits, deletions, joins and the like carry other subtypes and are left out; a reply that is also
 * shown in the channel, a message with files and a `/me` are things said.
 */
const SAID = new Set([undefined, 'file_share', 'thread_broadcast', 'me_message']);

/**
 * A `message` or `app_mention` event as an inbound message; null when it is not for us: said by a bot (this one
 * included), or not said at all. Its text is in Slack's own markup.
 */
export function parseMessage(body: unknown, identity: Identity): InboundMessage | null {
  const parsed = messageCallback.safeParse(body);
  if (!parsed.success) return null;
  const { event, event_id } = parsed.data;
  const message = inboundMessage(event, identity);
  return message === null
    ? null
    : { event_id, ...message, addressed: message.addressed || event.type === 'app_mention' };
}

/** What somebody said in a channel; null when no person said it. */
export function inboundMessage(
  event: z.infer<typeof saidMessage> & {
    channel: string;
    channel_type?: string | undefined;
    event_ts?: string | undefined;
  },
  identity: Identity,
): Omit<InboundMessage, 'event_id'> | null {
  const { user, files = [] } = event;
  const text = spokenIn(event);
  if (!SAID.has(event.subtype) || user === undefined || event.bot_id !== undefined) return null;
  if (user === identity.bot_user_id || user === 'USLACKBOT') return null;
  const direct = event.channel_type === 'im' || event.channel.startsWith('D');
  const addressed = direct || mentions(text, identity.bot_user_id);
  return {
    message_id: event.ts,
    conversation: conversationOf(identity.tenant, event.channel, event),
    sender: personOf(user),
    text: withForwarded(text, event),
    ...(files.length > 0 && { files: filesOf(files) }),
    addressed,
    ...(!addressed && mentionsAnybody(text) && { to_others: true }),
    ...(event.thread_ts !== undefined && event.thread_ts !== event.ts && { follows: direct ? 'first' : 'all' }),
    ...(event.edited !== undefined && { version: versionOf(event.event_ts ?? event.ts, event.edited) }),
  };
}

/**
 * Slack tells the time of an edit in whole seconds, and that of its event to the microsecond: the first says of a later
 * event too which edit it shows, the second tells two edits of one second apart. Times have as many digits, so as text these
 * sort like what they say.
 */
export function versionOf(event_ts: string, edited?: { ts: string }): string {
  return `${edited?.ts ?? `${event_ts.split('.')[0]}.000000`}/${event_ts}`;
}

export function filesOf(files: readonly unknown[]): InboundFile[] {
  return files.flatMap((file) => {
    const { data } = attachedFile.safeParse(file);
    return data === undefined ? [] : [{ id: data.id, name: data.name || data.title || 'a file' }];
  });
}

/** Slack names people by their ids alone. */
export function personOf(id: string): Person {
  return { id, name: id };
}

/** The native Stop button of an agent session. */
export function parseStop(body: unknown, identity: Identity): InboundStop | null {
  const parsed = stopCallback.safeParse(body);
  if (!parsed.success) return null;
  const { event, event_id } = parsed.data;
  return {
    event_id,
    conversation: conversationOf(identity.tenant, event.channel, { ts: event.thread_ts }),
    person: personOf(event.user),
  };
}

/** A click on one of a card's buttons; who clicked and what a modal or an answer to that person needs. */
export interface Click extends ClickMemory {
  event_id: string;
  user: string;
  trigger_id: string;
}

export function parseClick(body: unknown): Click | null {
  const parsed = clickBody.safeParse(body);
  const action = parsed.data?.actions[0];
  const button = parseButtonValue(action?.value ?? '');
  if (!parsed.success || action === undefined || button === null) return null;
  const { user, channel, container, view, trigger_id, response_url } = parsed.data;
  const isHome = view?.type === 'home';
  const { before } = button;
  const at = isHome ? user.id : channel?.id;
  if (at === undefined) return null;
  return {
    // One press has one action_ts, however often its delivery is repeated.
    event_id: `click:${channel?.id ?? ''}:${container.message_ts ?? container.view_id ?? ''}:${user.id}:${action.action_ts}`,
    user: user.id,
    channel: at,
    thread: isHome || before !== undefined ? at : (button.thread ?? at),
    ...(before !== undefined && !isHome && { before }),
    ...(isHome && { home: true }),
    approval_id: button.approval_id,
    trigger_id,
    response_url,
  };
}

/**
 * What a click came from, kept in the modal it opened. Slack allows it 3,000 characters. Channel and thread are where it was
 * made (outside of any thread, the thread is the channel; on the Home tab both are the person); `before` is a list's.
 */
export const clickMemory = z.object({
  channel: slackId,
  thread: z.string(),
  approval_id: z.string(),
  response_url: z.string().optional(),
  before: z.int().min(0).optional(),
  home: z.boolean().optional(),
});

export type ClickMemory = z.infer<typeof clickMemory>;

export function memoryOf({ channel, thread, approval_id, response_url, before, home }: ClickMemory): ClickMemory {
  return {
    channel,
    thread,
    approval_id,
    ...(response_url !== undefined && { response_url }),
    ...(before !== undefined && { before }),
    ...(home !== undefined && { home }),
  };
}

/** A deny modal that was sent: where its card is, and why. */
export interface Submission extends ClickMemory {
  event_id: string;
  user: string;
  reason: string | null;
}

export function parseSubmission(body: unknown): Submission | null {
  const parsed = viewBody.safeParse(body);
  if (!parsed.success) return null;
  const { user, view } = parsed.data;
  const memory = clickMemory.safeParse(jsonOf(view.private_metadata));
  if (!memory.success) return null;
  const [reason] = Object.values(view.state.values).flatMap((block) =>
    Object.values(block).map((input) => input.value?.trim()),
  );
  return { ...memory.data, event_id: `view:${view.id}:${user.id}`, user: user.id, reason: reason || null };
}

export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** The decision of a click or a modal, made where the click was. */
export function decisionOf(
  from: { event_id: string; user: string; channel: string; thread: string; approval_id: string },
  decision: 'allow' | 'deny',
  reason: string | null,
  identity: Identity,
): InboundDecision {
  return {
    event_id: from.event_id,
    conversation: { connector: SLACK, tenant: identity.tenant, channel: from.channel, thread: from.thread },
    person: personOf(from.user),
    approval_id: from.approval_id,
    decision,
    ...(reason !== null && { reason }),
  };
}
