import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Deliverer } from '../../src/chat/deliver.ts';
import type { SessionRef } from '../../src/session/log.ts';
import { ends, errs, replied, says } from '../support/chat-events.ts';
import type { NewEvent } from '../support/chat-stage.ts';
import { eventually } from '../support/eventually.ts';
import { createPlatform } from '../support/fake-connector.ts';
import { type Answers, answersOf } from '../support/slack/answers.ts';
import type { MessagePlace, SlackPerson } from '../support/slack/person.ts';
import { useSlackStage } from '../support/slack/use-slack-stage.ts';
import { channelNamed } from '../support/slack/workspace.ts';

const { stage, slack, connector } = useSlackStage();
let answers: Answers;
let deliverer: Deliverer;
let ana: SlackPerson;
let gil: SlackPerson;

beforeEach(() => {
  answers = answersOf(slack);
  deliverer = stage.deliverer(createPlatform(), 'gateway_1', { connectors: new Map([['slack', connector]]) });
  [ana, gil] = ['Ana', 'Gil'].map((name) => slack.user(name)) as [SlackPerson, SlackPerson];
  gil.user.is_restricted = true;
  for (const { user } of [ana, gil]) channelNamed(slack.workspace, 'ops').members.add(user.id);
});

afterEach(() => deliverer.stop());

/** The session that a message of Ana's begins, and its thread. */
async function begun(text: string): Promise<{ ref: SessionRef; thread: MessagePlace }> {
  const thread = ana.mention('ops', text);
  const ref = await eventually(async () => {
    const [found] = await stage.refs();
    if (found === undefined || (await stage.entries('user.message')).length === 0)
      throw new Error('There is no session');
    return found;
  });
  return { ref, thread };
}

it('what a session says of itself', async () => {
  const { ref, thread } = await begun('clean up');
  const by = { via: 'slack', id: ana.user.id, name: 'Ana' };
  const dollars = (amount: string) => ({ type: 'limit' as const, max_list_cost: { amount, currency: 'USD' as const } });
  const happens: [what: string, words: string, ...NewEvent[]][] = [
    ['its budget is raised', 'may cost', { type: 'session.updated', budget: dollars('250'), from: by }],
    ['its budget is taken away', 'taken away', { type: 'session.updated', budget: null }],
    ['it is resumed', 'Resumed', { type: 'deckhand.session_resumed', from: by }],
    ['it runs and says nothing', 'nothing to add', ends()],
    ['it is stopped', 'Stopped by', { type: 'user.interrupt', from: by }, ends()],
    ['it has spent its budget', 'used up', ends({ type: 'budget_reached' })],
    ['the model refuses', 'cannot help', ends({ type: 'refusal' })],
    ['it fails for good', 'gave up', ends({ type: 'retries_exhausted' })],
    ['it fails and says why', 'overloaded', errs('The model is overloaded.', 'exhausted')],
    ['it ends', 'has ended', { type: 'session.status_terminated' }],
  ];
  for (const [what, words, ...events] of happens) {
    await stage.append(ref, ...events);
    await answers.hears(ana, what, { thread, words });
  }
  await answers.match('thread-session');
});

it('what Slack does not take of it', async () => {
  const { ref, thread } = await begun('clean up');
  slack.faults.refuse('chat.postMessage', 'msg_too_long');
  await stage.append(ref, says('It is done.'));
  await answers.hears(ana, 'an answer is refused', { thread, words: 'does not take' });
  slack.faults.refuse('chat.postMessage', 'is_archived', 2);
  await stage.append(ref, says('It is done.'), ends());
  await answers.told(ana, 'nothing is taken there', 'I may not post');
  await answers.match('thread-refused');
});

it('what is answered to a message that is not taken', async () => {
  const { workspace_id, agent_id } = stage.defaults;
  const set = (metadata: Record<string, string | null>) => stage.agents.update(workspace_id, agent_id, { metadata });
  for (const [what, text, words] of [
    ['a mention alone', '', 'Tell me what'],
    ['a message that is too long', 'x'.repeat(100_001), 'has 100,'],
  ] as const) {
    const thread = ana.mention('ops', text);
    await answers.hears(ana, what, { thread, words });
  }
  const stopped = ana.mention('ops', '');
  ana.stop(stopped);
  await answers.hears(ana, 'Stop where nothing runs', { thread: stopped, words: 'Nothing is running' });
  const { thread } = await begun('clean up');
  gil.reply(thread, 'and the rest', { mention: true });
  await answers.hears(gil, 'a guest in what somebody else began', { thread, words: 'may not steer' });
  gil.stop(thread);
  await answers.hears(gil, 'a guest presses Stop there', { thread, words: 'may not stop' });
  ana.stop(thread);
  await eventually(async () => expect(await stage.entries('user.interrupt')).toHaveLength(1));
  ana.stop(thread);
  await answers.hears(ana, 'Stop, again', { thread, words: 'stopping already' });
  await set({ deckhand_guests: 'deny' });
  const guests = gil.mention('ops', 'hello');
  await answers.hears(gil, 'a guest where none may speak', { thread: guests, words: 'takes nothing from guests' });
  await set({ deckhand_guests: null, deckhand_paused: 'true' });
  const paused = ana.mention('ops', 'hello');
  await answers.hears(ana, 'a paused agent', { thread: paused, words: 'is paused' });
  await set({ deckhand_paused: null, deckhand_environment: 'env_gone' });
  const gone = ana.mention('ops', 'hello');
  await answers.hears(ana, 'an agent whose environment is gone', { thread: gone, words: 'cannot start' });
  await stage.agents.archive(workspace_id, agent_id);
  const [ref] = await stage.refs();
  if (ref === undefined) throw new Error('There is no session');
  await stage.append(ref, ends());
  ana.reply(thread, 'and the rest', { mention: true });
  await answers.hears(ana, 'an archived agent whose run is over', { thread, words: 'was archived' });
  const nobody = ana.mention('ops', 'hello');
  await answers.hears(ana, 'no agent', { thread: nobody, words: 'There is no agent' });
  await answers.match('thread-messages');
});

it('what an agent says, where not all of it can be shown', async () => {
  const { ref, thread } = await begun('clean up');
  const sees = (what: string, words: string) => answers.hears(ana, what, { thread, words });
  await stage.append(ref, says('It is done. '.repeat(6_000)));
  await sees('a long answer', 'The whole of it');
  slack.faults.refuse('files.getUploadURLExternal', 'missing_scope');
  await stage.append(ref, says('It is done. '.repeat(6_000)));
  await sees('a long answer, where no file is taken', 'This is not all');
  const file = { file_id: 'file_1', path: 'sales.png', filename: 'sales.png', mime_type: 'image/png', size_bytes: 12 };
  await stage.append(ref, { type: 'deckhand.output_shared', ...file, changed: '1.5', sha256: 'aa' });
  await sees('a picture that was deleted meanwhile', 'I made sales.png');
  const about = { ...ref, filename: 'plan.png', mime_type: 'image/png', purpose: 'output' as const };
  const { _id: file_id } = await stage.files.keep(about, Readable.from([Buffer.from('png')]));
  slack.faults.refuse('files.getUploadURLExternal', 'file_type_banned');
  const plan = { file_id, path: 'plan.png', filename: 'plan.png', mime_type: 'image/png', size_bytes: 3 };
  await stage.append(ref, { type: 'deckhand.output_shared', ...plan, changed: '1.5', sha256: 'ab' });
  await sees('a picture that Slack does not take', 'I made plan.png');
  await answers.match('thread-agent');
});

it('what an agent says where its commands are private', async () => {
  const { workspace_id, agent_id } = stage.defaults;
  await stage.agents.update(workspace_id, agent_id, { metadata: { deckhand_private_detail: 'true' } });
  const { ref, thread } = await begun('clean up');
  const sees = (what: string, words: string) => answers.hears(ana, what, { thread, words });
  const use = { type: 'agent.tool_use', name: 'bash', input: { command: 'ls' }, evaluated_permission: 'ask' } as const;
  await stage.append(ref, replied('tool_use', ['sevt_rm']), says('I run rm -rf build.'), { ...use, id: 'sevt_rm' });
  await sees('words before a call that asks', 'What I say before');
  await stage.append(ref, replied(null), says('I run rm -rf'));
  await sees('words that were broken off', 'What I was saying');
  await answers.match('thread-private');
});

it('what is answered to an opinion', async () => {
  const { ref, thread } = await begun('clean up');
  await stage.append(ref, replied('end_turn'), says('It is done.'), ends());
  const rated = () => ana.sees(thread).find(({ blocks }) => blocks.some(({ type }) => type === 'context_actions'));
  const answer = await eventually(() => {
    const found = rated();
    if (found === undefined) throw new Error('There is no answer');
    return found;
  });
  await ana.rate(answer, 'good');
  await answers.hears(ana, 'Good answer', { thread, words: 'Thank you' });
  await stage.sessions.archive(ref);
  await stage.sessions.remove(ref);
  await ana.rate(answer, 'bad');
  await answers.hears(ana, 'Bad answer, of a session that is gone', { thread, words: 'is gone' });
  await answers.match('thread-feedback');
});

it('what is answered to files that do not come along', async () => {
  const files = Array.from({ length: 21 }, (_, n) => ({ name: `page-${n + 1}.txt`, bytes: 'x' }));
  const [first, second] = files;
  if (first === undefined || second === undefined) throw new Error('There are no files');
  Object.assign(second, { mode: 'hidden_by_limit' });
  const thread = ana.mention('ops', 'read these', files);
  await answers.hears(ana, '21 files at once, one of them hidden by the plan', { thread, words: 'Not everything' });
  await answers.match('thread-files');
});
