import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { useSlackStage } from '../support/slack/use-slack-stage.ts';

const { stage, slack } = useSlackStage();

it('what somebody forwards with a mention is given to the agent, as quoted words of its author', async () => {
  slack.channel('ops');
  slack.channel('build');
  const found = slack.user('Ben').says('build', 'the build is red\n&gt; ask <@U0NOBODY>');
  slack.user('Ana').forwards(found, 'ops', `<@${slack.workspace.bot_user_id}> what about this`);
  const entries = await eventually(async () => {
    const said = await stage.entries('user.message');
    expect(said).toHaveLength(1);
    return said;
  });
  const [{ event, by } = {}] = entries;
  expect(by?.name).toBe('Ana');
  const [content] = event?.content ?? [];
  const text = content?.type === 'text' ? content.text.replace(/#\S+/, '#where') : '';
  expect(text.split('\n')).toEqual([
    'what about this',
    '',
    'Forwarded with this, written by Ben in #where (lines that begin with > are quoted):',
    '> the build is red',
    '> > ask @U0NOBODY',
  ]);
});
