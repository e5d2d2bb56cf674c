import type { Connector } from '../../src/chat/connector.ts';
import { PLAN_SIZE } from './plan-blocks.ts';
import { TEXT_LIMIT } from './render.ts';

/** What Slack lets an app do, and how fast (docs.slack.dev/apis/web-api/rate-limits). */
export const LIMITS: Connector['limits'] = {
  text: TEXT_LIMIT,
  // chat.update is limited to 50 a minute and more (Tier 3), appendStream to 100 (Tier 4).
  edit_interval_ms: 1_200,
  // These limits count the whole workspace, and what is refused then holds up final texts as well. Slack lets bursts pass: five
  // a second is what a handful of growing texts needs.
  live_edits_per_second: 5,
  // chat.postMessage takes about one message a second in one channel, and short bursts.
  post_interval_ms: 1_000,
  // 55,000 characters: more than anybody reads in a thread.
  posts_before_file: 5,
  plan_size: PLAN_SIZE,
};

/** reactions.add and conversations.replies are Tier 3 as well; a mark and what was said before can be done without. */
export const EXTRAS_PER_MINUTE = 50;
