import { fileURLToPath } from 'node:url';
import type { SlackHandlers } from '../load/slack.ts';
import { asIfElsewhere, type Child, startChild } from '../processes/child.ts';
import type { House } from '../stage.ts';

export type Mode = 'http' | 'socket';

/** A Slack in a process of its own. */
export function startSlack(): Child<SlackHandlers> {
  const script = fileURLToPath(new URL('../load/slack.ts', import.meta.url));
  return asIfElsewhere(startChild(['--import', 'tsx', script], { PATH: process.env['PATH'] ?? '' }));
}

/** What a house needs to listen to it. */
export function slackSettings(
  mode: Mode,
  api_url: string,
  tokens: { bot: string; app: string; signing_secret: string },
): Record<string, string> {
  const listening =
    mode === 'socket' ? { SLACK_APP_TOKEN: tokens.app } : { SLACK_SIGNING_SECRET: tokens.signing_secret };
  return { SLACK_BOT_TOKEN: tokens.bot, SLACK_API_URL: api_url, ...listening };
}

/** How many sessions of this house run now. */
export async function running(house: House): Promise<number> {
  return house.mongo.db(house.database).collection('sessions').countDocuments({ 'log.status': 'running' });
}
