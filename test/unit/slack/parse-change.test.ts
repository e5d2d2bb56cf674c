import { describe, expect, it } from 'vitest';
import { parseChange } from '../../../connectors/slack/parse-change.ts';
import { identity } from '../../support/slack/said-event.ts';

const was = { type: 'message', user: 'U1', text: 'deploy', ts: '5.000001', thread_ts: '1.000001' };
const edited = { user: 'U1', ts: '9.000000' };
const now = { ...was, text: 'deploy not', edited };

function parse(event: Record<string, unknown>) {
  const common = { type: 'message', channel: 'C1', channel_type: 'channel', hidden: true, event_ts: '9.5' };
  return parseChange({ type: 'event_callback', event_id: 'Ev1', event: { ...common, ...event } }, identity);
}
const changed = (over: Record<string, unknown> = {}, before: object | null = was, event: object = {}) =>
  parse({
    subtype: 'message_changed',
    message: { ...now, ...over },
    ...(before !== null && { previous_message: before }),
    ...event,
  });
const deleted = (before: object = was) =>
  parse({ subtype: 'message_deleted', deleted_ts: '5.000001', previous_message: before });

describe('a change of a message in Slack', () => {
  it('is an edit by who wrote it, in its thread', async () => {
    expect(changed()).toEqual({
      event_id: 'Ev1/change',
      message_id: '5.000001',
      version: '9.000000/9.5',
      conversation: { connector: 'slack', tenant: 'T1', channel: 'C1', thread: '1.000001' },
      sender: { id: 'U1', name: 'U1' },
      text: 'deploy not',
    });
    expect(changed({}, null)?.text).toBe('deploy not');
  });

  it('is told apart from another one of the same second, and sorts as it was made', async () => {
    const versions = [
      changed({ edited: { user: 'U1', ts: '1652635674.000000' } }, was, { event_ts: '1652635674.900000' }),
      changed({}, was, { event_ts: '1652635675.000100', message: { ...now, edited: undefined } }),
      changed({ edited: { user: 'U1', ts: '1652635675.000000' } }, was, { event_ts: '1652635675.000200' }),
      changed({ edited: { user: 'U1', ts: '1652635675.000000' } }, was, { event_ts: '1652635675.000300' }),
    ].map((change) => change?.version);
    expect(new Set(versions).size).toBe(4);
    expect(versions).toEqual(versions.toSorted((a = '', b = '') => (a < b ? -1 : 1)));
  });

  it('is a message as well when it adds a mention of the bot, and only then', async () => {
    const text = 'deploy <@U0BOT>';
    const message = { event_id: 'Ev1', message_id: '5.000001', text, addressed: true, follows: 'all' };
    expect(changed({ text })).toMatchObject({ message: { ...message, version: '9.000000/9.5' }, text });
    expect(changed({ text }, { ...was, text: '<@U0BOT> deploy' })).not.toHaveProperty('message');
    expect(changed({ text }, was, { channel: 'D1', channel_type: 'im' })).not.toHaveProperty('message');
  });

  it('tells what was forwarded with it again', async () => {
    const attachments = [{ is_share: true, author_name: 'Ben', text: 'the build is red' }];
    const change = changed({ attachments }, { ...was, attachments });
    expect(change?.text).toMatch(/^deploy not\n\nForwarded with this, written by Ben .*\n&gt; the build is red$/);
    expect(changed({ text: 'deploy', attachments }, { ...was, attachments })).toBeNull();
  });

  it('is a deletion, also where a tombstone stands instead', async () => {
    const change = { message_id: '5.000001', version: 'deleted', text: null, sender: { id: 'U1', name: 'U1' } };
    expect(deleted()).toMatchObject(change);
    expect(changed({ user: 'USLACKBOT', subtype: 'tombstone', text: 'This message was deleted.' })).toMatchObject(
      change,
    );
    expect(deleted()).not.toHaveProperty('message');
  });

  it.each([
    ['a preview of a link', changed({ text: 'deploy', edited: undefined, attachments: [{}] })],
    ['a preview of a link in an edited message', changed({}, now)],
    ['a change of which nothing is known', changed({ edited: undefined }, null)],
    ['an edit of this bot’s', changed({ user: 'U0BOT' })],
    ['an edit of another bot’s', changed({ bot_id: 'B9' })],
    ['an edit of a topic', changed({ subtype: 'channel_topic' })],
    ['a deletion of another bot’s', deleted({ ...was, bot_id: 'B9' })],
    ['a deletion of nobody’s', deleted({ ts: '5.000001' })],
    ['a tombstone without what was there', changed({ subtype: 'tombstone' }, null)],
    ['a message', parse({ user: 'U1', text: 'hi', ts: '5.1' })],
    ['no event at all', parseChange('text', identity)],
  ])('is left out when it is %s', async (_what, change) => {
    expect(change).toBeNull();
  });
});
