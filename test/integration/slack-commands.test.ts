import { beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { createRecordingReceiver } from '../support/recording-receiver.ts';
import { startSlackHarness } from '../support/slack/harness.ts';
import type { MessagePlace, SlackPerson } from '../support/slack/person.ts';
import { readable } from '../support/slack/transcript.ts';
import { useSlackStage } from '../support/slack/use-slack-stage.ts';
import { channelNamed, directChannel, userGroup } from '../support/slack/workspace.ts';

/** The house from Slack's door to its stores. */
describe.each(['socket', 'http'] as const)('commands in Slack, mode %s', (mode) => {
  const { stage, slack } = useSlackStage({ mode });
  let ana: SlackPerson;

  beforeEach(() => {
    ana = slack.user('Ana');
    channelNamed(slack.workspace, 'ops').members.add(ana.user.id);
  });

  function told(words: string, person = ana): Promise<string> {
    return eventually(() => {
      const found = person.told('ops').find((text) => text.includes(words));
      if (found === undefined)
        throw new Error(`${person.user.name} was not told "${words}", but ${person.told('ops').join()}`);
      return found;
    });
  }

  function viewOf(person = ana) {
    return eventually(() => {
      const view = person.view();
      if (view === undefined) throw new Error('No modal is open');
      return view;
    });
  }

  async function agents(): Promise<string[]> {
    const { items } = await stage.agents.list(stage.defaults.workspace_id, {});
    return items.map(({ config }) => config.name).toSorted();
  }

  it('are answered to who typed them, and to nobody else', async () => {
    expect(await ana.command('ops', '/agents', 'list')).toMatchObject({ acked: true });
    expect(await told('**Agents**')).toContain('deckhand** (answers here)');
    expect(slack.workspace.messages.every((message) => message.ephemeral_to === ana.user.id)).toBe(true);
    await ana.command('ops', '/agents', 'lits');
    await told('Did you mean `/agents list`?');
    await ana.command('ops', '/sessions', '');
    await told('You have not begun one yet');
    await ana.command('ops', '/approvals', '');
    await told('Nothing waits for you.');
    await ana.command('ops', '/approvals', 'help');
    await told('`/approvals deny <id> [why]`');
  });

  it('are answered once where Slack’s answer to that was lost, and in the conversation where it takes none', async () => {
    const answers = () => ana.told('ops').filter((text) => text.includes('**Agents**'));
    slack.faults.loseResponse('response_url');
    await ana.command('ops', '/agents', 'list');
    await told('**Agents**');
    slack.faults.fail('response_url', 500);
    await ana.command('ops', '/agents', 'lits');
    await told('Did you mean `/agents list`?');
    slack.faults.rateLimit('response_url', 1);
    await ana.command('ops', '/sessions', '');
    await told('You have not begun one yet');
    expect(answers()).toHaveLength(1);
    const whispered = slack.journal.filter(({ method }) => method === 'chat.postEphemeral');
    expect(whispered).toHaveLength(2);
  });

  it('are answered in a channel that the bot is not in', async () => {
    channelNamed(slack.workspace, 'ops').members.delete(slack.workspace.bot_user_id);
    await ana.command('ops', '/agents', 'list');
    await told('**Agents**');
  });

  it('take approvers, groups and those to be asked besides where people pick them', async () => {
    const ben = slack.user('Ben').user;
    const group = userGroup(slack.workspace, 'oncall', ben);
    const { id } = channelNamed(slack.workspace, 'ops');
    await ana.command('ops', '/agents', 'new');
    await viewOf();
    const picked = { name: 'Careful', approvers: [ben.id], approvers_groups: [group], quorum: '2' };
    const refused = await ana.submit({ ...picked, escalate_after: 'soon', escalate_to_channels: [id] });
    expect(refused.payload).toMatchObject({ errors: { escalate_after: expect.stringContaining('must be a time') } });
    await ana.submit({ ...picked, escalate_after: '1h', escalate_to_channels: [id], escalate_to: [ben.id] });
    await told('**Careful** is there');
    const { items } = await stage.agents.list(stage.defaults.workspace_id, {});
    expect(items.find(({ config }) => config.name === 'Careful')?.config.metadata).toEqual({
      deckhand_owners: `slack:${ana.user.id}`,
      deckhand_approvers: `slack:${ben.id},slack:group:${group}`,
      deckhand_quorum: '2',
      deckhand_escalate_to: `slack:${ben.id},slack:channel:${id}`,
      deckhand_escalate_after: '1h',
    });
  });

  it('make an agent with a form, and say beside each field what is wrong', async () => {
    await ana.command('ops', '/agents', 'new');
    await viewOf();
    const refused = await ana.submit({ name: 'deckhand', budget: 'lots' });
    expect(refused.payload).toEqual({
      response_action: 'errors',
      errors: { name: 'There is an agent of this name already.' },
    });
    const ben = slack.user('Ben').user.id;
    const { id } = channelNamed(slack.workspace, 'ops');
    const ack = await ana.submit({ name: 'Deployer', bash: 'ask', approvers: [ben], channels: [id], budget: '5' });
    expect(ack.acked).toBe(true);
    expect(ana.view()).toBeUndefined();
    await told('**Deployer** is there, and yours');
    const { items } = await stage.agents.list(stage.defaults.workspace_id, {});
    expect(items.find(({ config }) => config.name === 'Deployer')?.config.metadata).toEqual({
      deckhand_owners: `slack:${ana.user.id}`,
      deckhand_approvers: `slack:${ben}`,
      deckhand_budget: '5',
    });
    ana.mention('ops', 'deploy');
    await slack.outbox.idle();
    await eventually(async () => {
      const [session] = (await stage.sessions.list(stage.defaults.workspace_id, {})).items;
      expect(session?.agent.name).toBe('Deployer');
    });
  });

  it('make an agent that a mention calls by its name, in a channel where another answers', async () => {
    await ana.command('ops', '/agents', 'new\nname: Code Reviewer');
    await told('Begin a message to me with `Code Reviewer:` to ask it');
    ana.mention('ops', 'Code Reviewer: look at this');
    const thread = ana.mention('ops', 'deploy');
    await slack.outbox.idle();
    ana.reply(thread, 'Code Reviewer: and at this', { mention: true });
    await slack.outbox.idle();
    await eventually(async () => {
      const { items } = await stage.sessions.list(stage.defaults.workspace_id, {});
      const begun = items.map(({ agent, title }) => `${agent.name}: ${title}`);
      expect(begun.toSorted((a, b) => a.localeCompare(b))).toEqual([
        'Code Reviewer: Code Reviewer: and at this',
        'Code Reviewer: Code Reviewer: look at this',
        'deckhand: deploy',
      ]);
    });
  });

  it('make one agent of a form that is sent twice', async () => {
    await ana.command('ops', '/agents', 'new');
    await viewOf();
    const both = await Promise.all([ana.submit({ name: 'Twin' }), ana.submit({ name: 'Twin' })]);
    expect(both.map(({ acked }) => acked)).toEqual([true, true]);
    await told('**Twin** is there');
    expect(await agents()).toEqual(['Twin', 'deckhand']);
  });

  it('change an agent and its owners, and keep who is on another platform', async () => {
    const metadata = { deckhand_owners: `slack:${ana.user.id},web:cleo` };
    const { _id } = await stage.agents.create(stage.defaults.workspace_id, {
      name: 'Reviewer',
      model: 'claude-sonnet-5-5',
      metadata,
    });
    await ana.command('ops', '/agents', 'edit reviewer');
    await viewOf();
    await ana.submit({ instructions: 'Be kind.' });
    await told('**Reviewer** is saved');
    const ben = slack.user('Ben').user.id;
    await ana.command('ops', '/agents', 'owner Reviewer');
    await viewOf();
    await ana.submit({ owners: [ana.user.id, ben] });
    await told('is owned by Ana, Ben, cleo');
    const { config } = await stage.agents.get(stage.defaults.workspace_id, _id);
    expect(config.system).toBe('Be kind.');
    expect(config.metadata.deckhand_owners).toBe(`slack:${ana.user.id},slack:${ben},web:cleo`);
  });

  it('let an agent be changed that answers in direct messages, and in channels that its owner does not see', async () => {
    const ben = slack.user('Ben');
    const secret = channelNamed(slack.workspace, 'secret', 'group').id;
    channelNamed(slack.workspace, 'secret').members.add(ben.user.id);
    const [own, bens] = [ana, ben].map(({ user }) => directChannel(slack.workspace, user.id).id);
    const group = channelNamed(slack.workspace, 'three of us', 'mpim');
    group.members.add(ana.user.id);
    const { _id } = await stage.agents.create(stage.defaults.workspace_id, {
      name: 'Reviewer',
      model: 'claude-sonnet-5-5',
      metadata: { deckhand_owners: `slack:${ana.user.id}` },
    });
    await ana.command(ana.user.id, '/agents', 'use Reviewer');
    await ana.command('three of us', '/agents', 'use Reviewer');
    await ben.command(ben.user.id, '/agents', 'use Reviewer');
    await ben.command('secret', '/agents', 'use Reviewer');
    const answers = async () =>
      new Set((await stage.channels.withAgent(stage.defaults.workspace_id, _id)).map(({ channel }) => channel));
    const all = new Set([own, bens, secret, group.id]);
    await eventually(async () => expect(await answers()).toEqual(all));
    await ana.command('ops', '/agents', 'edit Reviewer');
    const view = await viewOf();
    expect(JSON.stringify(view)).not.toContain(bens);
    expect(JSON.stringify(view)).not.toContain(secret);
    await ana.submit({ instructions: 'Be kind.' });
    await told('**Reviewer** is saved');
    expect(await answers()).toEqual(all);
  });

  it('say how to do without a form where Slack opens none', async () => {
    slack.faults.refuse('views.open', 'expired_trigger_id');
    await ana.command('ops', '/agents', 'new');
    await told('Send this with what you want to be different');
  });

  it('take people by mention, and change nothing for guests', async () => {
    const gil = slack.user('Gil');
    gil.user.is_ultra_restricted = true;
    await gil.command('ops', '/agents', 'reply automatic');
    await told('You may not set up a channel', gil);
    const { of } = stage.channels;
    const channel = { connector: 'slack', tenant: 'T0DECKHAND', channel: channelNamed(slack.workspace, 'ops').id };
    expect((await of(stage.defaults.workspace_id, channel)).reply_mode).toBe('mention_only');
    await ana.command('ops', '/agents', `role <@${gil.user.id}|gil> member`);
    await told('You may not give roles');
  });
});

describe('people in Slack', () => {
  it.each([
    ['a member', {}, false],
    ['a guest', { is_restricted: true }, true],
    ['a guest of one channel', { is_ultra_restricted: true }, true],
    ['a stranger', { is_stranger: true }, true],
    ['somebody of another company in a shared channel', { team_id: 'T0OTHER' }, true],
    ['somebody of another organisation', { team_id: 'T0OTHER', enterprise_user: { enterprise_id: 'E0OTHER' } }, true],
  ])('%s', async (_who, flags, guest) => {
    await using harness = await startSlackHarness(createRecordingReceiver());
    const { user } = harness.slack.user('Somebody');
    Object.assign(user, flags);
    expect(await harness.connector.isGuest?.({ id: user.id, name: user.id }, 'T0DECKHAND')).toBe(guest);
  });

  it('whom Slack does not know count as guests', async () => {
    await using harness = await startSlackHarness(createRecordingReceiver());
    expect(await harness.connector.isGuest?.({ id: 'U0NOBODY', name: 'x' }, 'T0DECKHAND')).toBe(true);
  });
});

describe('asking by a shortcut', () => {
  const { stage, slack } = useSlackStage();
  let ana: SlackPerson;

  beforeEach(() => {
    ana = slack.user('Ana');
  });

  /** What the bot said to Ana alone, in their direct messages. */
  function directly(): string[] {
    const { id } = directChannel(slack.workspace, ana.user.id);
    return slack.workspace.messages.filter(({ channel, bot_id }) => channel === id && bot_id).map(readable);
  }

  async function asked(fields: Record<string, string>) {
    await eventually(() => expect(ana.view()).toBeDefined());
    return ana.submit(fields);
  }

  /** What people said, without what the agent is told of the thread. */
  async function messages(): Promise<string[]> {
    const entries = (await stage.entries('user.message')).filter(({ by }) => by?.via === 'slack');
    return entries.flatMap(({ event }) => event.content.map((part) => (part.type === 'text' ? part.text : '')));
  }

  it('of a message begins a session in its thread, with the message quoted', async () => {
    const place = slack.user('Ben').says('ops', 'The build is red &amp; nobody looks.');
    expect((await ana.shortcut('deckhand_ask_about', place)).acked).toBe(true);
    await asked({ what: 'Find out why.' });
    await eventually(async () => expect(await messages()).toHaveLength(1));
    expect(await messages()).toEqual([
      'Find out why.\n\nAbout this message of Ben:\n> The build is red & nobody looks.',
    ]);
    const shown = ana
      .sees(place)
      .filter((message) => message.ephemeral_to === undefined && message.bot_id !== undefined);
    expect(shown.map(readable)).toEqual(['**Ana** asks **deckhand**:\n> Find out why.']);
    const [ref] = await stage.refs();
    const found = await stage.directory.placeOf(ref ?? { workspace_id: '', session_id: '' });
    expect(found).toMatchObject({ channel: place.channel, thread: place.ts });
  });

  it('of an app’s message brings all that it shows', async () => {
    const said = {
      text: 'Deploy failed',
      blocks: [
        { type: 'header', text: { type: 'plain_text', text: 'Deploy failed' } },
        { type: 'section', fields: [{ type: 'mrkdwn', text: '*Service*: api' }] },
      ],
      attachments: [{ fallback: 'x', title: 'Run 7', fields: [{ title: 'Branch', value: 'main' }] }],
    };
    const place = slack.otherBot('ci').says('ops', said);
    await ana.shortcut('deckhand_ask_about', place);
    await asked({ what: 'Find out why.' });
    await eventually(async () => expect(await messages()).toHaveLength(1));
    const quoted = '> Deploy failed\n> *Service*: api\n> Run 7\n> Branch: main';
    expect(await messages()).toEqual([`Find out why.\n\nAbout this message of U0CI:\n${quoted}`]);
  });

  it('of nothing in particular begins one where it was asked', async () => {
    await ana.shortcut('deckhand_ask');
    const { id } = channelNamed(slack.workspace, 'lab');
    await asked({ what: 'What is new?', where: id });
    await eventually(async () => expect(await messages()).toEqual(['What is new?']));
    const [root] = slack.workspace.messages.filter((message) => message.channel === id);
    const [ref] = await stage.refs();
    const found = await stage.directory.placeOf(ref ?? { workspace_id: '', session_id: '' });
    expect(found).toMatchObject({ channel: id, thread: root?.ts });
    await eventually(() => expect(directly()).toHaveLength(1));
    const address = `https://deckhand.slack.test/archives/${id}/p${root?.ts.replace('.', '')}`;
    expect(directly()).toEqual([`deckhand is asked: [its thread](${address}).`]);
  });

  it('is answered in direct messages where there is no channel: also that there is nobody to ask, and that no form opens', async () => {
    slack.faults.refuse('views.open', 'expired_trigger_id');
    await ana.shortcut('deckhand_ask');
    await eventually(() => expect(directly()).toEqual(['Mention an agent and say what you want.']));
    const { workspace_id, agent_id } = stage.defaults;
    await stage.agents.update(workspace_id, agent_id, { metadata: { deckhand_paused: 'true' } });
    await ana.shortcut('deckhand_ask');
    await eventually(() => expect(directly()).toHaveLength(2));
    expect(directly().at(-1)).toContain('There is no agent that takes work.');
  });

  it('where the bot is not is answered with what to do', async () => {
    const place = slack.user('Ben').says('ops', 'The build is red.');
    channelNamed(slack.workspace, 'ops').members.delete(slack.workspace.bot_user_id);
    await ana.shortcut('deckhand_ask_about', place);
    const ack = await asked({ what: 'Why?' });
    expect(ack.payload).toMatchObject({ errors: { what: expect.stringContaining('/invite @deckhand') } });
    expect(await stage.refs()).toEqual([]);
  });

  it('where it takes so long to say so that the form has closed, gives back what was typed', async () => {
    const place = slack.user('Ben').says('ops', 'The build is red.');
    await ana.shortcut('deckhand_ask_about', place);
    const posting = slack.faults.hold('chat.postMessage');
    const sent = asked({ what: 'Why is it red?' });
    await posting.reached;
    channelNamed(slack.workspace, 'ops').members.delete(slack.workspace.bot_user_id);
    expect(await sent).toMatchObject({ acked: true });
    expect(ana.view()).toBeUndefined();
    posting.end('taken');
    await eventually(() => expect(ana.told('ops').join('\n')).toContain('You sent:'));
    const [answer = ''] = ana.told('ops');
    expect(answer).toContain('/invite @deckhand');
    expect(answer).toContain('what: Why is it red?');
    expect(await stage.refs()).toEqual([]);
  });

  it.each([
    ['is_archived', 'the channel is archived'],
    ['restricted_action_read_only_channel', 'the channel is read-only'],
    ['restricted_action_thread_locked', 'the thread is locked'],
  ])('where Slack takes no post (%s) is answered with why, and invites nobody', async (reason, why) => {
    const place = slack.user('Ben').says('ops', 'The build is red.');
    await ana.shortcut('deckhand_ask_about', place);
    slack.faults.refuse('chat.postMessage', reason);
    const { payload } = await asked({ what: 'Why?' });
    expect(payload).toEqual({
      response_action: 'errors',
      errors: {
        what: `I may not post there, so nobody would see the answer: ${why}. Ask in another channel, or write to me directly.`,
      },
    });
    expect(await stage.refs()).toEqual([]);
  });

  it.each([
    ['group', 'If it is private, invite me there first: /invite @deckhand'],
    ['im', 'I am not in these direct messages, and nobody can invite me.'],
  ] as const)('of what was said between others (%s) is answered with what is possible there', async (kind, words) => {
    const ben = slack.user('Ben');
    const id = kind === 'im' ? 'D0OTHERS' : 'C0OTHERS';
    const members = new Set([ana.user.id, ben.user.id]);
    slack.workspace.channels.set(id, { id, name: 'others', kind, members, is_archived: false });
    const place = { channel: id, ts: slack.workspace.nextTs() };
    slack.workspace.messages.push({ ...place, user: ben.user.id, text: 'The build is red.', blocks: [] });
    await ana.shortcut('deckhand_ask_about', place);
    const { payload } = await asked({ what: 'Why?' });
    expect(payload).toMatchObject({ errors: { what: expect.stringContaining(words) } });
    expect(await stage.refs()).toEqual([]);
  });

  /** What everybody sees of a question, with the bot’s name before it. */
  function shownIn(place: MessagePlace): string[] {
    const posted = ana
      .sees(place)
      .filter(({ bot_id, ephemeral_to }) => bot_id !== undefined && ephemeral_to === undefined);
    return posted.map(readable);
  }

  it('shows nothing before it is sure that the agent takes it, and then once', async () => {
    const { workspace_id, agent_id, environment_id } = stage.defaults;
    const set = (metadata: Record<string, string | null>) => stage.agents.update(workspace_id, agent_id, { metadata });
    const place = slack.user('Ben').says('ops', 'The build is red.');
    await ana.shortcut('deckhand_ask_about', place);
    await eventually(() => expect(ana.view()).toBeDefined());
    for (const [metadata, words] of [
      [{ deckhand_paused: 'true' }, 'is paused'],
      [{ deckhand_paused: null, deckhand_environment: 'env_gone' }, 'cannot start'],
    ] as const) {
      await set(metadata);
      for (let press = 1; press <= 2; press++) {
        const { payload } = await ana.submit({ what: 'Why?' });
        expect(payload).toMatchObject({ errors: { agent: expect.stringContaining(words) } });
      }
    }
    expect(shownIn(place)).toEqual([]);
    expect(await stage.refs()).toEqual([]);
    await set({ deckhand_environment: environment_id });
    expect((await ana.submit({ what: 'Why?' })).acked).toBe(true);
    expect(ana.view()).toBeUndefined();
    await eventually(async () => expect(await messages()).toHaveLength(1));
    expect(shownIn(place)).toEqual(['**Ana** asks **deckhand**:\n> Why?']);
  });

  it('closes the form where everybody has seen what the agent does not take any more, and says so', async () => {
    const place = slack.user('Ben').says('ops', 'The build is red.');
    await ana.shortcut('deckhand_ask_about', place);
    await eventually(() => expect(ana.view()).toBeDefined());
    const posting = slack.faults.hold('chat.postMessage');
    const sent = ana.submit({ what: 'Why?' });
    await posting.reached;
    const { workspace_id, agent_id } = stage.defaults;
    await stage.agents.update(workspace_id, agent_id, { metadata: { deckhand_paused: 'true' } });
    posting.end('taken');
    expect((await sent).acked).toBe(true);
    expect(ana.view()).toBeUndefined();
    await eventually(() => expect(ana.told('ops')).toEqual([expect.stringContaining('deckhand is paused')]));
    expect(shownIn(place)).toHaveLength(1);
    expect(await stage.refs()).toEqual([]);
  });

  it('asks once although the answer to its post was lost', async () => {
    const place = slack.user('Ben').says('ops', 'The build is red.');
    await ana.shortcut('deckhand_ask_about', place);
    await eventually(() => expect(ana.view()).toBeDefined());
    slack.faults.loseResponse('chat.postMessage');
    await ana.submit({ what: 'Why?' });
    await eventually(async () => expect(await messages()).toHaveLength(1));
    expect(
      ana.sees(place).filter((message) => message.bot_id !== undefined && message.ephemeral_to === undefined),
    ).toHaveLength(1);
  });
});
