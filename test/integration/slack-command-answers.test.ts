import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { checkBlocks, withoutIds } from '../support/slack/block-limits.ts';
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

/** Each run has its own ids and times. */
function steady(message: SlackMessage): string {
  const shown = JSON.stringify({ text: message.text, blocks: withoutIds(message.blocks) }, null, 2);
  return shown
    .replaceAll(/sesn_\w+/g, 'sesn_1')
    .replaceAll(/\/archives\/\w+\/p\d+/g, '/archives/C1/p51')
    .replaceAll(/\d{1,2} \w{3,9}, \d\d:\d\d UTC/g, '20 Nov, 12:00 UTC');
}

/** Ana has made an agent and changed it, and asked it for something that has cost a dollar. */
async function begun(): Promise<SlackPerson> {
  const ana = slack.user('Ana');
  const { workspace_id } = stage.defaults;
  const metadata = { deckhand_owners: `slack:${ana.user.id}`, deckhand_budget: '2.5', deckhand_remind_after: '30m' };
  const reviewer = await stage.agents.create(workspace_id, {
    name: 'Code Reviewer',
    model: 'claude-sonnet-5-5',
    description: 'Reads what others wrote.',
    system: 'Be kind. Say what is wrong, and why.\nNever touch <main>.',
    metadata,
  });
  // A list has the latest first.
  await eventually(() => expect(Date.now()).toBeGreaterThan(reviewer.created_at.getTime()));
  await stage.agents.update(workspace_id, reviewer._id, {
    system: 'Be strict.',
    metadata: { deckhand_budget: '5', deckhand_four_eyes: 'true' },
  });
  await stage.agents.create(workspace_id, {
    name: 'Night *Watch*',
    model: 'claude-opus-5-5',
    metadata: { deckhand_paused: 'true' },
  });
  ana.mention('ops', 'Code Reviewer: look at the plan, please');
  const [ref] = await eventually(async () => {
    const refs = await stage.refs();
    expect(refs).toHaveLength(1);
    expect(await stage.entries('user.message')).toHaveLength(1);
    return refs;
  });
  if (ref === undefined) throw new Error('There is no session');
  await stage.append(ref, { type: 'session.usage', usage: { list_cost: { amount: '100', currency: 'USD' } } });
  return ana;
}

it('commands are answered within Slack’s limits, as their snapshots show', async () => {
  const ana = await begun();
  for (const [name, command, text] of [
    ['help', '/agents', ''],
    ['list', '/agents', 'list'],
    ['show', '/agents', 'show Code Reviewer'],
    ['versions', '/agents', 'versions Code Reviewer'],
    ['runs', '/agents', 'runs Code Reviewer'],
    ['cost', '/agents', 'cost'],
    ['sessions', '/sessions', ''],
    ['unknown', '/agents', 'lits'],
  ] as const) {
    const answer = await answerTo(ana, command, text);
    await expect(`${steady(answer)}\n`).toMatchFileSnapshot(`../snapshots/slack/command-${name}.json`);
  }
});

it('the longest answers are within Slack’s limits too', async () => {
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
