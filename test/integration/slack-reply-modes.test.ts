import { describe, expect, it } from 'vitest';
import type { ReplyMode } from '../../src/chat/channel-settings.ts';
import { eventually } from '../support/eventually.ts';
import { useSlackStage } from '../support/slack/use-slack-stage.ts';

/** The house from Slack's door to the log. */
describe.each(['socket', 'http'] as const)('reply modes in Slack, mode %s', (mode) => {
  const { stage, slack } = useSlackStage({ mode });

  async function answer(reply_mode: ReplyMode): Promise<void> {
    const channel = { connector: 'slack', tenant: slack.workspace.team_id, channel: slack.channel('ops').id };
    await stage.channels.change(stage.defaults.workspace_id, channel, { reply_mode });
  }

  /** What agents were given in the end, who said it, and by which session. */
  async function given(last: string): Promise<string[]> {
    return eventually(async () => {
      const entries = await stage.entries('user.message');
      const texts = entries.map(({ by, event }) => {
        const [block] = event.content;
        return `${by?.name}: ${block?.type === 'text' ? block.text : ''}`;
      });
      if (!texts.some((text) => text.endsWith(last))) throw new Error(`${last} is not there: ${texts.join()}`);
      return texts.filter((text) => !text.startsWith('Deckhand:'));
    });
  }

  /** Everything that is no person's message, and what mentions others: it is left alone in every mode. */
  function noise(root: ReturnType<ReturnType<typeof slack.user>['says']>): void {
    const ben = slack.user('Ben');
    const other = slack.otherBot('ci');
    other.says('ops', { text: 'build 7 failed' });
    other.reply(root, { text: 'build 8 failed' });
    ben.says('ops', `<@${slack.user('Cleo').user.id}> lunch?`);
    ben.reply(root, `<@${slack.user('Cleo').user.id}> lunch?`);
    ben.reply(root, 'ask <!subteam^S1|@ops>');
    for (const subtype of ['channel_join', 'channel_leave', 'channel_topic', 'channel_name', 'pinned_item']) {
      const event = {
        type: 'message',
        channel: root.channel,
        channel_type: 'channel',
        user: ben.user.id,
        text: subtype,
      };
      slack.outbox.event({ ...event, subtype, ts: slack.workspace.nextTs(), event_ts: slack.workspace.nextTs() });
    }
  }

  it('takes only what mentions it', async () => {
    const ana = slack.user('Ana');
    const root = ana.mention('ops', 'begin');
    await given('begin');
    noise(root);
    ana.reply(root, 'thinking aloud');
    ana.says('ops', 'good morning');
    ana.reply(root, 'go on', { mention: true });
    expect(await given('go on')).toEqual(['Ana: begin', 'Ana: go on']);
  });

  it('takes what is said in its threads in mode thread', async () => {
    await answer('thread');
    const [ana, ben] = [slack.user('Ana'), slack.user('Ben')];
    const root = ana.mention('ops', 'begin');
    await given('begin');
    noise(root);
    ben.reply(root, 'faster');
    ana.says('ops', 'good morning');
    expect(await given('faster')).toEqual(['Ana: begin', 'Ben: faster']);
    ben.reply(root, 'and the end', { mention: true });
    expect(await given('and the end')).toEqual(['Ana: begin', 'Ben: faster', 'Ben: and the end']);
    expect(await stage.refs()).toHaveLength(1);
  });

  it('takes every new message in mode automatic', async () => {
    await answer('automatic');
    const [ana, ben] = [slack.user('Ana'), slack.user('Ben')];
    const root = ana.says('ops', 'the site is slow');
    await given('slow');
    noise(root);
    ben.reply(root, 'since noon');
    await given('since noon');
    ben.says('ops', 'another matter');
    await given('another matter');
    ana.mention('ops', 'the end');
    expect((await given('the end')).toSorted()).toEqual([
      'Ana: the end',
      'Ana: the site is slow',
      'Ben: another matter',
      'Ben: since noon',
    ]);
    expect(await stage.refs()).toHaveLength(3);
  });
});
