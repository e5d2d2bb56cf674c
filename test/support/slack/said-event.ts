import type { Identity } from '../../../connectors/slack/parse.ts';

/** The installation that events of these tests are for. */
export const identity: Identity = {
  tenant: 'T1',
  team_id: 'T1',
  enterprise_id: undefined,
  url: 'https://x.slack.test/',
  bot_user_id: 'U0BOT',
  bot_id: 'B0BOT',
};

/** What Slack sends when somebody says something in a channel. */
export const saidEvent = (event: Record<string, unknown>) => ({
  type: 'event_callback',
  event_id: 'Ev1',
  event: {
    type: 'message',
    channel: 'C1',
    channel_type: 'channel',
    user: 'U1',
    text: 'hello',
    ts: '5.000001',
    ...event,
  },
});
