import { beforeEach, it, vi } from 'vitest';
import { createConversationStore } from '../../src/chat/conversation-store.ts';
import { createRoles } from '../../src/chat/roles.ts';
import { InvalidInputError } from '../../src/errors.ts';
import type { ApprovalPolicy } from '../../src/session/event.ts';
import { derivedId, newId } from '../../src/session/id.ts';
import type { SessionRef } from '../../src/session/log.ts';
import { asks as asked, decided, ends } from '../support/chat-events.ts';
import { eventually } from '../support/eventually.ts';
import { type Answers, answersOf } from '../support/slack/answers.ts';
import type { SlackPerson } from '../support/slack/person.ts';
import { useSlackStage } from '../support/slack/use-slack-stage.ts';
import { channelNamed, directChannel, userGroup } from '../support/slack/workspace.ts';

const { stage, slack } = useSlackStage();
let answers: Answers;
/** Ana asks for things, Ben owns an agent, Eve is a member, Gil a guest, and Ada an admin. */
let ana: SlackPerson;
let ben: SlackPerson;
let eve: SlackPerson;
let gil: SlackPerson;
let ada: SlackPerson;

beforeEach(async () => {
  answers = answersOf(slack);
  [ana, ben, eve, gil, ada] = ['Ana', 'Ben', 'Eve', 'Gil', 'Ada'].map((name) => slack.user(name)) as [
    SlackPerson,
    SlackPerson,
    SlackPerson,
    SlackPerson,
    SlackPerson,
  ];
  gil.user.is_restricted = true;
  const ops = channelNamed(slack.workspace, 'ops');
  for (const { user } of [ana, ben, eve, gil, ada]) {
    ops.members.add(user.id);
    directChannel(slack.workspace, user.id);
  }
  await createRoles(stage.db, []).give(stage.defaults.workspace_id, `slack:${ada.user.id}`, 'admin');
});

/** Ask for each, one after another. */
async function asks(person: SlackPerson, ...commands: string[]): Promise<void> {
  for (const one of commands) await answers.types(person, one);
}

/** The session that somebody begins with this. */
async function begun(say: () => unknown): Promise<SessionRef> {
  const before = (await stage.refs()).map(({ session_id }) => session_id);
  say();
  return eventually(async () => {
    const ref = (await stage.refs()).find(({ session_id }) => !before.includes(session_id));
    if (ref === undefined || (await stage.log.read(ref)).length === 0) throw new Error('No session was begun');
    return ref;
  });
}

/** An agent of Ben's. */
async function bens(name: string, model = 'claude-sonnet-5-5'): Promise<void> {
  const metadata = { deckhand_owners: `slack:${ben.user.id}`, deckhand_budget: '1' };
  await stage.agents.create(stage.defaults.workspace_id, { name, model, metadata });
}

const costs = (amount: string) => ({
  type: 'session.usage' as const,
  usage: { list_cost: { amount, currency: 'USD' as const } },
});

it('what goes on, and stopping and resuming it', async () => {
  const { workspace_id, agent_id, environment_id } = stage.defaults;
  await asks(ana, '/sessions', '/sessions here', '/sessions stop', '/sessions stop sesn_unknown', '/sessions mine two');
  const ref = await begun(() => ana.mention('ops', 'count to a million'));
  const id = ref.session_id;
  await asks(ana, '/sessions', '/sessions here', `/sessions resume ${id}`, `/sessions stop ${id} at once`);
  await asks(eve, `/sessions stop ${id}`);
  await asks(gil, '/sessions here', `/sessions stop ${id}`);
  await asks(ana, `/sessions stop ${id}`, `/sessions stop ${id}`);
  await stage.append(ref, ends());
  await asks(ana, `/sessions stop ${id}`, `/sessions resume ${id}`);
  await stage.append(ref, ends({ type: 'requires_action', event_ids: [] }));
  await stage.db.collection<{ _id: string }>('sessions').updateOne({ _id: id }, { $set: { 'log.owed': false } });
  await asks(ana, `/sessions resume ${id}`);
  await stage.append(ref, ends());
  await stage.agents.update(workspace_id, agent_id, { metadata: { deckhand_paused: 'true' } });
  await asks(ana, `/sessions resume ${id}`);
  await stage.sessions.archive(ref);
  await asks(ana, `/sessions resume ${id}`, '/sessions');
  const origin = { by: { via: 'slack', id: ana.user.id, name: 'Ana' } };
  for (let n = 0; n < 12; n++) await stage.sessions.create(workspace_id, { agent: agent_id, environment_id }, origin);
  await asks(ana, '/sessions', '/sessions mine 2', '/sessions mine 3');
  await answers.match('sessions');
});

it('where one is', async () => {
  const { workspace_id, agent_id, environment_id } = stage.defaults;
  const here = await begun(() => ana.mention('ops', 'count to a million'));
  const direct = await begun(() => ana.dm('count to two'));
  const elsewhere = await stage.session();
  const api = await stage.sessions.create(workspace_id, { agent: agent_id, environment_id });
  const place = { connector: 'slack', tenant: 'T0OTHER', channel: 'C0OTHER', thread: '1.1' };
  const { _id: conversation_id } = await createConversationStore(stage.db).open(place, workspace_id);
  const theirs = await stage.sessions.create(workspace_id, { agent: agent_id, environment_id }, { conversation_id });
  for (const id of [here.session_id, direct.session_id, elsewhere.session_id, api._id, theirs._id]) {
    await asks(eve, `/sessions open ${id}`);
  }
  await asks(gil, `/sessions open ${here.session_id}`);
  await answers.match('sessions-open');
});

it('what one may cost', async () => {
  await bens('Thrifty');
  await bens('Priceless', 'a-model-of-ours');
  const free = await begun(() => ana.mention('ops', 'count to a million'));
  await asks(ada, `/sessions budget ${free.session_id}`, `/sessions budget ${free.session_id} 5`);
  const priceless = await begun(() => ana.mention('ops', 'Priceless: spend'));
  await asks(ben, `/sessions budget ${priceless.session_id} 5`);
  const ref = await begun(() => ana.mention('ops', 'Thrifty: spend'));
  await stage.append(ref, costs('103'), ends({ type: 'budget_reached' }));
  const budget = `/sessions budget ${ref.session_id}`;
  await asks(ana, '/sessions', `/sessions resume ${ref.session_id}`, `${budget} 5`);
  await asks(ben, budget, `${budget} lots`, `${budget} 1.03`, `${budget} $2.50`, `${budget} 5`);
  // What others do between the look at it and the change.
  const meanwhile = vi.spyOn(stage.sessions, 'setBudget');
  meanwhile.mockRejectedValueOnce(new InvalidInputError('the session is terminated', 'budget'));
  await asks(ben, `${budget} 5.5`);
  meanwhile.mockImplementationOnce(async () => {
    await stage.append(ref, costs('600'));
    throw new InvalidInputError('must be above the 600 cents', 'budget.max_list_cost.amount');
  });
  await asks(ben, `${budget} 5.5`);
  await stage.sessions.archive(ref);
  await asks(ben, `${budget} 10`);
  await answers.match('sessions-budget');
});

/** The session's agent asks whether it may. */
async function question(
  ref: SessionRef,
  policy: Partial<ApprovalPolicy> = {},
  command = 'rm -rf build',
): Promise<{ id: string; tool_use_id: string }> {
  // The oldest first: no two are as old.
  stage.clock.now += 1_000;
  const tool_use_id = newId('sevt');
  const id = derivedId('appr', tool_use_id);
  const requested_by = { via: 'slack', id: ana.user.id, name: 'Ana' };
  const events = asked(id, tool_use_id, policy).map((event) => {
    if (event.type === 'agent.tool_use') return { ...event, input: { command } };
    if (event.type !== 'deckhand.approval_requested') return event;
    return { ...event, requested_by, detail: command.slice(0, 3_000), why: 'It is in the way.' };
  });
  await stage.append(ref, ...events);
  await stage.approvals.record(ref, await stage.log.read(ref));
  return { id, tool_use_id };
}

/** What waits for somebody in words, as where Slack takes no list. */
async function inWords(person: SlackPerson, command: string): Promise<void> {
  slack.faults.fail('response_url', 503);
  await answers.types(person, command);
}

it('what waits for a decision', async () => {
  const ref = await begun(() => ana.mention('ops', 'clean up'));
  const approvers = [`slack:${ben.user.id}`, `slack:${eve.user.id}`];
  await inWords(ben, '/approvals');
  await asks(ben, '/approvals', '/approvals mine two');
  await question(ref, { approvers, quorum: 2, for_session: 'tool', expire_after_ms: 3_600_000 });
  const { id: same } = await question(ref, { approvers, for_session: 'arguments' });
  await inWords(ben, '/approvals');
  await asks(ben, '/approvals');
  const long = await question(ref, { approvers }, `echo ${'old-build '.repeat(900)}`);
  await asks(ben, '/approvals show', '/approvals show appr_unknown', `/approvals show ${same}`);
  await asks(ben, `/approvals show ${long.id}`, `/approvals show ${long.id} 2`, `/approvals show ${long.id} 3`);
  await asks(ben, `/approvals approve ${long.id}`);
  const { id: secret } = await question(ref, { approvers: approvers.slice(1), private_detail: true });
  await asks(ben, `/approvals show ${secret}`);
  for (let n = 0; n < 8; n++) await question(ref, { approvers });
  await inWords(ben, '/approvals');
  await inWords(ben, '/approvals mine 2');
  await inWords(ben, '/approvals mine 9');
  const direct = await begun(() => ana.dm('clean up'));
  await question(direct, { quorum: 2 });
  // The way to direct messages is for whoever is in them.
  await asks(ana, '/approvals');
  await asks(ada, '/approvals');
  await answers.match('approvals');
});

it('deciding it', async () => {
  const ref = await begun(() => ana.mention('ops', 'clean up'));
  const approvers = [ben, eve, ada].map(({ user }) => `slack:${user.id}`);
  await asks(ben, '/approvals approve', '/approvals approve appr_unknown', '/approvals deny');
  const two = await question(ref, { approvers, quorum: 3 });
  await asks(ben, `/approvals approve ${two.id} tomorrow`, `/approvals approve ${two.id} for session`);
  await asks(gil, `/approvals approve ${two.id}`);
  await asks(ben, `/approvals approve ${two.id}`, `/approvals approve ${two.id}`);
  await asks(eve, `/approvals approve ${two.id}`);
  await asks(ada, `/approvals approve ${two.id}`, `/approvals approve ${two.id}`);
  for (const for_session of ['tool', 'arguments'] as const) {
    const { id } = await question(ref, { approvers, for_session });
    await asks(ben, `/approvals approve ${id} for session`);
  }
  const no = await question(ref, { approvers });
  await asks(ben, `/approvals deny ${no.id} not on a Friday`);
  await asks(eve, `/approvals approve ${no.id}`);
  const own = await question(ref, { four_eyes: true });
  await asks(ana, `/approvals approve ${own.id}`);
  await asks(gil, `/approvals approve ${own.id}`);
  await answers.types(eve, `/approvals approve ${own.id}`, eve.user.id);
  await answers.types(eve, `/approvals deny ${own.id}`, eve.user.id);
  const oncall = userGroup(slack.workspace, 'oncall', eve.user);
  const groups = await question(ref, { approvers: [`slack:group:${oncall}`] });
  for (let n = 0; n < 5; n += 1) slack.faults.refuse('usergroups.users.list', 'internal_error');
  await asks(eve, `/approvals approve ${groups.id}`);
  const late = await question(ref, { approvers, expire_after_ms: 1_000 });
  stage.clock.now += 2_000;
  await asks(ben, `/approvals approve ${late.id}`);
  const stopped = await question(ref, { approvers });
  const by = { via: 'slack', id: ana.user.id, name: 'Ana' };
  await stage.append(ref, decided(stopped.id, stopped.tool_use_id, 'withdrawn', by));
  await stage.approvals.record(ref, await stage.log.read(ref));
  await asks(ben, `/approvals approve ${stopped.id}`);
  await answers.match('approvals-decided');
});
