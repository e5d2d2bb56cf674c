import { beforeEach, expect, it, vi } from 'vitest';
import { createRoles } from '../../src/chat/roles.ts';
import { ConflictError } from '../../src/errors.ts';
import { createEnvironments } from '../../src/resources/environments.ts';
import { eventually } from '../support/eventually.ts';
import { type Answers, answersOf } from '../support/slack/answers.ts';
import type { SlackPerson } from '../support/slack/person.ts';
import { useSlackStage } from '../support/slack/use-slack-stage.ts';
import { channelNamed, directChannel } from '../support/slack/workspace.ts';

const { stage, slack } = useSlackStage();
let answers: Answers;
/** Ana makes agents, Ben is a member, Gil a guest, and Ada an admin. */
let ana: SlackPerson;
let ben: SlackPerson;
let gil: SlackPerson;
let ada: SlackPerson;

beforeEach(async () => {
  answers = answersOf(slack);
  [ana, ben, gil, ada] = ['Ana', 'Ben', 'Gil', 'Ada'].map((name) => slack.user(name)) as [
    SlackPerson,
    SlackPerson,
    SlackPerson,
    SlackPerson,
  ];
  gil.user.is_restricted = true;
  for (const name of ['ops', 'lab', 'news']) {
    const channel = channelNamed(slack.workspace, name);
    for (const { user } of [ana, ben, gil, ada]) channel.members.add(user.id);
  }
  await createRoles(stage.db, []).give(stage.defaults.workspace_id, `slack:${ada.user.id}`, 'admin');
});

/** A list has the latest first, by the millisecond. */
async function later(): Promise<void> {
  const now = Date.now();
  await eventually(() => expect(Date.now()).toBeGreaterThan(now));
}

/** Ana's agent, and an older one of nobody's that is paused. */
async function made() {
  const { workspace_id } = stage.defaults;
  await stage.agents.create(workspace_id, {
    name: 'Night *Watch*',
    model: 'claude-opus-5-5',
    metadata: { deckhand_paused: 'true' },
  });
  await later();
  return stage.agents.create(workspace_id, {
    name: 'Code Reviewer',
    model: 'claude-sonnet-5-5',
    description: 'Reads what others wrote.',
    system: 'Be kind. Say what is wrong, and why.\nNever touch <main>.',
    metadata: { deckhand_owners: `slack:${ana.user.id}`, deckhand_budget: '2.5', deckhand_remind_after: '30m' },
  });
}

/** Ask for each, one after another. */
async function asks(person: SlackPerson, ...commands: string[]): Promise<void> {
  for (const asked of commands) await answers.types(person, asked);
}

it('how to begin, and what is not understood', async () => {
  await made();
  await asks(ana, '/agents', '/agents help', '/sessions help', '/approvals help', '/agents lits', '/agents xyzzy');
  await asks(ana, '/agents list all', '/agents new\nhello', '/agents new\nchannels: C1');
  await asks(
    ana,
    '/agents show',
    '/agents show Code Reviwer',
    '/agents show Nobody',
    '/agents show Code Reviewer please',
  );
  await stage.agents.create(stage.defaults.workspace_id, { name: 'Code Reviewer', model: 'claude-sonnet-5-5' });
  await asks(ana, '/agents list', '/agents show Code Reviewer');
  await answers.match('agents-help');
});

it('who there is, and how one is made', async () => {
  const { workspace_id } = stage.defaults;
  const reviewer = await made();
  await stage.agents.update(workspace_id, reviewer._id, {
    system: 'Be strict.',
    metadata: { deckhand_budget: '5', deckhand_four_eyes: 'true' },
  });
  await asks(ana, '/agents list', '/agents show Code Reviewer');
  await asks(gil, '/agents show Code Reviewer');
  const environments = createEnvironments(stage.db);
  const lab = await environments.create(workspace_id, { name: 'The lab' });
  const schema = { type: 'object' as const };
  const deployer = await stage.agents.create(workspace_id, {
    name: 'Deployer',
    model: 'claude-opus-5-5',
    system: 'Deploy what was reviewed, and nothing else. '.repeat(40),
    mcp_servers: [{ type: 'url', name: 'tracker', url: 'https://mcp.tracker.test/sse' }],
    tools: [
      { type: 'agent_toolset_20260401' },
      { type: 'mcp_toolset', mcp_server_name: 'tracker' },
      { type: 'custom', name: 'deploy_it', description: 'd', input_schema: schema },
    ],
    metadata: {
      deckhand_approvers: `slack:${ben.user.id},slack:${gil.user.id}`,
      deckhand_quorum: '2',
      deckhand_approve_for_session: 'tool',
      deckhand_private_detail: 'true',
      deckhand_escalate_to: `slack:${ada.user.id}`,
      deckhand_escalate_after: '1h',
      deckhand_expire_after: '8h',
      deckhand_environment: lab._id,
    },
  });
  await environments.archive(workspace_id, lab._id);
  await answers.types(ben, '/agents use Deployer', 'lab');
  await answers.types(ada, '/agents use Deployer', 'news');
  directChannel(slack.workspace, ada.user.id);
  await answers.types(ada, '/agents use Deployer', ada.user.id);
  await asks(ana, '/agents show Deployer');
  await answers.types(ana, '/agents show Deployer', 'lab');
  await stage.agents.update(workspace_id, deployer._id, { metadata: { deckhand_environment: 'env_gone' } });
  await answers.types(ada, '/agents show Deployer', ada.user.id);
  await answers.match('agents-show');
});

it('how one is made and changed in lines', async () => {
  const many = Array.from({ length: 60 }, (_, n) => `slack:U${1_000 + n}`).join(', ');
  await made();
  await asks(
    ana,
    '/agents new\nname: Deployer\nmodel: claude-opus-5-5\ninstructions: Deploy.\nAnd nothing else.\nbash: ask\nbudget: $5',
    `/agents new Scout\nowners: <@${ben.user.id}|ben>`,
    '/agents new\nname: code reviewer\nmodel: gpt\nbash: sometimes\nquorum: many\nenvironment: env_gone',
    `/agents new\nname:\ninstructions: ${'x'.repeat(3_001)}`,
  );
  await asks(gil, '/agents new');
  await stage.agents.create(stage.defaults.workspace_id, {
    name: 'Priceless',
    model: 'a-model-of-ours',
    metadata: { deckhand_owners: `slack:${ana.user.id}` },
  });
  await asks(
    ana,
    '/agents edit Code Reviewer\ninstructions: Be strict.',
    '/agents edit Code Reviewer 1\ninstructions: Be kind.',
    '/agents edit Code Reviewer\nowners:',
    '/agents edit Code Reviewer\nescalate_to: slack:channel:C1\nescalate_after: soon',
    `/agents edit Code Reviewer\nname: ${'x'.repeat(257)}\nbudget: 1,000\nfour_eyes: maybe\napprovers: ${many}`,
    '/agents edit Priceless\nbudget: 5',
  );
  await asks(ben, '/agents edit Code Reviewer\nname: Mine');
  await asks(
    ana,
    `/agents owner Code Reviewer <@${ana.user.id}> <@${ben.user.id}|ben>`,
    '/agents owner Code Reviewer me',
  );
  // Where no form opens, what to send without one.
  for (const command of ['new Tester', 'edit Code Reviewer', 'owner Code Reviewer']) {
    slack.faults.refuse('views.open', 'expired_trigger_id');
    await asks(ana, `/agents ${command}`);
  }
  await answers.match('agents-edit');
});

it('where it answers, and what it takes', async () => {
  await made();
  await asks(ana, '/agents use Code Reviewer', '/agents use deckhand');
  await asks(gil, '/agents use deckhand');
  await asks(ana, '/agents reply', '/agents reply sometimes', '/agents reply automatic', '/agents reply thread');
  await asks(ana, '/agents reply mention_only');
  await asks(gil, '/agents reply automatic');
  directChannel(slack.workspace, ana.user.id);
  await answers.types(ana, '/agents reply', ana.user.id);
  await answers.types(ana, '/agents reply mention_only', ana.user.id);
  await asks(ana, '/agents pause Code Reviewer', '/agents resume Code Reviewer');
  await asks(ben, '/agents pause Code Reviewer', '/agents resume Code Reviewer');
  await answers.match('agents-channel');
});

it('what it was before, and the end of it', async () => {
  const { workspace_id } = stage.defaults;
  const { _id } = await made();
  await stage.agents.update(workspace_id, _id, { system: 'Be strict.', metadata: { deckhand_four_eyes: 'true' } });
  await asks(ana, '/agents versions Code Reviewer', '/agents versions Code Reviewer 9');
  await asks(
    ana,
    '/agents rollback Code Reviewer',
    '/agents rollback Code Reviewer 9',
    '/agents rollback Code Reviewer 1',
  );
  await asks(ana, '/agents rollback Code Reviewer 1');
  vi.spyOn(stage.agents, 'update').mockRejectedValueOnce(new ConflictError('Somebody else was faster'));
  await asks(ana, '/agents rollback Code Reviewer 2');
  await asks(ben, '/agents rollback Code Reviewer 1');
  for (let n = 0; n < 100; n++) await stage.agents.update(workspace_id, _id, { system: `Be kind, ${n} times.` });
  await asks(ana, '/agents versions Code Reviewer 2', '/agents versions Code Reviewer 5');
  await asks(ana, '/agents archive Code Reviewer', '/agents archive Code Reviewer for good');
  await asks(ada, '/agents archive Night *Watch* for good', '/agents archive deckhand for good');
  await asks(ana, '/agents list', '/agents show Code Reviewer');
  await answers.match('agents-versions');
});

it('what they did and cost', async () => {
  const { workspace_id } = stage.defaults;
  const { _id } = await made();
  await asks(ana, '/agents runs Code Reviewer');
  ana.mention('ops', 'Code Reviewer: look at the plan, please');
  const refs = async (count: number) =>
    eventually(async () => {
      expect(await stage.entries('user.message')).toHaveLength(count);
      return stage.refs();
    });
  const [ref] = await refs(1);
  if (ref === undefined) throw new Error('There is no session');
  await stage.append(ref, { type: 'session.usage', usage: { list_cost: { amount: '100', currency: 'USD' } } });
  await asks(ana, '/agents cost', '/agents cost Code Reviewer', '/agents cost deckhand', '/agents runs Code Reviewer');
  await answers.types(ben, '/agents runs Code Reviewer', 'lab');
  await asks(gil, '/agents cost', '/agents cost Code Reviewer', '/agents runs Code Reviewer');
  const params = { agent: _id, environment_id: stage.defaults.environment_id };
  for (let n = 0; n < 101; n++) await stage.sessions.create(workspace_id, params);
  await asks(ana, '/agents runs Code Reviewer 2', '/agents runs Code Reviewer 10', '/agents runs Code Reviewer 11');
  await answers.match('agents-runs');
});

it('who may do what', async () => {
  await made();
  // What was spent is looked at once a while: here nothing was.
  await asks(ana, '/agents cost', '/agents cost Code Reviewer');
  const id = `<@${gil.user.id}|gil>`;
  await asks(ana, '/agents role', `/agents role ${id}`, `/agents role <@${ana.user.id}>`, '/agents role Gil member');
  await asks(ana, `/agents role ${id} member`);
  await asks(gil, '/agents role', `/agents role <@${ana.user.id}>`);
  await asks(ada, `/agents role ${id} member`, '/agents role test:U_ADA member');
  await answers.match('agents-role');
});
