import { describe, expect, it } from 'vitest';
import { type HistoryRange, PostRefusedError, RateLimitedError } from '../../src/chat/connector.ts';
import type { ConversationKey } from '../../src/chat/place.ts';
import { createRecordingReceiver } from '../support/recording-receiver.ts';
import { type SlackHarness, startSlackHarness } from '../support/slack/harness.ts';
import type { OtherBot } from '../support/slack/other-bot.ts';
import type { MessagePlace } from '../support/slack/person.ts';
import { messageAt } from '../support/slack/workspace.ts';

const WHOLE: HistoryRange = {
  before: '9999999999.0',
  after: null,
  own: true,
  messages: 100,
  characters: 20_000,
  text: 4_000,
};
const signal = AbortSignal.timeout(60_000);

function keyOf(place: MessagePlace): ConversationKey {
  return { connector: 'slack', tenant: 'T0DECKHAND', channel: place.channel, thread: place.thread_ts ?? place.ts };
}

function historyOf(harness: SlackHarness, place: MessagePlace, range: Partial<HistoryRange> = {}) {
  const { connector } = harness;
  if (connector.history === undefined) throw new Error('Slack has a history');
  return connector.history(keyOf(place), { ...WHOLE, ...range }, signal);
}

const mrkdwn = (text: string) => ({ type: 'mrkdwn', text });
const plainText = (text: string) => ({ type: 'plain_text', text });
const richText = (...elements: unknown[]) => ({ type: 'rich_text', elements });
const line = (text: string) => ({ type: 'rich_text_section', elements: [{ type: 'text', text }] });

/** Shapes that alerts have in channels; `told` is what becomes of each. */
const appPosts: { name: string; said: Parameters<OtherBot['says']>[1]; told: string }[] = [
  {
    name: 'a text for notifications, and blocks that say more',
    said: {
      text: 'Deploy failed: api',
      blocks: [
        { type: 'header', text: plainText('Deploy failed') },
        { type: 'section', text: mrkdwn('*api* v12, see <https://ci.test/7|run 7>'), accessory: pressed('Roll back') },
        { type: 'section', fields: [mrkdwn('*Where*\nprod &amp; eu'), mrkdwn('*Who*\n<@U0ALERTS>')] },
        { type: 'divider' },
        { type: 'context', elements: [mrkdwn('took 4 min'), plainText('step <test>')] },
        { type: 'actions', elements: [pressed('Acknowledge')] },
      ],
    },
    told: [
      'Deploy failed',
      '*api* v12, see [run 7](https://ci.test/7)',
      '*Where*\nprod & eu',
      '*Who*\n@U0ALERTS',
      'took 4 min',
      'step <test>',
    ].join('\n'),
  },
  {
    name: 'a text that the blocks do not say',
    said: { text: 'Ana, your turn', blocks: [{ type: 'section', text: mrkdwn('Review of #7 is due') }] },
    told: 'Ana, your turn\nReview of #7 is due',
  },
  {
    name: 'a text, and the blocks that Slack made of it',
    said: {
      text: '*db1* is down :fire: see <https://mon.test/1|the graph>',
      blocks: [
        richText({
          type: 'rich_text_section',
          elements: [
            { type: 'text', text: 'db1', style: { bold: true } },
            { type: 'text', text: ' is down ' },
            { type: 'emoji', name: 'fire' },
            { type: 'text', text: ' see ' },
            { type: 'link', url: 'https://mon.test/1', text: 'the graph' },
          ],
        }),
      ],
    },
    told: '*db1* is down :fire: see [the graph](https://mon.test/1)',
  },
  {
    name: 'rich text',
    said: {
      blocks: [
        richText(
          {
            type: 'rich_text_section',
            elements: [
              { type: 'text', text: 'For ' },
              { type: 'channel', channel_id: 'C0X' },
              { type: 'text', text: ' & all: ' },
              { type: 'broadcast', range: 'here' },
              { type: 'text', text: ' if a < b, at ' },
              { type: 'date', timestamp: 0, format: '{time}', fallback: 'midnight' },
            ],
          },
          { type: 'rich_text_list', style: 'ordered', elements: [line('stop'), line('look')] },
          { type: 'rich_text_list', style: 'bullet', indent: 1, elements: [line('twice')] },
          { type: 'rich_text_quote', elements: [{ type: 'text', text: 'he said\nso' }] },
          { type: 'rich_text_preformatted', elements: [{ type: 'text', text: 'exit 1' }] },
        ),
      ],
    },
    told: [
      'For #C0X & all: @here if a < b, at midnight',
      '1. stop\n2. look',
      '  • twice',
      '> he said\n> so',
      '```\nexit 1\n```',
    ].join('\n'),
  },
  {
    name: 'a table',
    said: {
      text: 'Slow queries',
      blocks: [
        { type: 'markdown', text: '**Slow queries** since 9:00' },
        {
          type: 'table',
          rows: [
            [{ type: 'raw_text', text: 'query' }, richText(line('seconds'))],
            [
              { type: 'raw_text', text: 'a|b' },
              { type: 'raw_number', value: 4, text: '4' },
            ],
          ],
        },
      ],
    },
    told: '**Slow queries** since 9:00\nquery | seconds\na|b | 4',
  },
  {
    name: 'an attachment with fields, as of Datadog',
    said: {
      attachments: [
        {
          color: 'danger',
          fallback: 'Triggered: disk on db1',
          title: 'Triggered: disk on db1',
          text: 'Disk is at *91 %*',
          fields: [
            { title: 'Host', value: 'db1', short: true },
            { title: 'Monitor', value: '<https://dd.test/7|disk>', short: true },
          ],
          footer: 'Datadog',
        },
      ],
    },
    told: 'Triggered: disk on db1\nDisk is at *91 %*\nHost: db1\nMonitor: [disk](https://dd.test/7)\nDatadog',
  },
  {
    name: 'an attachment with blocks, as of PagerDuty',
    said: {
      text: 'Triggered #77: api is down',
      attachments: [
        {
          fallback: '[no preview available]',
          blocks: [
            { type: 'section', text: mrkdwn('*Triggered* <https://pd.test/77|#77>: api is down') },
            { type: 'section', fields: [mrkdwn('*Assigned*: Ana'), mrkdwn('*Service*: api')] },
            { type: 'actions', elements: [pressed('Acknowledge')] },
          ],
        },
      ],
    },
    told: '*Triggered* [#77](https://pd.test/77): api is down\n*Assigned*: Ana\n*Service*: api',
  },
  {
    name: 'attachments with everything, as of GitHub',
    said: {
      attachments: [
        {
          fallback: '[o/r] Pull request opened by ana',
          pretext: 'Pull request opened by <https://gh.test/ana|ana>',
          author_name: 'ana',
          title: '#12 Mend the build',
          text: 'It was red.',
          fields: [{ title: 'Reviewers', value: 'ben', short: true }],
          footer: '<https://gh.test/o/r|o/r>',
        },
        { fallback: 'a picture of the graph', image_url: 'https://gh.test/1.png' },
      ],
    },
    told: [
      'Pull request opened by [ana](https://gh.test/ana)',
      'ana',
      '#12 Mend the build',
      'It was red.',
      'Reviewers: ben',
      '[o/r](https://gh.test/o/r)',
      'a picture of the graph',
    ].join('\n'),
  },
];

function pressed(label: string) {
  return { type: 'button', action_id: label, text: plainText(label) };
}

describe('what was said in a Slack thread', () => {
  it('is told with people, bots, files and mentions by their names', async () => {
    await using harness = await startSlackHarness(createRecordingReceiver());
    const { slack } = harness;
    const [ana, ben] = [slack.user('Ana'), slack.user('Ben')];
    slack.channel('ops');
    const root = ana.says('ops', `<@${ben.user.id}> the &lt;b&gt; build is red`);
    const alerts = slack.otherBot('alerts');
    alerts.reply(root, { text: 'disk full on db1' });
    alerts.reply(root, { attachments: [{ title: 'Incident 7', text: 'opened by *cron*' }] });
    alerts.reply(root, { blocks: [{ type: 'section', text: { type: 'mrkdwn', text: 'from a block' } }] });
    const picture = ben.reply(root, 'see');
    const message = messageAt(slack.workspace, picture.channel, picture.ts);
    Object.assign(message ?? {}, { files: [{ id: 'F1', name: 'disk.png', title: 'Disk' }] });
    const { messages, left_out } = await historyOf(harness, root);
    expect(messages.map(({ from, name, text }) => [from, name, text])).toEqual([
      ['person', 'Ana', '@Ben the <b> build is red'],
      ['bot', 'alerts', 'disk full on db1'],
      ['bot', 'alerts', 'Incident 7\nopened by *cron*'],
      ['bot', 'alerts', 'from a block'],
      ['person', 'Ben', 'see\n[file: disk.png]'],
    ]);
    expect(left_out).toBe(0);
    expect(messages[0]?.message_id).toBe(root.ts);
    expect(messages[0]?.at).toMatch(/^\d{4}-\d\d-\d\dT/);
  });

  it.each(appPosts)('tells all that an app shows: $name', async ({ said, told }) => {
    await using harness = await startSlackHarness(createRecordingReceiver());
    const { slack } = harness;
    slack.channel('ops');
    const root = slack.otherBot('alerts').says('ops', said);
    const { messages } = await historyOf(harness, root);
    expect(messages.map(({ text }) => text)).toEqual([told]);
  });

  it('tells a long post of its own whole, of which the text is the beginning', async () => {
    await using harness = await startSlackHarness(createRecordingReceiver());
    const { slack, connector } = harness;
    slack.channel('ops');
    const root = slack.user('Ana').mention('ops', 'list them');
    const markdown = `All of them:\n${'- one more\n'.repeat(200)}and that was the last.`;
    const answer = { session_id: 'sesn_1', event_id: 'sevt_1' };
    const post = { kind: 'text', delivery_id: 'dlv_1', markdown, live: false, answer, agent_name: 'Dev' } as const;
    await connector.post(keyOf(root), post, signal);
    const { messages } = await historyOf(harness, root);
    expect(messages.map(({ from, text }) => [from, text])).toEqual([
      ['person', expect.stringContaining('list them')],
      ['self', markdown],
    ]);
  });

  it('tells whose words were forwarded', async () => {
    await using harness = await startSlackHarness(createRecordingReceiver());
    const { slack } = harness;
    slack.channel('ops');
    slack.channel('build');
    const found = slack.user('Ben').says('build', 'the build is red');
    const root = slack.user('Ana').forwards(found, 'ops', 'look');
    const { messages } = await historyOf(harness, root);
    const marked = 'Forwarded with this, written by Ben in #build (lines that begin with > are quoted):';
    expect(messages.map(({ text }) => text.replace(found.channel, 'build'))).toEqual([
      `look\n\n${marked}\n> the build is red`,
    ]);
  });

  it('keeps to the budget, from the latest back, and counts what it leaves out', async () => {
    await using harness = await startSlackHarness(createRecordingReceiver());
    const { slack } = harness;
    slack.channel('ops');
    const ana = slack.user('Ana');
    const root = ana.says('ops', 'root');
    for (let n = 1; n <= 9; n += 1) ana.reply(root, `message ${n}`);
    ana.reply(root, 'x'.repeat(50));
    const few = await historyOf(harness, root, { messages: 3, text: 20 });
    expect(few.messages.map(({ text }) => text)).toEqual(['message 8', 'message 9', `${'x'.repeat(19)}…`]);
    expect(few.left_out).toBe(8);
    const short = await historyOf(harness, root, { characters: 50 + 9 + 9 });
    expect(short.messages.map(({ text }) => text)).toEqual(['message 8', 'message 9', 'x'.repeat(50)]);
    expect(short.left_out).toBe(8);
  });

  it('is read page by page, to the message that asks', async () => {
    await using harness = await startSlackHarness(createRecordingReceiver());
    const { slack } = harness;
    slack.channel('ops');
    const ana = slack.user('Ana');
    const root = ana.says('ops', 'root');
    const replies = Array.from({ length: 1_100 }, (_, n) => ana.reply(root, `message ${n}`));
    const [after, before] = [replies[900]?.ts ?? '', replies[1_050]?.ts ?? ''];
    const all = await historyOf(harness, root, { before });
    expect(all.messages.at(-1)?.text).toBe('message 1049');
    expect(all.left_out).toBe(1_051 - 100);
    const calls = () => slack.journal.filter(({ method }) => method === 'conversations.replies').length;
    expect(calls()).toBe(3);
    const since = await historyOf(harness, root, { before, after });
    expect(since.messages).toHaveLength(100);
    expect(since.left_out).toBe(49);
    expect(since.messages.map(({ text }) => text)).not.toContain('root');
    expect(calls()).toBe(4);
  });
  it('is told from its end on where the thread is too long to be read whole', async () => {
    await using harness = await startSlackHarness(createRecordingReceiver());
    const { slack } = harness;
    const { id } = slack.channel('ops');
    const root = slack.user('Ana').says('ops', 'root');
    const begun = Number(root.ts);
    const at = (minute: number) => (begun + minute * 60).toFixed(6);
    // One each minute, for four days.
    for (let minute = 1; minute <= 5_760; minute += 1) {
      const message = { ts: at(minute), channel: id, user: slack.user('Ana').user.id, blocks: [], thread_ts: root.ts };
      slack.workspace.messages.push({ ...message, text: `minute ${minute}` });
    }
    const calls = () => slack.journal.filter(({ method }) => method === 'conversations.replies').length;
    const all = await historyOf(harness, root, { before: at(5_760) });
    expect(all.messages.map(({ text }) => text)).toEqual(Array.from({ length: 100 }, (_, n) => `minute ${5_660 + n}`));
    expect(all).toMatchObject({ left_out: 5_761 - 100, left_out_or_more: true });
    expect(all.cut_short).toBeUndefined();
    // The first page says how long it is; then the last hour, then the last six.
    expect(calls()).toBe(3);
    const since = await historyOf(harness, root, { before: at(5_760), after: at(5_700) });
    expect([since.messages.length, since.left_out, since.left_out_or_more]).toEqual([59, 0, undefined]);
    const long = await historyOf(harness, root, { before: at(5_760), after: at(1) });
    expect([long.messages.length, long.left_out_or_more]).toEqual([100, true]);
    expect(long.left_out).toBeGreaterThan(500);
    // Where Slack makes an app wait, what came of it is the beginning.
    slack.workspace.outside_marketplace = true;
    const few = await historyOf(harness, root, { before: at(5_760) });
    expect([few.messages.at(-1)?.text, few.cut_short]).toEqual(['minute 14', true]);
    slack.workspace.outside_marketplace = false;
    // After three months of silence there is no end to tell.
    const late = { ts: at(90 * 1_440), channel: id, user: slack.user('Ana').user.id, blocks: [], thread_ts: root.ts };
    slack.workspace.messages.push({ ...late, text: 'and now?' });
    const refused = await historyOf(harness, root, { before: late.ts }).catch((error: unknown) => error);
    expect(refused).toMatchObject({ reason: 'the thread has more than 5,000 messages' });
  });

  it('says what Slack says: wait, never, or not now', async () => {
    await using harness = await startSlackHarness(createRecordingReceiver());
    const { slack } = harness;
    slack.channel('ops');
    const root = slack.user('Ana').says('ops', 'root');
    slack.faults.rateLimit('conversations.replies', 7);
    await expect(historyOf(harness, root)).rejects.toMatchObject({ retry_after_ms: 7_000 });
    await expect(historyOf(harness, root).then(() => 'fine')).resolves.toBe('fine');
    for (const reason of ['missing_scope', 'not_in_channel', 'thread_not_found']) {
      slack.faults.refuse('conversations.replies', reason);
      const error = await historyOf(harness, root).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(PostRefusedError);
      expect(error).toMatchObject({ reason });
    }
    slack.faults.fail('conversations.replies', 503);
    const error = await historyOf(harness, root).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Error);
    expect(error).not.toBeInstanceOf(PostRefusedError);
    expect(error).not.toBeInstanceOf(RateLimitedError);
  });
});
