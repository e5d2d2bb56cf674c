import { beforeEach, describe, expect, it } from 'vitest';
import { createChannelSettings } from '../../../src/chat/channel-settings.ts';
import type { SessionLog, SessionRef } from '../../../src/session/log.ts';
import { asks, ends } from '../../support/chat-events.ts';
import { place, said } from '../../support/chat-stage.ts';
import { typing } from '../../support/commands.ts';
import { useChatStage } from '../../support/use-chat-stage.ts';

const stage = useChatStage();
const other = { ...place, thread: '9.9' };
let reviewer: string;

beforeEach(async () => {
  reviewer = await agentWith({});
});

async function agentWith(metadata: Record<string, string>, name = 'reviewer'): Promise<string> {
  const { workspace_id } = stage.defaults;
  return (await stage.agents.create(workspace_id, { name, model: 'claude-sonnet-5-5', metadata }))._id;
}

async function sessions() {
  return Promise.all((await stage.refs()).map((ref) => stage.sessions.getSession(ref)));
}

describe('the settings of a channel', () => {
  it('are the same everywhere until somebody changes them, and each is changed alone', async () => {
    const { workspace_id } = stage.defaults;
    expect(await stage.channels.of(workspace_id, place)).toMatchObject({ agent_id: null, reply_mode: 'mention_only' });
    await stage.channels.change(workspace_id, place, { agent_id: reviewer });
    await stage.channels.change(workspace_id, place, { reply_mode: 'thread' });
    const expected = { workspace_id, connector: 'test', tenant: 'T1', channel: 'C1' };
    for (const store of [stage.channels, createChannelSettings(stage.db)]) {
      expect(await store.of(workspace_id, place)).toEqual({
        ...expected,
        agent_id: reviewer,
        set_by: null,
        reply_mode: 'thread',
      });
    }
    expect(await stage.channels.of(workspace_id, { ...place, channel: 'C2' })).toMatchObject({ agent_id: null });
    expect((await stage.channels.withAgent(workspace_id, reviewer)).map(({ channel }) => channel)).toEqual(['C1']);
  });

  it('say who answers what begins there, and not who answers elsewhere', async () => {
    await stage.channels.change(stage.defaults.workspace_id, place, { agent_id: reviewer });
    await stage.receiver().message(said('hello'));
    await stage.receiver().message(said('hello', { conversation: { ...place, channel: 'C2' } }));
    expect((await sessions()).map(({ agent }) => agent.name)).toEqual(['reviewer', 'deckhand']);
  });

  it('leave a conversation with whom it was begun', async () => {
    await stage.receiver().message(said('hello'));
    await stage.channels.change(stage.defaults.workspace_id, place, { agent_id: reviewer });
    await stage.receiver().message(said('and then?'));
    expect((await sessions()).map(({ agent }) => agent.name)).toEqual(['deckhand']);
  });
});

describe('an agent', () => {
  it('that is paused takes no new work, and says so', async () => {
    await stage.agents.update(stage.defaults.workspace_id, reviewer, { metadata: { deckhand_paused: 'true' } });
    const receipt = await stage.receiver().message(said('hello', { agent: 'reviewer' }));
    expect(receipt).toMatchObject({ effect: 'refused', text: expect.stringContaining('reviewer is paused') });
    expect(await sessions()).toEqual([]);
    await stage.agents.update(stage.defaults.workspace_id, reviewer, { metadata: { deckhand_paused: null } });
    expect((await stage.receiver().message(said('hello', { agent: 'reviewer' }))).effect).toBe('accepted');
  });

  describe('that is paused while it works', () => {
    const paused = { effect: 'refused', text: expect.stringContaining('reviewer is paused') };
    let ref: SessionRef;

    beforeEach(async () => {
      await stage.receiver().message(said('count to a million', { agent: 'reviewer' }));
      [ref] = (await stage.refs()) as [SessionRef];
      await stage.agents.update(stage.defaults.workspace_id, reviewer, { metadata: { deckhand_paused: 'true' } });
    });

    async function texts(): Promise<string[]> {
      const entries = await stage.entries('user.message');
      return entries.flatMap(({ event }) => event.content.map((block) => (block.type === 'text' ? block.text : '')));
    }

    it('is steered by what people say there, and begins nothing when it is done', async () => {
      const gateway = stage.receiver();
      expect((await gateway.message(said('only to a thousand'))).effect).toBe('accepted');
      await stage.append(ref, ...asks('appr_1', 'sevt_1'));
      expect((await gateway.message(said('rather to a hundred'))).effect).toBe('accepted');
      await stage.append(ref, ends());
      expect(await gateway.message(said('and now backwards'))).toMatchObject(paused);
      expect(await gateway.message(said('elsewhere', { agent: 'reviewer', conversation: other }))).toMatchObject(
        paused,
      );
      expect(await texts()).toEqual(['count to a million', 'only to a thousand', 'rather to a hundred']);
      expect((await stage.log.head(ref)).owed).toBe(false);
      expect(await stage.refs()).toHaveLength(1);
    });

    it('takes what nobody said to it in particular as long as it works, in mode thread', async () => {
      await stage.channels.change(stage.defaults.workspace_id, place, { reply_mode: 'thread' });
      const loose = (text: string) => stage.receiver().message(said(text, { addressed: false, follows: 'all' }));
      expect((await loose('only to a thousand')).effect).toBe('accepted');
      await stage.append(ref, ends());
      expect(await loose('and now backwards')).toEqual({ effect: 'ignored', text: null });
      expect(await texts()).toEqual(['count to a million', 'only to a thousand']);
    });

    it('begins nothing when its run ends as somebody speaks', async () => {
      let ended = false;
      const log: SessionLog = {
        ...stage.log,
        async append(request) {
          if (!ended) await stage.append(ref, ends());
          ended = true;
          return stage.log.append(request);
        },
      };
      expect(await stage.receiver({ log }).message(said('only to a thousand'))).toMatchObject(paused);
      expect(await texts()).toEqual(['count to a million']);
      expect((await stage.log.head(ref)).owed).toBe(false);
    });

    it('begins nothing when a message is taken over by another gateway after its run', async () => {
      const message = said('only to a thousand');
      const lost = stage.receiver({
        log: { ...stage.log, append: () => Promise.reject(new Error('MongoDB is away')) },
      });
      await expect(lost.message(message)).rejects.toThrow('MongoDB is away');
      await stage.append(ref, ends());
      expect(await stage.receiver().message(message)).toMatchObject(paused);
      expect(await texts()).toEqual(['count to a million']);
    });

    it('is not resumed either, before it takes work again', async () => {
      await stage.append(ref, ends());
      const { ana } = typing(stage);
      expect(await ana(`/sessions resume ${ref.session_id}`)).toMatchObject(paused);
      expect((await stage.log.head(ref)).owed).toBe(false);
      await stage.agents.update(stage.defaults.workspace_id, reviewer, { metadata: { deckhand_paused: null } });
      expect((await ana(`/sessions resume ${ref.session_id}`)).effect).toBe('accepted');
    });
  });

  describe('that is archived while it works', () => {
    const archived = {
      effect: 'refused',
      text: 'reviewer was archived. Begin a new thread with another agent’s name and a colon.',
    };
    let ref: SessionRef;

    beforeEach(async () => {
      await stage.receiver().message(said('delete the old builds', { agent: 'reviewer' }));
      [ref] = (await stage.refs()) as [SessionRef];
      await stage.agents.archive(stage.defaults.workspace_id, reviewer);
    });

    async function heard(): Promise<string[][]> {
      const all = await sessions();
      const logs = await Promise.all((await stage.refs()).map((one) => stage.log.read(one)));
      return all.map(({ agent }, n) => [
        agent.name,
        ...(logs[n] ?? []).flatMap(({ event }) =>
          event.type === 'user.message'
            ? event.content.map((block) => (block.type === 'text' ? block.text : block.type))
            : [],
        ),
      ]);
    }

    it('is steered by what people say there, and hands nothing over when it is done', async () => {
      const gateway = stage.receiver();
      expect((await gateway.message(said('stop deleting that!'))).effect).toBe('accepted');
      expect((await gateway.message(said('really', { usual_agent: reviewer }))).effect).toBe('accepted');
      await stage.append(ref, ends());
      for (const over of [{}, { usual_agent: reviewer }])
        expect(await gateway.message(said('and now the rest', over))).toEqual(archived);
      expect(await heard()).toEqual([['reviewer', 'delete the old builds', 'stop deleting that!', 'really']]);
      expect((await stage.log.head(ref)).owed).toBe(false);
    });

    it('hands nothing over to nobody either, where it was the last one', async () => {
      await stage.agents.archive(stage.defaults.workspace_id, stage.defaults.agent_id);
      expect((await stage.receiver().message(said('stop deleting that!'))).effect).toBe('accepted');
      await stage.append(ref, ends());
      expect(await stage.receiver().message(said('and now the rest'))).toEqual(archived);
    });

    it.each(['thread', 'automatic'] as const)(
      'takes what nobody said to it in particular as long as it works, in mode %s',
      async (reply_mode) => {
        await stage.channels.change(stage.defaults.workspace_id, place, { reply_mode });
        const loose = (text: string) => stage.receiver().message(said(text, { addressed: false, follows: 'all' }));
        expect((await loose('not those')).effect).toBe('accepted');
        await stage.append(ref, ends());
        expect(await loose('and now the rest')).toEqual({ effect: 'ignored', text: null });
        expect(await heard()).toEqual([['reviewer', 'delete the old builds', 'not those']]);
      },
    );

    it('leaves who is called by name to their work, and whoever comes when its session is over', async () => {
      const gateway = stage.receiver();
      expect((await gateway.message(said('deckhand: what does it do?'))).effect).toBe('accepted');
      await stage.sessions.archive(ref);
      expect((await gateway.message(said('and then?'))).effect).toBe('accepted');
      expect(await heard()).toEqual([
        ['reviewer', 'delete the old builds'],
        ['deckhand', 'deckhand: what does it do?', 'and then?'],
      ]);
    });

    it('begins nothing when a message is taken over by another gateway after its run', async () => {
      const message = said('stop deleting that!');
      const lost = stage.receiver({
        log: { ...stage.log, append: () => Promise.reject(new Error('MongoDB is away')) },
      });
      await expect(lost.message(message)).rejects.toThrow('MongoDB is away');
      await stage.append(ref, ends());
      expect(await stage.receiver().message(message)).toEqual(archived);
      expect(await heard()).toEqual([['reviewer', 'delete the old builds']]);
    });

    it('is steered by no guest who did not begin it', async () => {
      const sender = { id: 'U_GIL', name: 'Gil', guest: true };
      expect((await stage.receiver().message(said('stop', { sender }))).text).toContain('Guests may not steer');
    });
  });

  it('begins sessions with its own budget', async () => {
    await agentWith({ deckhand_budget: '2.50' }, 'thrifty');
    await stage.receiver().message(said('hello', { agent: 'thrifty' }));
    expect((await sessions()).map(({ budget }) => budget?.max_list_cost.amount)).toEqual(['250']);
  });

  it('whose environment is gone says so, once, instead of being tried for ever', async () => {
    await agentWith({ deckhand_environment: 'env_gone' }, 'lost');
    const receipt = await stage.receiver().message(said('hello', { agent: 'lost' }));
    expect(receipt).toMatchObject({ effect: 'refused', text: expect.stringContaining('/agents edit') });
    expect(await stage.db.collection('inbound').countDocuments({ state: 'received' })).toBe(0);
  });

  it.each([{ deckhand_paused: 'yes' }, { deckhand_budget: 'much' }, { deckhand_environment: 'lab' }])(
    'with a setting that means nothing is refused: %j',
    async (metadata) => {
      await expect(agentWith(metadata as Record<string, string>, 'odd')).rejects.toThrow('metadata.deckhand_');
    },
  );
});
