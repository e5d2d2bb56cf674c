import { beforeEach, describe, expect, it } from 'vitest';
import { createEnvironments } from '../../../../src/resources/environments.ts';
import { place, said } from '../../../support/chat-stage.ts';
import { agentOf, commanded, typing } from '../../../support/commands.ts';
import { useChatStage } from '../../../support/use-chat-stage.ts';

const stage = useChatStage();
let type: ReturnType<typeof typing>;

beforeEach(() => {
  type = typing(stage);
});

async function configOf(id: string) {
  return (await stage.agents.get(stage.defaults.workspace_id, id)).config;
}

async function agentNamed(name: string) {
  const { items } = await stage.agents.list(stage.defaults.workspace_id, { include_archived: true });
  return items.find((agent) => agent.config.name === name);
}

/** Ana types this, and as it is about to be saved somebody else changes the agent. */
async function overtaken(id: string, text: string, metadata: Record<string, string>) {
  const { workspace_id } = stage.defaults;
  const agents = {
    ...stage.agents,
    async update(...args: Parameters<typeof stage.agents.update>) {
      await stage.agents.update(workspace_id, id, { metadata });
      return stage.agents.update(...args);
    },
  };
  return stage.receiver({ agents }).command(commanded(text));
}

describe('the help', () => {
  it.each(['/agents', '/agents help'])('of %s names every command', async (text) => {
    const { effect, text: help } = await type.ana(text);
    expect(effect).toBe('accepted');
    for (const name of ['list', 'show <name>', 'new', 'edit', 'use', 'reply', 'pause', 'resume', 'owner', 'versions']) {
      expect(help).toContain(`/agents ${name}`);
    }
    for (const name of ['rollback <name> <version>', 'archive', 'runs', 'cost', 'role']) {
      expect(help).toContain(`/agents ${name}`);
    }
  });

  it('teaches a first step and one line to type', async () => {
    const { text } = await type.ana('/agents help');
    expect(text).toMatch(
      /New here\? `\/agents list` says who there is\. .*\nFor example: `\/agents new Code Reviewer`\n/,
    );
  });

  it('comes with the nearest name to one that is not there', async () => {
    const receipt = await type.ana('/agents lits');
    expect(receipt).toMatchObject({ effect: 'refused', text: expect.stringContaining('Did you mean `/agents list`?') });
    expect(receipt.text).toContain('/agents show <name>');
  });
});

describe('words behind a command that takes none', () => {
  it.each([
    ['/agents list all', '`/agents list` takes nothing behind it: what stands there (all) is not understood.'],
    ['/agents show Reviewer please', 'Say the name alone: what stands behind **Reviewer** (please) is not understood.'],
    ['/agents use Reviewer in test:channel:C9', 'what stands behind **Reviewer** (in test:channel:C9)'],
    ['/agents pause Reviewer tomorrow', 'what stands behind **Reviewer** (tomorrow)'],
    ['/agents resume Reviewer tomorrow', 'what stands behind **Reviewer** (tomorrow)'],
    ['/agents cost Reviewer 2025', 'what stands behind **Reviewer** (2025)'],
  ])('are not passed over: %s', async (text, words) => {
    const { _id } = await agentOf(stage, 'Reviewer');
    expect(await type.ana(text)).toMatchObject({ effect: 'refused', text: expect.stringContaining(words) });
    expect((await configOf(_id)).metadata).not.toHaveProperty('deckhand_paused');
    expect((await stage.channels.of(stage.defaults.workspace_id, place)).agent_id).toBeNull();
  });

  it('are the name of a new agent', async () => {
    const { form } = await type.ana('/agents new Code Reviewer');
    expect(form?.fields.find(({ name }) => name === 'name')?.value).toBe('Code Reviewer');
  });
});

describe('/agents list and show', () => {
  it('say who there is, who answers here and who is paused', async () => {
    await agentOf(stage, 'Code Reviewer', { deckhand_paused: 'true' });
    const { text } = await type.ana('/agents list');
    expect(text).toContain('- **deckhand** (answers here)');
    expect(text).toContain('- **Code Reviewer** (paused)');
  });

  it('say how one is made', async () => {
    await agentOf(stage, 'Code Reviewer', { deckhand_budget: '2.5', deckhand_approvers: 'test:U_BEN' });
    const { text } = await type.ana('/agents show code reviewer');
    expect(text).toContain('**Code Reviewer** · version 1');
    expect(text).toContain('Owners: U\\_ANA');
    expect(text).toContain('Approvers: U\\_ANA, U\\_BEN');
    expect(text).toContain('$2.50');
  });

  it('say which tools it has beside those that a form sets', async () => {
    const { _id } = await agentOf(stage, 'Deployer');
    expect((await type.ana('/agents show Deployer')).text).not.toMatch(/Custom tools|MCP servers/);
    const schema = { type: 'object' as const };
    await stage.agents.update(stage.defaults.workspace_id, _id, {
      mcp_servers: [
        { type: 'url', name: 'git_hub', url: 'https://mcp.github.test/x?key=secret' },
        { type: 'url', name: 'wiki', url: 'https://wiki.test:8443/' },
      ],
      tools: [
        { type: 'custom', name: 'deploy_it', description: 'd', input_schema: schema },
        { type: 'custom', name: 'look', description: 'd', input_schema: schema },
        {
          type: 'mcp_toolset',
          mcp_server_name: 'git_hub',
          configs: [
            { name: 'search', permission_policy: { type: 'always_allow' } },
            { name: 'list', permission_policy: { type: 'always_ask' } },
            { name: 'drop', enabled: false },
          ],
        },
        { type: 'mcp_toolset', mcp_server_name: 'wiki', default_config: { enabled: false } },
      ],
    });
    const { text } = await type.ana('/agents show Deployer');
    expect(text).toContain('\n- Custom tools: `deploy_it`, `look`\n');
    expect(text).toContain(
      '\n- MCP servers: git\\_hub on mcp.github.test (ask; search: allow, drop: off), wiki on wiki.test:8443 (off)\n',
    );
    expect(text).not.toContain('secret');
  });

  it('call its environment by its name', async () => {
    const { workspace_id } = stage.defaults;
    const environments = createEnvironments(stage.db);
    const { _id } = await environments.create(workspace_id, { name: 'The lab' });
    await agentOf(stage, 'Deployer', { deckhand_environment: _id });
    const shown = async () => (await type.ana('/agents show Deployer')).text;
    expect(await shown()).toContain('- Environment: The lab\n');
    await environments.archive(workspace_id, _id);
    expect(await shown()).toContain('- Environment: The lab, which is archived: no session begins there\n');
    await environments.remove(workspace_id, _id);
    expect(await shown()).toContain(`- Environment: \`${_id}\`, which is gone: no session begins there\n`);
  });

  it.each([
    ['/agents show', 'Say which agent.'],
    ['/agents show decckhand', 'Did you mean **deckhand**?'],
    ['/agents show nobody at all', 'There is no agent named nobody at all.'],
  ])('%s is answered with what to do', async (text, words) => {
    expect(await type.ana(text)).toMatchObject({ effect: 'refused', text: expect.stringContaining(words) });
  });

  it('take a name for no markup', async () => {
    await agentOf(stage, '*<!channel>* `x`');
    expect((await type.ana('/agents list')).text).toContain('\\*\\<!channel\\>\\* \\`x\\`');
  });
});

describe('agents of one name', () => {
  it('are told apart by their ids, and none is taken for the other', async () => {
    const { workspace_id } = stage.defaults;
    const mine = await agentOf(stage, 'Reviewer');
    const theirs = await agentOf(stage, 'reviewer', { deckhand_owners: 'test:U_BEN,test:U_ANA' });
    const nobodys = await stage.agents.create(workspace_id, { name: 'Deckhand', model: 'claude-sonnet-5-5' });
    const isThere = async (id: string) => (await stage.agents.get(workspace_id, id)).archived_at === null;
    for (const text of ['archive Reviewer for good', 'pause REVIEWER', 'edit @reviewer', 'use reviewer']) {
      const receipt = await type.ana(`/agents ${text}`);
      expect(receipt).toMatchObject({
        effect: 'refused',
        text: expect.stringContaining('There are two agents named '),
      });
      expect(receipt.text).toContain(`Say which by its id: `);
      expect(receipt.text).toContain(`\`${mine._id}\` (owned by U\\_ANA)`);
      expect(receipt.text).toContain(`\`${theirs._id}\` (owned by U\\_BEN, U\\_ANA)`);
    }
    expect((await type.ana('/agents show deckhand')).text).toContain(`\`${nobodys._id}\``);
    const { text: list } = await type.ana('/agents list');
    expect(list).toContain(`- **reviewer** \`${theirs._id}\`\n`);
    expect((await type.ana(`/agents archive ${mine._id}`)).text).toContain(`\`/agents archive ${mine._id} for good\``);
    for (const form of ['edit', 'owner']) {
      expect((await type.ana(`/agents ${form} ${mine._id}`)).text).toContain(`\`\`\`\n/agents ${form} ${mine._id}\n`);
    }
    expect((await type.ana(`/agents archive ${mine._id} for good`)).text).toContain('is archived');
    expect([await isThere(mine._id), await isThere(theirs._id)]).toEqual([false, true]);
    // Of those that are left the name is enough again.
    expect((await type.ana('/agents list')).text).toContain('- **reviewer**\n');
    expect((await type.ana('/agents archive Reviewer for good')).effect).toBe('accepted');
    expect(await isThere(theirs._id)).toBe(false);
  });
});

describe('/agents new', () => {
  it('makes an agent that its maker owns', async () => {
    const receipt = await type.fills('Ana', '/agents new', {
      name: 'Deployer',
      model: 'claude-opus-5-5',
      instructions: 'Deploy with care.',
      bash: 'ask',
      write: 'off',
      approvers: 'test:U_BEN',
      channels: 'C1,C2',
      budget: '$5',
    });
    expect(receipt).toMatchObject({ effect: 'accepted', text: expect.stringContaining('**Deployer** is there') });
    const agent = await agentNamed('Deployer');
    expect(agent?.config).toMatchObject({
      model: { id: 'claude-opus-5-5' },
      system: 'Deploy with care.',
      metadata: { deckhand_owners: 'test:U_ANA', deckhand_approvers: 'test:U_BEN', deckhand_budget: '5' },
    });
    const [toolset] = agent?.config.tools ?? [];
    expect(toolset).toMatchObject({
      configs: expect.arrayContaining([
        expect.objectContaining({ name: 'bash', enabled: true, permission_policy: { type: 'always_ask' } }),
        expect.objectContaining({ name: 'write', enabled: false }),
        expect.objectContaining({ name: 'read', enabled: true, permission_policy: { type: 'always_allow' } }),
      ]),
    });
    for (const channel of ['C1', 'C2']) {
      const settings = await stage.channels.of(stage.defaults.workspace_id, { ...place, channel });
      expect(settings.agent_id).toBe(agent?._id);
    }
  });

  it('says who decides and what happens when nobody does, without a word of metadata', async () => {
    const said = {
      name: 'Careful',
      approvers: 'test:U_BEN, test:group:S1',
      quorum: '2',
      four_eyes: 'yes',
      approve_for_session: 'tool',
      remind_after: '30 minutes',
      escalate_after: '1 hour',
      escalate_to: 'test:U_CARA,test:channel:C9',
      expire_after: '2 days',
      private_detail: 'yes',
    };
    expect((await type.fills('Ana', '/agents new', said)).effect).toBe('accepted');
    const stored = {
      deckhand_owners: 'test:U_ANA',
      deckhand_approvers: 'test:U_BEN,test:group:S1',
      deckhand_quorum: '2',
      deckhand_four_eyes: 'true',
      deckhand_approve_for_session: 'tool',
      deckhand_remind_after: '30m',
      deckhand_escalate_after: '1h',
      deckhand_escalate_to: 'test:U_CARA,test:channel:C9',
      deckhand_expire_after: '2d',
      deckhand_private_detail: 'true',
    };
    expect((await agentNamed('Careful'))?.config.metadata).toEqual(stored);
    const { text } = await type.ana('/agents show Careful');
    expect(text).toContain('- Approvals: 2 have to approve, never who asked, may count for the session');
    expect(text).toContain('reminded every 30m; each after 1h: U\\_CARA, #C9; denied after 2d');
    // As text: what stands there comes back as it is.
    const lines = ['remind_after: 30m', 'four_eyes: yes', 'escalate_to: test:U_CARA,test:channel:C9'];
    for (const line of lines) expect((await type.ana('/agents edit Careful')).text).toContain(line);
    const undone = { quorum: '1', four_eyes: 'no', remind_after: '', escalate_after: '', escalate_to: '' };
    expect((await type.fills('Ana', '/agents edit Careful', undone)).effect).toBe('accepted');
    expect(Object.keys((await agentNamed('Careful'))?.config.metadata ?? {}).toSorted()).toEqual([
      'deckhand_approve_for_session',
      'deckhand_approvers',
      'deckhand_expire_after',
      'deckhand_owners',
      'deckhand_private_detail',
    ]);
  });

  it.each([
    [{ quorum: '3' }, 'quorum', 'only 1 may decide'],
    [{ quorum: 'all' }, 'quorum', 'Pick one of 1, 2'],
    [{ four_eyes: 'sometimes' }, 'four_eyes', 'Pick one of no, yes.'],
    [{ remind_after: 'soon' }, 'remind_after', 'must be a time'],
    [{ remind_after: '9h', expire_after: '8h' }, 'remind_after', 'must be shorter than "Deny after"'],
    [{ escalate_after: '1h' }, 'escalate_to', 'must name somebody'],
    [{ escalate_to: 'test:U_CARA' }, 'escalate_after', 'after how long'],
    [{ escalate_to: '@cara', escalate_after: '1h' }, 'escalate_to', 'is not a person'],
    [{ approvers: 'test:channel:C1' }, 'approvers', 'is not a person'],
  ])('says beside the field what is wrong: %j', async (fields, field, words) => {
    await agentOf(stage, 'Careful');
    const { errors } = await type.fills('Ana', '/agents edit Careful', fields);
    expect(errors).toEqual({ [field]: expect.stringContaining(words) });
  });

  it('is done without a form too, and says how', async () => {
    const { text } = await type.ana('/agents new');
    expect(text).toContain('/agents new\nname:\nmodel: claude-sonnet-5-5');
    const receipt = await type.ana('/agents new\nname: Scout\ninstructions: Look.\nDo not touch.\nbash: auto');
    expect(receipt.effect).toBe('accepted');
    expect((await agentNamed('Scout'))?.config.system).toBe('Look.\nDo not touch.');
  });

  it('takes the name behind it where no line says one', async () => {
    expect((await type.ana('/agents new Code Scout\ninstructions: Look.')).text).toContain('**Code Scout** is there');
    expect((await agentNamed('Code Scout'))?.config.system).toBe('Look.');
    expect((await type.ana('/agents new Code Scout\nname: Ranger')).text).toContain('**Ranger** is there');
    const { errors } = await type.ana('/agents new\ninstructions: Look.');
    expect(errors).toEqual({ name: 'Give it a name, on one line.' });
  });

  it.each([
    ['test:U_BEN, test:U_CARA', 'test:U_ANA,test:U_BEN,test:U_CARA', ', and yours together with the owners you named.'],
    ['test:U_BEN,test:U_ANA', 'test:U_ANA,test:U_BEN', ', and yours together with the owners you named.'],
    ['test:U_ANA', 'test:U_ANA', ', and yours.'],
    ['', 'test:U_ANA', ', and yours.'],
  ])('is owned by who makes it, and by whom they name: %j', async (owners, kept, words) => {
    expect((await type.ana(`/agents new Scout\nowners: ${owners}`)).text).toContain(`**Scout** is there${words}`);
    expect((await agentNamed('Scout'))?.config.metadata).toEqual({ deckhand_owners: kept });
  });

  it('says beside each field what is wrong with it, and makes nothing', async () => {
    const receipt = await type.fills('Ana', '/agents new', {
      name: 'Deckhand',
      model: 'gpt',
      bash: 'maybe',
      approvers: 'ben',
      environment: 'env_gone',
      instructions: 'x'.repeat(3_001),
    });
    expect(receipt.effect).toBe('refused');
    expect(Object.keys(receipt.errors ?? {}).toSorted()).toEqual([
      'bash',
      'environment',
      'instructions',
      'model',
      'name',
    ]);
    expect((await type.fills('Ana', '/agents new', { name: 'x', approvers: 'ben' })).errors).toMatchObject({
      approvers: expect.stringContaining('is not a person'),
    });
    expect((await type.ana('/agents new x\nowners: ben')).errors).toMatchObject({
      owners: expect.stringContaining('ben'),
    });
    expect((await type.fills('Ana', '/agents new', { name: 'x', budget: 'lots' })).errors).toMatchObject({
      budget: expect.stringContaining('must be a number'),
    });
    expect(await agentNamed('x')).toBeUndefined();
  });

  it('makes one agent of a form that is sent twice, also by way of another gateway', async () => {
    const { form } = await type.ana('/agents new');
    const fields = Object.fromEntries((form?.fields ?? []).map(({ name, value }) => [name, value]));
    const sent = commanded('/agents new', { fields: { ...fields, name: 'Twin' } });
    const receipts = await Promise.all([stage.receiver().command(sent), stage.receiver().command(sent)]);
    expect(receipts.map(({ effect }) => effect).toSorted()).toEqual(['accepted', 'duplicate']);
    const { items } = await stage.agents.list(stage.defaults.workspace_id, {});
    expect(items.filter(({ config }) => config.name === 'Twin')).toHaveLength(1);
  });

  it('takes the same form again after what was wrong elsewhere is mended', async () => {
    const other = await agentOf(stage, 'Taken');
    const sent = commanded('/agents new', { fields: { name: 'Taken' } });
    expect((await stage.receiver().command(sent)).errors).toMatchObject({ name: expect.stringContaining('already') });
    await stage.agents.archive(stage.defaults.workspace_id, other._id);
    expect((await stage.receiver().command(sent)).effect).toBe('accepted');
  });
});

describe('/agents edit', () => {
  it('changes what is different and nothing else', async () => {
    const agent = await agentOf(stage, 'Reviewer', { team: 'blue' });
    await type.ana('/agents use Reviewer');
    expect((await type.fills('Ana', '/agents edit reviewer', { name: 'Critic', budget: '1' })).effect).toBe('accepted');
    const config = await configOf(agent._id);
    expect(config).toMatchObject({ name: 'Critic', metadata: { team: 'blue', deckhand_budget: '1' } });
    expect(config.model).toEqual(agent.config.model);
    expect((await stage.channels.of(stage.defaults.workspace_id, place)).agent_id).toBe(agent._id);
    expect((await type.fills('Ana', '/agents edit critic', { budget: '', channels: '' })).effect).toBe('accepted');
    expect((await configOf(agent._id)).metadata).not.toHaveProperty('deckhand_budget');
    expect((await stage.channels.of(stage.defaults.workspace_id, place)).agent_id).toBeNull();
  });

  it('does not undo what somebody else changed while the form stood open', async () => {
    const agent = await agentOf(stage, 'Reviewer');
    const { form } = await type.ana('/agents edit Reviewer');
    await stage.agents.update(stage.defaults.workspace_id, agent._id, { system: 'New words.' });
    const receipt = await type.ana(`/agents ${form?.text}`, { fields: { instructions: 'Old words.' } });
    expect(receipt.errors).toMatchObject({ name: expect.stringContaining('Somebody else changed') });
    expect((await configOf(agent._id)).system).toBe('New words.');
  });

  it('does not undo what somebody else changes as it is saved', async () => {
    const agent = await agentOf(stage, 'Reviewer');
    const sent = await overtaken(agent._id, '/agents edit Reviewer\nbudget: 5', { deckhand_budget: '9' });
    expect(sent.errors).toEqual({ name: expect.stringContaining('Somebody else changed') });
    expect((await configOf(agent._id)).metadata).toMatchObject({ deckhand_budget: '9' });
  });

  it.each([
    '/agents edit Reviewer now',
    '/agents edit Reviewer now\nbudget: 5',
    '/agents edit Reviewer 1.5\nbudget: 5',
  ])('takes no word behind the name for a version: %j', async (text) => {
    await agentOf(stage, 'Reviewer');
    const words = expect.stringMatching(/^Say the name alone: what stands behind .* is not understood\.$/);
    expect(await type.ana(text)).toEqual({ effect: 'refused', text: words });
  });

  it('says in the words of its form what is wrong, and not in those of a schema', async () => {
    await agentOf(stage, 'Reviewer');
    const people = Array.from({ length: 60 }, (_, n) => `test:U_${1_000 + n}`).join(', ');
    const { text } = await type.ana(
      `/agents edit Reviewer\nname: ${'x'.repeat(257)}\nfour_eyes: maybe\napprovers: ${people}\nremind_after: ${'1'.repeat(513)}`,
    );
    expect(text?.split('\n')).toEqual([
      'Nothing was changed.',
      '- Name: At most 256 characters fit here.',
      '- Who asked for the work (`four_eyes`): Pick one of no, yes.',
      '- Approvers: These are too many to be named one by one: name fewer, or a group.',
      '- Remind after (`remind_after`): At most 512 characters fit here.',
    ]);
  });

  it.each([
    ['12,50', '12.50'],
    ['$ 12,5', '12.5'],
    ['12.50', '12.50'],
  ])('takes %s for so many dollars', async (budget, kept) => {
    const agent = await agentOf(stage, 'Reviewer');
    expect((await type.ana(`/agents edit Reviewer\nbudget: ${budget}`)).effect).toBe('accepted');
    expect((await configOf(agent._id)).metadata).toMatchObject({ deckhand_budget: kept });
    // That may be a thousand.
    const { errors } = await type.ana('/agents edit Reviewer\nbudget: 1,000');
    expect(errors).toEqual({ budget: expect.stringContaining('must be a number') });
  });

  it('says who may do it without a word of configuration', async () => {
    await agentOf(stage, 'Reviewer');
    expect((await type.ben('/agents edit Reviewer')).text).toBe(
      'You may not change an agent. Who may: its owners (U\\_ANA), admins (`/agents role` names them).',
    );
  });

  it('leaves instructions alone that no form can hold', async () => {
    const agent = await agentOf(stage, 'Novelist');
    const system = 'x'.repeat(3_001);
    await stage.agents.update(stage.defaults.workspace_id, agent._id, { system });
    const { form } = await type.ana('/agents edit Novelist');
    expect(form?.fields.map(({ name }) => name)).not.toContain('instructions');
    await type.fills('Ana', '/agents edit Novelist', { bash: 'ask' });
    expect((await configOf(agent._id)).system).toBe(system);
  });

  it('keeps no budget for a model without a price', async () => {
    const agent = await agentOf(stage, 'Odd');
    await stage.agents.update(stage.defaults.workspace_id, agent._id, { model: 'other-model' });
    const receipt = await type.fills('Ana', '/agents edit Odd', { budget: '3' });
    expect(receipt.errors).toMatchObject({ budget: expect.stringContaining('no list price') });
  });
});

describe('what a channel does', () => {
  it('is set with /agents use and /agents reply, by name and mode', async () => {
    const agent = await agentOf(stage, 'Reviewer');
    expect((await type.ben('/agents use reviewer')).text).toContain('**Reviewer** answers here');
    expect((await type.ben('/agents reply THREAD')).effect).toBe('accepted');
    const settings = await stage.channels.of(stage.defaults.workspace_id, place);
    expect(settings).toMatchObject({ agent_id: agent._id, reply_mode: 'thread' });
    await stage.receiver().message(said('hello'));
    expect((await stage.sessions.list(stage.defaults.workspace_id, {})).items[0]?.agent.name).toBe('Reviewer');
  });

  it('is told when no mode is named, or one that is none', async () => {
    expect((await type.ben('/agents reply')).text).toContain('`mention_only` now');
    const receipt = await type.ben('/agents reply sometimes');
    expect(receipt).toMatchObject({ effect: 'refused', text: expect.stringContaining('- `automatic`:') });
  });
});

describe('/agents reply where everything is said to the bot', () => {
  const quiet = { nameOf: async () => 'Ana', readable: async (x: string) => x, whisper: async () => undefined };

  it.each([
    ['direct messages', { ...quiet, isDirect: () => true }],
    ['a page of one’s own conversations', { ...quiet, closed_conversations: true as const }],
  ])('says so, and sets nothing: %s', async (_where, connector) => {
    const receiver = stage.receiver({ connectors: new Map([['test', connector]]) });
    for (const text of ['/agents reply', '/agents reply mention_only', '/agents reply thread']) {
      const receipt = await receiver.command(commanded(text));
      expect(receipt).toEqual({ effect: 'accepted', text: 'Here I take everything you write.' });
    }
    expect(await stage.db.collection('channel_settings').countDocuments()).toBe(0);
  });
});

describe('the channels of an agent', () => {
  const at = (channel: string) => ({ conversation: { ...place, channel, thread: channel } });
  const agentIn = async (channel: string) =>
    (await stage.channels.of(stage.defaults.workspace_id, { ...place, channel })).agent_id;

  it.each(['/agents new\nname: Sly\nchannels: C9', '/agents edit Reviewer\nchannels: C9'])(
    'are not typed, where nobody says what somebody sees: %j',
    async (text) => {
      await agentOf(stage, 'Reviewer');
      expect(await type.ana(text)).toMatchObject({
        effect: 'refused',
        text: expect.stringContaining('`/agents use <name>` in a channel'),
      });
      expect(await agentIn('C9')).toBeNull();
      expect(await agentNamed('Sly')).toBeUndefined();
    },
  );

  it('are not taken from others by a form, but in the channel', async () => {
    const [reviewer, scout] = [await agentOf(stage, 'Reviewer'), await agentOf(stage, 'Scout')];
    await type.ben('/agents use Reviewer', at('C9'));
    for (const command of ['/agents edit Scout', '/agents new']) {
      const { errors } = await type.fills('Ana', command, { name: 'Scout 2', channels: 'C8,C9' });
      expect(errors).toEqual({
        channels: expect.stringContaining('Somebody else has chosen who answers in number 2 of'),
      });
    }
    expect([await agentIn('C8'), await agentIn('C9')]).toEqual([null, reviewer._id]);
    expect(await agentNamed('Scout 2')).toBeUndefined();
    const { text } = await type.ana('/agents use Scout', at('C9'));
    expect(text).toContain('**Scout** answers here instead of **Reviewer**.');
    expect(await agentIn('C9')).toBe(scout._id);
    // What one has set oneself, one may change from anywhere.
    expect((await type.fills('Ana', '/agents edit Reviewer', { channels: 'C9' })).effect).toBe('accepted');
    expect(await agentIn('C9')).toBe(reviewer._id);
  });

  it('that others have set are not shown in a form, and stay when it is saved', async () => {
    const { _id } = await agentOf(stage, 'Reviewer');
    await type.ana('/agents use Reviewer', at('C1'));
    for (const channel of ['D_BEN', 'C9']) await type.ben('/agents use Reviewer', at(channel));
    await stage.channels.change(stage.defaults.workspace_id, { ...place, channel: 'C_OLD' }, { agent_id: _id });
    const { form } = await type.ana('/agents edit Reviewer');
    expect(form?.fields.find(({ name }) => name === 'channels')).toMatchObject({
      value: 'C1',
      hint: expect.stringContaining('Others have chosen it for 3 more'),
    });
    await type.fills('Ana', '/agents edit Reviewer', { channels: 'C2,C9' });
    const channels = ['C1', 'C2', 'C9', 'D_BEN', 'C_OLD'];
    expect(await Promise.all(channels.map(agentIn))).toEqual([null, _id, _id, _id, _id]);
    // C9 is Ben's still.
    await type.fills('Ana', '/agents edit Reviewer', { channels: '' });
    expect(await Promise.all(channels.map(agentIn))).toEqual([null, null, _id, _id, _id]);
  });
});

describe('the channels that /agents show names', () => {
  const at = (channel: string) => ({ conversation: { ...place, channel, thread: channel } });
  const shown = async (name: string, channel: string) =>
    /- Channels .*: (.*)/.exec((await type.as(name)('/agents show Reviewer', at(channel))).text ?? '')?.[1];

  it('are those that its reader set or is in; the others are counted', async () => {
    const { _id } = await agentOf(stage, 'Reviewer');
    expect(await shown('Ana', 'C1')).toBe('none');
    await type.ana('/agents use Reviewer', at('C1'));
    for (const channel of ['C_BEN', 'C3']) await type.ben('/agents use Reviewer', at(channel));
    const elsewhere = { connector: 'other', tenant: 'T1', channel: 'C1' };
    await stage.channels.change(stage.defaults.workspace_id, elsewhere, { agent_id: _id });
    expect(await shown('Ana', 'C2')).toBe('#C1, 3 more');
    expect(await shown('Ana', 'C3')).toBe('#C1, #C3, 2 more');
    expect(await shown('Ben', 'C1')).toBe('#C1, #C3, #C\\_BEN, 1 more');
    expect(await shown('Cleo', 'C2')).toBe('4 that others have chosen');
  });

  it('have words for direct messages', async () => {
    await agentOf(stage, 'Reviewer');
    const direct = { nameOf: async () => 'Ana', readable: async (x: string) => x, whisper: async () => undefined };
    const isDirect = ({ channel }: { channel: string }) => channel.startsWith('D');
    const receiver = stage.receiver({ connectors: new Map([['test', { ...direct, isDirect }]]) });
    for (const channel of ['D1', 'C1']) await receiver.command(commanded('/agents use Reviewer', at(channel)));
    const { text } = await receiver.command(commanded('/agents show Reviewer', at('C1')));
    expect(text).toContain('by default: #C1, your direct messages\n');
  });
});

describe('pause and resume', () => {
  it('stop new work and let it go on', async () => {
    await agentOf(stage, 'Reviewer');
    await type.ana('/agents pause Reviewer');
    expect((await stage.receiver().message(said('x', { agent: 'Reviewer' }))).effect).toBe('refused');
    await type.ana('/agents resume Reviewer');
    expect((await stage.receiver().message(said('x', { agent: 'Reviewer' }))).effect).toBe('accepted');
  });
});

describe('/agents owner', () => {
  it('names who owns it, in a form or in the command', async () => {
    const agent = await agentOf(stage, 'Reviewer');
    expect((await type.fills('Ana', '/agents owner Reviewer', { owners: 'test:U_BEN,test:U_ANA' })).effect).toBe(
      'accepted',
    );
    expect((await configOf(agent._id)).metadata.deckhand_owners).toBe('test:U_BEN,test:U_ANA');
    await type.ben('/agents owner Reviewer test:U_BEN');
    expect((await configOf(agent._id)).metadata.deckhand_owners).toBe('test:U_BEN');
    expect((await type.ana('/agents pause Reviewer')).effect).toBe('refused');
  });

  it('does not undo what somebody else changed while its form stood open, or as it is saved', async () => {
    const { _id } = await agentOf(stage, 'Reviewer');
    const { form } = await type.ana('/agents owner Reviewer');
    await type.ana('/agents owner Reviewer test:U_ANA test:U_BEN');
    const stale = await type.ana(`/agents ${form?.text}`, { fields: { owners: 'test:U_ANA,test:U_CARA' } });
    expect(stale.errors).toEqual({ owners: expect.stringContaining('Somebody else changed') });
    const owners = { deckhand_owners: 'test:U_ANA,test:U_EVE' };
    expect((await overtaken(_id, '/agents owner Reviewer test:U_ANA', owners)).errors).toEqual(stale.errors);
    expect((await configOf(_id)).metadata).toMatchObject(owners);
    // Whoever wants what is so already has it.
    expect((await type.ana(`/agents ${form?.text}`, { fields: { owners: owners.deckhand_owners } })).effect).toBe(
      'accepted',
    );
    expect((await type.ana('/agents owner Reviewer now\nowners: test:U_ANA')).text).toContain('is not understood');
  });

  it('leaves none without one', async () => {
    await agentOf(stage, 'Reviewer');
    const receipt = await type.fills('Ana', '/agents owner Reviewer', { owners: '' });
    expect(receipt.errors).toMatchObject({ owners: expect.stringContaining('Somebody has to own it') });
  });
});

describe('versions and rollback', () => {
  it('go back to what it was, with the owners and the pause of now', async () => {
    const agent = await agentOf(stage, 'Reviewer');
    const { workspace_id } = stage.defaults;
    await stage.agents.update(workspace_id, agent._id, { system: 'Be strict.', model: 'claude-opus-5-5' });
    await type.ana('/agents owner Reviewer test:U_BEN');
    await type.ben('/agents pause Reviewer');
    expect((await type.ben('/agents versions Reviewer')).text).toMatch(/- 2 · .*: model, instructions/);
    const receipt = await type.ben('/agents rollback Reviewer 1');
    expect(receipt.text).toBe(
      '**Reviewer** went back to version 1 in its model, instructions; that is version 5 now. ' +
        'What stays as it is now: owners, pause.',
    );
    expect(await configOf(agent._id)).toMatchObject({
      system: null,
      model: { id: 'claude-sonnet-5-5' },
      metadata: { deckhand_owners: 'test:U_BEN', deckhand_paused: 'true' },
    });
  });

  it('go back to its settings too, and never to approvals with less care', async () => {
    const agent = await agentOf(stage, 'Reviewer', { deckhand_budget: '1', deckhand_guests: 'deny', team: 'web' });
    const { workspace_id } = stage.defaults;
    await stage.agents.update(workspace_id, agent._id, {
      model: { id: 'claude-sonnet-5-5', effort: 'high' },
      metadata: { deckhand_budget: '9', deckhand_guests: null, deckhand_four_eyes: 'true', team: null, stage: 'two' },
    });
    expect((await type.ana('/agents versions Reviewer')).text).toMatch(
      /: model, approvals, budget, guests, metadata\n/,
    );
    expect((await type.ana('/agents rollback Reviewer 1')).text).toBe(
      '**Reviewer** went back to version 1 in its model, budget, guests, metadata; that is version 3 now. ' +
        'What stays as it is now: approvals.',
    );
    const { model, metadata } = await configOf(agent._id);
    expect(model).toEqual(agent.config.model);
    expect(metadata).toEqual({ ...agent.config.metadata, deckhand_four_eyes: 'true' });
    expect((await type.ana('/agents rollback Reviewer 1')).text).toBe(
      '**Reviewer** has nothing left to go back to in version 1; that is version 3 now. ' +
        'What stays as it is now: approvals.',
    );
  });

  it('go back to no environment that is gone', async () => {
    const agent = await agentOf(stage, 'Reviewer', { deckhand_environment: 'env_gone' });
    const { workspace_id } = stage.defaults;
    await stage.agents.update(workspace_id, agent._id, {
      system: 'Be strict.',
      metadata: { deckhand_environment: null },
    });
    expect((await type.ana('/agents rollback Reviewer 1')).text).toContain('What stays as it is now: environment.');
    expect(await configOf(agent._id)).toMatchObject({ system: null, metadata: { deckhand_owners: 'test:U_ANA' } });
  });

  it.each([
    ['/agents rollback Reviewer', 'Say which version'],
    ['/agents rollback Reviewer nine', 'Say which version'],
    ['/agents rollback Reviewer 9', 'has the versions 1 to 1'],
  ])('%s is answered with what to do', async (text, words) => {
    await agentOf(stage, 'Reviewer');
    expect(await type.ana(text)).toMatchObject({ effect: 'refused', text: expect.stringContaining(words) });
  });
});

describe('/agents archive', () => {
  it('asks once more, and then does it', async () => {
    const agent = await agentOf(stage, 'Reviewer');
    expect((await type.ana('/agents archive Reviewer')).text).toContain('/agents archive Reviewer for good');
    expect((await type.ana('/agents archive Reviewer for good')).effect).toBe('accepted');
    expect((await stage.agents.get(stage.defaults.workspace_id, agent._id)).archived_at).not.toBeNull();
  });
});

describe('runs and cost', () => {
  it('show what an agent was asked, with words only to those who could hear them', async () => {
    await agentOf(stage, 'Reviewer');
    await stage
      .receiver()
      .message(said('the secret of C2', { agent: 'Reviewer', conversation: { ...place, channel: 'C2' } }));
    expect((await type.ben('/agents runs Reviewer')).text).toContain('(said elsewhere)');
    expect((await type.ana('/agents runs Reviewer')).text).toContain('the secret of C2');
  });

  it('add up what was spent this month', async () => {
    await agentOf(stage, 'Reviewer');
    await stage.receiver().message(said('one', { agent: 'Reviewer' }));
    await stage
      .receiver()
      .message(said('two', { conversation: { ...place, thread: '2.2' }, sender: { id: 'U_BEN', name: 'Ben' } }));
    for (const ref of await stage.refs()) {
      const { agent } = await stage.sessions.getSession(ref);
      const list_cost = { amount: agent.name === 'Reviewer' ? '250' : '7', currency: 'USD' as const };
      await stage.append(ref, { type: 'session.usage', usage: { list_cost } });
    }
    const { text } = await type.ana('/agents cost');
    expect(text).toContain('$2.57, 2 sessions');
    expect(text).toContain('- **Reviewer**: $2.50, 1 session');
    expect(text).toContain('Yours: $2.50, 1 session.');
    const one = await type.ben('/agents cost reviewer');
    expect(one.text).toBe(
      '**Reviewer, this month** (since the 1st, UTC, at list price): $2.50, 1 session\n\nYours: $0.00, 0 sessions.',
    );
    await agentOf(stage, 'Scout');
    expect((await type.ana('/agents cost Scout')).text).toBe('**Scout** has spent nothing this month.');
  });

  it('are those of no agent that is not there', async () => {
    expect(await type.ana('/agents cost Scuot')).toMatchObject({
      effect: 'refused',
      text: expect.stringContaining('There is no agent named Scuot.'),
    });
  });
});
