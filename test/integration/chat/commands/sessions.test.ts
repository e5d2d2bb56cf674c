import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { ConversationKey } from '../../../../src/chat/place.ts';
import type { SessionRef } from '../../../../src/session/log.ts';
import { ends, says } from '../../../support/chat-events.ts';
import { place, said } from '../../../support/chat-stage.ts';
import { agentOf, commanded, give, typing } from '../../../support/commands.ts';
import { eventually } from '../../../support/eventually.ts';
import { createPlatform } from '../../../support/fake-connector.ts';
import { useChatStage } from '../../../support/use-chat-stage.ts';

const stage = useChatStage();
let type: ReturnType<typeof typing>;
let ref: SessionRef;
let id: string;

beforeEach(async () => {
  type = typing(stage);
  await stage.receiver().message(said('count to a million'));
  [ref] = (await stage.refs()) as [SessionRef];
  id = ref.session_id;
});

describe('/sessions', () => {
  it.each(['/sessions', '/sessions mine'])('%s lists one’s own', async (text) => {
    expect((await type.ana(text)).text).toMatch(new RegExp(`\`${id}\` count to a million · deckhand · running`));
    expect((await type.ben(text)).text).toContain('You have not begun one yet');
  });

  it('lists those of this channel for everybody in it', async () => {
    expect((await type.ben('/sessions here')).text).toContain(id);
    const elsewhere = { ...place, channel: 'C2', thread: 'C2' };
    expect((await type.ben('/sessions here', { conversation: elsewhere })).text).toContain('Nobody has begun one here');
  });

  it('says how many of how many it lists, and how to see the rest', async () => {
    for (let n = 0; n < 12; n++) {
      const thread = { ...place, thread: `9.${n}` };
      await stage
        .receiver()
        .message(said(`count ${n}`, { conversation: thread, message_id: `9.${n}`, event_id: `Ev9.${n}` }));
    }
    const lines = (text: string | null) => (text ?? '').split('\n').filter((line) => line.startsWith('- ')).length;
    for (const command of ['/sessions mine', '/sessions here', '/agents runs deckhand']) {
      const first = (await type.ana(command)).text;
      expect(first).toContain('(1 to 10 of 13)');
      expect(first).toContain(`\`${command} 2\` shows the next.`);
      expect(lines(first)).toBe(10);
      const second = (await type.ana(`${command} 2`)).text;
      expect(second).toContain('(11 to 13 of 13)');
      expect(second).not.toContain('shows the next');
      expect(lines(second)).toBe(3);
      expect(await type.ana(`${command} 3`)).toMatchObject({
        effect: 'refused',
        text: expect.stringContaining('1 to 2'),
      });
    }
  });

  it('has a help of its own', async () => {
    expect((await type.ana('/sessions halp')).text).toContain('Did you mean `/sessions help`?');
    expect((await type.ana('/sessions help')).text).toMatch(
      /New here\? Mention me .*\nFor example: `\/sessions here`\n/,
    );
  });
});

describe('each session in a list', () => {
  const linkTo = ({ channel, thread }: { channel: string; thread: string }) => `https://chat.test/${channel}/${thread}`;
  const plainly = { nameOf: async () => 'x', readable: async (x: string) => x, whisper: async () => undefined, linkTo };
  const asked = async (over: object, name: string, text: string, at: Partial<ConversationKey> = {}) => {
    const receiver = stage.receiver({ connectors: new Map([['test', { ...plainly, ...over }]]) });
    const conversation = { ...place, thread: place.channel, ...at };
    const { text: answer } = await receiver.command(commanded(text, { conversation }, name));
    return answer?.split('\n').find((line) => line.includes(id));
  };
  const link = `https://chat.test/C1/${place.thread}`;

  it.each(['/sessions', '/sessions here', '/agents runs deckhand'])('of %s is a link to it', async (command) => {
    expect(await asked({}, 'Ana', command)).toContain(`\`${id}\` [count to a million](${link}) · deckhand · running`);
  });

  it('is none to what its reader could not hear, which others open by its id', async () => {
    const elsewhere = { channel: 'C2', thread: 'C2' };
    expect(await asked({}, 'Ben', '/agents runs deckhand', elsewhere)).toContain(
      `\`${id}\` (said elsewhere) · deckhand`,
    );
    expect(await asked({}, 'Ana', '/agents runs deckhand', elsewhere)).toContain(`[count to a million](${link})`);
  });

  it.each([
    ['somebody else’s conversation', 'Ben', { closed_conversations: true }, {}],
    ['another tenant’s place, whose people may have the same ids', 'Ana', {}, { tenant: 'T2' }],
    ['a place without links', 'Ben', { linkTo: () => null }, {}],
  ])('is none to %s', async (_where, name, over, at) => {
    const line = await asked(over, name, '/agents runs deckhand', at);
    expect(line).toContain(id);
    expect(line).not.toContain('](');
  });

  it('is one to a conversation of one’s own where others’ are closed', async () => {
    expect(await asked({ closed_conversations: true }, 'Ana', '/sessions')).toContain(`](${link})`);
  });
});

describe('/sessions stop', () => {
  it('interrupts what runs, once, however often the command comes', async () => {
    const stop = commanded(`/sessions stop ${id}`);
    const receipts = [await stage.receiver().command(stop), await stage.receiver().command(stop)];
    expect(receipts.map(({ effect }) => effect)).toEqual(['accepted', 'duplicate']);
    expect(await stage.entries('user.interrupt')).toMatchObject([{ by: { via: 'test', id: 'U_ANA', name: 'Ana' } }]);
    expect((await type.ana(`/sessions stop ${id}`)).text).toBe('It is stopping already.');
  });

  it('says when nothing runs', async () => {
    await stage.append(ref, ends());
    expect(await type.ana(`/sessions stop ${id}`)).toEqual({ effect: 'refused', text: 'Nothing is running there.' });
  });

  it.each([
    ['/sessions stop', 'Say which session'],
    ['/sessions stop sesn_unknown', 'There is no session'],
    ['/sessions stop ID at once', 'Say the id alone: what stands behind it (at once) is not understood.'],
  ])('%s is answered with what to do', async (text, words) => {
    const receipt = await type.ana(text.replace('ID', id));
    expect(receipt).toMatchObject({ effect: 'refused', text: expect.stringContaining(words) });
  });
});

describe('/sessions resume', () => {
  it('lets one go on that rests', async () => {
    expect((await type.ana(`/sessions resume ${id}`)).text).toBe('It is running.');
    await stage.append(ref, ends());
    expect(await type.ana(`/sessions resume ${id}`)).toEqual({ effect: 'accepted', text: 'It goes on.' });
    const asked = await stage.entries('user.message');
    expect(asked.at(-1)).toMatchObject({ by: { id: 'U_ANA' } });
    expect((await stage.log.head(ref)).owed).toBe(true);
  });
});

describe('what /sessions resume does', () => {
  it('is said in its conversation, by whom and once', async () => {
    const platform = createPlatform();
    const gateway = stage.deliverer(platform);
    onTestFinished(() => gateway.stop());
    await stage.append(ref, ends());
    const resume = commanded(`/sessions resume ${id}`, {}, 'Ada');
    const receipts = [await stage.receiver().command(resume), await stage.receiver().command(resume)];
    expect(receipts.map(({ effect }) => effect)).toEqual(['accepted', 'duplicate']);
    await stage.append(ref, says('Where was I?'));
    await eventually(() => expect(platform.texts()).toContain('Where was I?'));
    expect(platform.texts()).toEqual([expect.any(String), '(i) Resumed by Ada.', 'Where was I?']);
  });
});

describe('a session that has used up its budget', () => {
  let thrifty: SessionRef;
  let budget: string;

  /** Ana's agent, and a session of it that Ben began: it has cost its dollar. */
  beforeEach(async () => {
    await agentOf(stage, 'Thrifty', { deckhand_budget: '1' });
    const ben = { id: 'U_BEN', name: 'Ben' };
    await stage
      .receiver()
      .message(said('spend', { agent: 'Thrifty', sender: ben, conversation: { ...place, thread: '200.1' } }));
    thrifty = (await stage.refs()).find(({ session_id }) => session_id !== id) as SessionRef;
    budget = `/sessions budget ${thrifty.session_id}`;
    await stage.append(thrifty, costs('103'), ends({ type: 'budget_reached' }));
  });

  const costs = (amount: string) => ({
    type: 'session.usage' as const,
    usage: { list_cost: { amount, currency: 'USD' as const } },
  });
  const limit = (amount: string) => ({ type: 'limit' as const, max_list_cost: { amount, currency: 'USD' as const } });
  const limitOf = async () => (await stage.sessions.getSession(thrifty)).budget?.max_list_cost.amount;
  const isOwed = async () => (await stage.log.head(thrifty)).owed;

  it('goes on when its agent’s owner raises that, with a word of whose decision it is, once', async () => {
    const platform = createPlatform();
    const gateway = stage.deliverer(platform);
    onTestFinished(() => gateway.stop());
    const raise = commanded(`${budget} $2.50`);
    const receipts = [await stage.receiver().command(raise), await stage.receiver().command(raise)];
    expect(receipts[0]).toEqual({ effect: 'accepted', text: 'It may cost $2.50 in all now, and goes on.' });
    expect(receipts[1]?.effect).toBe('duplicate');
    expect([await limitOf(), await isOwed()]).toEqual(['250', true]);
    const by = { via: 'test', id: 'U_ANA', name: 'Ana' };
    expect(await stage.entries('session.updated')).toMatchObject([{ by, event: { budget: limit('250') } }]);
    await eventually(() => expect(platform.texts()).toHaveLength(2));
    expect(platform.texts()).toEqual([
      `(!) I stopped: this session’s budget is used up. Its agent’s owners and admins raise that with \`${budget} <dollars>\`; then it goes on.`,
      '(i) This session may cost $2.50 now, as set by Ana.',
    ]);
  });

  it('is told so also where it may cost that already', async () => {
    const decision = { event_id: 'sevt_decided', by: { via: 'test', id: 'U_ANA', name: 'Ana' } };
    await stage.db
      .collection<{ _id: string }>('sessions')
      .updateOne({ _id: thrifty.session_id }, { $set: { budget: limit('250') } });
    for (let n = 0; n < 2; n += 1) await stage.sessions.setBudget(thrifty, limit('250'), decision);
    expect((await stage.entries('session.updated')).map(({ event }) => event.id)).toEqual(['sevt_decided']);
    expect(await isOwed()).toBe(true);
  });

  it('keeps what somebody else decided when a command is repeated that had its effect before', async () => {
    const by = { via: 'test', id: 'U_ADA', name: 'Ada' };
    let gone = false;
    const setBudget: typeof stage.sessions.setBudget = async (...asked) => {
      const session = await stage.sessions.setBudget(...asked);
      if (gone) return session;
      gone = true;
      await stage.sessions.setBudget(thrifty, limit('500'), { event_id: 'sevt_ada', by });
      throw new Error('the gateway is gone before it could say so');
    };
    const receiver = stage.receiver({ sessions: { ...stage.sessions, setBudget } });
    const receipt = await receiver.command(commanded(`${budget} 20`));
    expect(gone).toBe(true);
    expect(receipt).toEqual({ effect: 'accepted', text: 'It may cost $5.00 in all now.' });
    expect(await limitOf()).toBe('500');
    const told = (await stage.entries('session.updated')).map(({ event }) => event.budget);
    expect(told).toEqual([limit('2000'), limit('500')]);
  });

  it('goes on with /sessions resume too, once it may cost more than it has', async () => {
    const resume = `/sessions resume ${thrifty.session_id}`;
    expect(await type.ben(resume)).toEqual({
      effect: 'refused',
      text: `It has used up its budget. Its agent’s owners and admins raise that with \`${budget} <dollars>\`; then it goes on.`,
    });
    await stage.db
      .collection<{ _id: string }>('sessions')
      .updateOne({ _id: thrifty.session_id }, { $set: { budget: limit('250') } });
    expect(await type.ben(resume)).toEqual({ effect: 'accepted', text: 'It goes on.' });
  });

  it('is not for whoever began it to raise, and of what a guest began they are told so', async () => {
    const words = 'You may not raise a budget. Who may: its owners (U\\_ANA), admins';
    expect((await type.ben(`${budget} 5`)).text).toContain(words);
    await give(stage, 'Ben', 'guest');
    expect((await type.ben(`${budget} 5`)).text).toContain(words);
    await give(stage, 'Gil', 'guest');
    expect((await type.as('Gil')(`${budget} 5`)).text).toContain('There is no session');
    expect([await limitOf(), await isOwed()]).toEqual(['100', false]);
  });

  it('is for those who own its agent now to raise and to stop, not for who did when it began', async () => {
    const { workspace_id } = thrifty;
    const { agent } = await stage.sessions.getSession(thrifty);
    await stage.agents.update(workspace_id, agent.id, { metadata: { deckhand_owners: 'test:U_CLEO' } });
    const words = 'You may not raise a budget. Who may: its owners (U\\_CLEO), admins';
    expect(await type.ana(`${budget} 5`)).toMatchObject({ effect: 'refused', text: expect.stringContaining(words) });
    expect(await limitOf()).toBe('100');
    expect((await type.as('Cleo')(`${budget} 5`)).effect).toBe('accepted');
    expect(await limitOf()).toBe('500');
    // What an archived agent has begun goes on, and stays its owners'.
    await stage.agents.archive(workspace_id, agent.id);
    const stop = `/sessions stop ${thrifty.session_id}`;
    expect((await type.ana(stop)).text).toContain(
      'You may not stop or resume a session. Who may: its owners (U\\_CLEO)',
    );
    expect((await type.as('Cleo')(stop)).text).toBe('It is being stopped.');
  });

  it.each([
    ['', 'It may cost $1.00, and has cost $1.03. Say what it may cost in all, in US dollars, as in `/sessions budget '],
    [' lots', 'lots is no amount. It may cost $1.00'],
    [' -5', 'is no amount'],
    [' 1.005', 'is no amount'],
    [' 5 please', 'is no amount'],
    [' 1.03', 'It has cost $1.03 already: say more than that.'],
    [' 0', 'It has cost $1.03 already'],
  ])('is raised by no "%s", and what to do is said', async (amount, words) => {
    const receipt = await type.ana(`${budget}${amount}`);
    expect(receipt).toMatchObject({ effect: 'refused', text: expect.stringContaining(words) });
    expect(receipt.text).toContain(`\`${budget} 3\``);
    expect([await limitOf(), await isOwed()]).toEqual(['100', false]);
  });

  it('stays where it is while its agent is paused', async () => {
    await type.ana('/agents pause Thrifty');
    expect(await type.ana(`${budget} 5`)).toMatchObject({
      effect: 'refused',
      text: expect.stringContaining('Thrifty is paused'),
    });
    expect([await limitOf(), await isOwed()]).toEqual(['100', false]);
  });

  it.each([
    ['has none', async () => id, 'It has no budget'],
    [
      'has ended',
      async () => {
        await stage.sessions.archive(thrifty);
        return thrifty.session_id;
      },
      'It has ended.',
    ],
  ])('is no session that %s', async (_what, session, words) => {
    expect(await type.ada(`/sessions budget ${await session()} 5`)).toMatchObject({
      effect: 'refused',
      text: expect.stringContaining(words),
    });
  });
});

describe('/sessions open', () => {
  it('says where it is, where the platform has links', async () => {
    const linkTo = (key: { thread: string }) => `https://chat.test/${key.thread}`;
    const connectors = new Map([
      ['test', { nameOf: async () => 'Ana', readable: async (x: string) => x, whisper: async () => undefined, linkTo }],
    ]);
    const receipt = await stage.receiver({ connectors }).command(commanded(`/sessions open ${id}`));
    expect(receipt.text).toContain(`(https://chat.test/${place.thread})`);
  });

  it('is closed where conversations are their people’s own', async () => {
    const page = { nameOf: async () => 'x', readable: async (x: string) => x, whisper: async () => undefined };
    const linkTo = () => '/c/conv_1';
    const connectors = new Map([['test', { ...page, linkTo, closed_conversations: true as const }]]);
    const receiver = stage.receiver({ connectors });
    expect((await receiver.command(commanded(`/sessions open ${id}`, {}, 'Ben'))).text).toContain('somebody else’s');
    expect((await receiver.command(commanded(`/sessions open ${id}`))).text).toContain('(/c/conv_1)');
    expect((await receiver.command(commanded('/sessions here'))).effect).toBe('refused');
    const runs = await receiver.command(commanded('/agents runs deckhand', {}, 'Ben'));
    expect(runs.text).not.toContain('count to a million');
  });

  it('opens nobody else’s direct messages', async () => {
    const isDirect = ({ channel }: ConversationKey) => channel === place.channel;
    const linkTo = ({ channel, thread }: ConversationKey) => `https://chat.test/${channel}/${thread}`;
    const direct = { nameOf: async () => 'x', readable: async (x: string) => x, whisper: async () => undefined };
    const receiver = stage.receiver({ connectors: new Map([['test', { ...direct, isDirect, linkTo }]]) });
    const opened = async (name: string, channel: string) => {
      const conversation = { ...place, channel, thread: channel };
      return receiver.command(commanded(`/sessions open ${id}`, { conversation }, name));
    };
    expect(await opened('Ben', 'C2')).toEqual({
      effect: 'refused',
      text: 'It is in a direct message of somebody else’s, which you cannot open.',
    });
    // Whoever began it, and whoever is in it.
    for (const [name, channel] of [['Ana', 'C2'] as const, ['Ben', place.channel] as const]) {
      expect((await opened(name, channel)).text).toContain(`(https://chat.test/${place.channel}/${place.thread})`);
    }
  });

  it('tells a guest nothing of what is not theirs', async () => {
    await give(stage, 'Gil', 'guest');
    expect((await type.as('Gil')(`/sessions open ${id}`)).text).toContain('There is no session');
  });
});
