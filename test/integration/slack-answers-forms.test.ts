import { beforeEach, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { type Answers, answersOf } from '../support/slack/answers.ts';
import type { SlackPerson } from '../support/slack/person.ts';
import { matchesSnapshot, modalShown } from '../support/slack/snapshot.ts';
import { useSlackStage } from '../support/slack/use-slack-stage.ts';
import { channelNamed, type SlackChannel, userGroup } from '../support/slack/workspace.ts';

const { stage, slack } = useSlackStage();
let answers: Answers;
let ana: SlackPerson;
let ben: SlackPerson;

beforeEach(() => {
  answers = answersOf(slack);
  [ana, ben] = ['Ana', 'Ben'].map((name) => slack.user(name)) as [SlackPerson, SlackPerson];
  const ops = channelNamed(slack.workspace, 'ops');
  for (const { user } of [ana, ben]) ops.members.add(user.id);
  userGroup(slack.workspace, 'oncall', ben.user);
});

/** Ana does something that opens a form, which has a snapshot of this name. */
async function opened(name: string, open: Promise<unknown>): Promise<void> {
  await open;
  await eventually(() => expect(ana.view()).toBeDefined());
  await matchesSnapshot(name, modalShown(ana));
}

it('an agent’s form says what is wrong beside each field', async () => {
  const [ops, lab] = ['ops', 'lab'].map((name) => channelNamed(slack.workspace, name)) as [SlackChannel, SlackChannel];
  lab.members.add(ana.user.id);
  await answers.types(ben, '/agents use deckhand');
  await opened('modal-agent-new', ana.command('ops', '/agents', 'new'));
  const good = { name: 'Tester' };
  for (const fields of [
    { name: 'deckhand', budget: 'lots' },
    { ...good, budget: 'lots' },
    { ...good, channels: [ops.id] },
    { ...good, channels: [lab.id, ops.id] },
    { ...good, remind_after: '2d', expire_after: '1h' },
  ]) {
    await answers.sends(ana, '/agents new', fields);
  }
  await answers.match('form-agent');
});

it('an agent’s owner changes it, and who owns it', async () => {
  const { workspace_id } = stage.defaults;
  const metadata = { deckhand_owners: `slack:${ana.user.id}` };
  await stage.agents.create(workspace_id, { name: 'Reviewer', model: 'claude-sonnet-5-5', metadata });
  await answers.types(ben, '/agents use Reviewer');
  await opened('modal-agent-edit-shared', ana.command('ops', '/agents', 'edit Reviewer'));
  slack.workspace.views.length = 0;
  await opened('modal-agent-owner', ana.command('ops', '/agents', 'owner Reviewer'));
  await answers.sends(ana, '/agents owner Reviewer', { owners: [] });
  await answers.match('form-owner');
});

it('asking an agent says why it cannot be asked, and where it was', async () => {
  const { workspace_id, agent_id } = stage.defaults;
  const change = (metadata: Record<string, string | null>) => stage.agents.update(workspace_id, agent_id, { metadata });
  const place = ben.says('ops', 'The build is red.');
  await opened('modal-ask-about', ana.shortcut('deckhand_ask_about', place));
  const what = 'Why?';
  await answers.sends(ana, 'Ask an agent about this', { what: ' ' });
  await change({ deckhand_paused: 'true' });
  await answers.sends(ana, 'Ask an agent about this', { what });
  await change({ deckhand_paused: null, deckhand_environment: 'env_gone' });
  await answers.sends(ana, 'Ask an agent about this', { what });
  await change({ deckhand_environment: null });
  for (const reason of ['not_in_channel', 'channel_not_found', 'is_archived', 'a_word_of_slack']) {
    slack.faults.refuse('chat.postMessage', reason);
    await answers.sends(ana, 'Ask an agent about this', { what });
  }
  ana.user.is_restricted = true;
  await ana.submit({ what });
  slack.workspace.views.length = 0;

  await opened('modal-ask', ana.shortcut('deckhand_ask'));
  await ana.submit({ what, where: channelNamed(slack.workspace, 'ops').id });
  await answers.told(ana, 'Ask an agent', 'is asked');
  slack.faults.refuse('views.open', 'expired_trigger_id');
  await ana.shortcut('deckhand_ask');
  await answers.told(ana, 'Ask an agent', 'Mention an agent');
  await ana.shortcut('deckhand_ask');
  await eventually(() => expect(ana.view()).toBeDefined());
  await stage.agents.archive(workspace_id, agent_id);
  await answers.sends(ana, 'Ask an agent', { what, where: channelNamed(slack.workspace, 'ops').id });
  await ana.shortcut('deckhand_ask');
  await answers.told(ana, 'Ask an agent', 'There is no agent');
  await answers.match('form-ask');
});

it('asking about what others say to each other says what is possible there', async () => {
  const id = 'D0OTHERS';
  const members = new Set([ana.user.id, ben.user.id]);
  slack.workspace.channels.set(id, { id, name: 'others', kind: 'im', members, is_archived: false });
  const place = { channel: id, ts: slack.workspace.nextTs() };
  slack.workspace.messages.push({ ...place, user: ben.user.id, text: 'The build is red.', blocks: [] });
  await ana.shortcut('deckhand_ask_about', place);
  await answers.sends(ana, 'Ask an agent about this', { what: 'Why?' });
  await answers.match('form-ask-others');
});
