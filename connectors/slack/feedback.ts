import type { KnownBlock } from '@slack/types';
import { z } from 'zod';
import type { InboundFeedback } from '../../src/chat/inbound.ts';
import type { Outgoing } from '../../src/chat/outgoing.ts';
import { SLACK } from './conversation-id.ts';
import { escapeWithin } from './mrkdwn.ts';
import type { Identity } from './parse.ts';
import { slackId } from './slack-id.ts';

export const FEEDBACK_ACTION = 'deckhand_feedback';

const rating = z.object({
  rating: z.enum(['good', 'bad']),
  session_id: z.string(),
  event_id: slackId,
  /** Of the conversation that the answer was posted to. */
  thread: z.string(),
});

const ratingBody = z.object({
  user: z.object({ id: slackId }),
  channel: z.object({ id: slackId }),
  container: z.object({ message_ts: slackId }),
  response_url: z.string().optional(),
  actions: z.array(z.object({ action_ts: slackId, value: z.string() })).min(1),
});

/** Below an answer: that an AI wrote it, and what one thinks of it. */
export function answerBlocks(outgoing: Outgoing, thread: string): KnownBlock[] {
  return [...writtenByAi(outgoing), ...feedbackBlocks(outgoing, thread)];
}

/** Below an answer, which docs.slack.dev/ai asks apps to say. */
export function writtenByAi(outgoing: Outgoing): KnownBlock[] {
  if (answerOf(outgoing) === null) return [];
  const text = `Written by AI (${escapeWithin(outgoing.agent_name, 100)}): check what matters.`;
  return [{ type: 'context', elements: [{ type: 'mrkdwn', text }] }];
}

/** Null: it is no answer, or not whole. */
function answerOf(outgoing: Outgoing) {
  return outgoing.kind === 'text' && !outgoing.live ? (outgoing.answer ?? null) : null;
}

/** The buttons alone. */
export function feedbackBlocks(outgoing: Outgoing, thread: string): KnownBlock[] {
  const answer = answerOf(outgoing);
  if (answer === null) return [];
  const { session_id, event_id } = answer;
  const button = (label: string, given: 'good' | 'bad') => ({
    text: { type: 'plain_text' as const, text: label },
    accessibility_label: `Rate this answer: ${label.toLowerCase()}`,
    value: JSON.stringify({ rating: given, session_id, event_id, thread } satisfies z.infer<typeof rating>),
  });
  const element = {
    type: 'feedback_buttons' as const,
    action_id: FEEDBACK_ACTION,
    positive_button: button('Good answer', 'good'),
    negative_button: button('Bad answer', 'bad'),
  };
  return [{ type: 'context_actions', elements: [element] }];
}

/** A press of one of the buttons; null when it is not one of ours. */
export function parseFeedback(
  body: unknown,
  identity: Identity,
): { feedback: InboundFeedback; response_url: string | undefined } | null {
  const parsed = ratingBody.safeParse(body);
  const action = parsed.data?.actions[0];
  if (!parsed.success || action === undefined) return null;
  const given = rating.safeParse(jsonOf(action.value));
  if (!given.success) return null;
  const { user, channel, container, response_url } = parsed.data;
  const { session_id, event_id, thread } = given.data;
  const feedback: InboundFeedback = {
    // One press has one action_ts, however often its delivery is repeated.
    event_id: `feedback:${channel.id}:${container.message_ts}:${user.id}:${action.action_ts}`,
    conversation: { connector: SLACK, tenant: identity.tenant, channel: channel.id, thread },
    person: { id: user.id, name: user.id },
    answer: { session_id, event_id },
    rating: given.data.rating,
  };
  return { feedback, response_url };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
