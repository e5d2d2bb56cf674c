import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { checkBlocks } from '../support/slack/block-limits.ts';
import type { SlackPerson } from '../support/slack/person.ts';
import { useSlackStage } from '../support/slack/use-slack-stage.ts';
import type { SlackMessage } from '../support/slack/workspace.ts';

const { stage, slack } = useSlackStage();

/** What Slack shows to nobody else, as the latest of them. */
async function answerTo(person: SlackPerson, command: string, text: string): Promise<SlackMessage> {
  const answers = () => slack.workspace.messages.filter(({ ephemeral_to }) => ephemeral_to === person.user.id);
  const before = answers().length;
  await person.command('ops', command, text);
  return eventually(() => {
    const answer = answers()[before];
    if (answer === undefined) throw new Error(`${command} ${text} was not answered`);
    return answer;
  });
}

it('the longest answers are within Slack’s limits', async () => {
  const ana = slack.user('Ana');
  const { workspace_id } = stage.defaults;
  const name = (n: number) => `${'*_<Agent>_*'.repeat(20)} ${n}`;
  await Promise.all(
    Array.from({ length: 100 }, (_, n) =>
      stage.agents.create(workspace_id, {
        name: name(n),
        model: 'claude-sonnet-5-5',
        description: '<d>'.repeat(600),
        system: '& '.repeat(10_000),
      }),
    ),
  );
  const list = await answerTo(ana, '/agents', 'list');
  checkBlocks(list.blocks);
  expect(JSON.stringify(list.blocks)).toContain('lines are left out');
  const show = await answerTo(ana, '/agents', `show ${name(7)}`);
  checkBlocks(show.blocks);
  expect(JSON.stringify(show.blocks)).toContain('more characters');
});
