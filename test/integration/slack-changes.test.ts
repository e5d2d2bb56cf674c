import { beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { createChanges } from '../support/slack/changes.ts';
import { useSlackStage } from '../support/slack/use-slack-stage.ts';

/** The house from Slack's door to the log. */
describe.each(['socket', 'http'] as const)('messages that change in Slack, mode %s', (mode) => {
  const { stage, slack } = useSlackStage({ mode });
  let bot: string;

  beforeEach(() => {
    bot = `<@${slack.workspace.bot_user_id}>`;
    slack.channel('ops');
  });

  /** What people said to agents, once this is the last of it. */
  async function given(last: string): Promise<string[]> {
    return eventually(async () => {
      const entries = await stage.entries('user.message');
      const texts = entries
        .filter(({ by }) => by?.via === 'slack')
        .map(({ event: { content } }) => (content[0]?.type === 'text' ? content[0].text : ''));
      if (!texts.at(-1)?.includes(last)) throw new Error(`${last} is not there: ${texts.join()}`);
      return texts;
    });
  }

  it('steer the run that was given them, once, and by name', async () => {
    const ana = slack.user('Ana');
    const root = ana.mention('ops', 'deploy');
    await given('deploy');
    slack.outbox.duplicateNext();
    ana.edit(root, `${bot} deploy to <@${slack.user('Ben').user.id}>’s host`);
    await given('Ana changed this message:\n> deploy\n\nIt says now:\n\ndeploy to @Ben’s host');
    createChanges(slack.workspace, slack.outbox).unfurl(root);
    slack.user('Ben').reply(root, 'wait', { mention: true });
    await given('wait');
    slack.outbox.duplicateNext();
    ana.deletes(root);
    await given('Ana took this message back, so what it asked for is not wanted any more:\n> deploy');
    slack.user('Ben').reply(root, 'and now?', { mention: true });
    expect(await given('and now?')).toHaveLength(5);
  });

  it('are told each time, also twice within a second', async () => {
    const ana = slack.user('Ana');
    const root = ana.mention('ops', 'deploy');
    await given('deploy');
    ana.edit(root, `${bot} deploy twice`);
    ana.edit(root, `${bot} deploy not`);
    const all = await given('deploy not');
    expect(all.map((text) => text.split('\n').at(-1))).toEqual(['deploy', 'deploy twice', 'deploy not']);
  });

  it('are told in the order in which they were made, also when Slack is late with one', async () => {
    const ana = slack.user('Ana');
    const root = ana.mention('ops', 'deploy');
    await given('deploy');
    const deliverOlder = slack.outbox.holdNext();
    ana.edit(root, `${bot} deploy twice`);
    ana.edit(root, `${bot} deploy not`);
    await given('deploy not');
    deliverOlder();
    await slack.outbox.idle();
    ana.reply(root, 'and now?', { mention: true });
    const all = await given('and now?');
    expect(all.filter((text) => text.includes('twice'))).toEqual([]);
    expect(all).toHaveLength(3);
  });

  it('are messages when they begin to mention the bot, once', async () => {
    const [ana, ben] = [slack.user('Ana'), slack.user('Ben')];
    const place = ana.says('ops', 'deploy');
    ana.edit(place, `${bot} deploy`);
    await given('deploy');
    const other = ben.says('ops', 'lunch?');
    ben.edit(other, 'dinner?');
    ben.deletes(other);
    ben.reply(place, 'and test', { mention: true });
    expect(await given('and test')).toEqual(['deploy', 'and test']);
    expect(await stage.refs()).toHaveLength(1);
  });
});
