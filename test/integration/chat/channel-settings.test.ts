import { beforeEach, describe, expect, it } from 'vitest';
import { createChannelSettings } from '../../../src/chat/channel-settings.ts';
import { place, said } from '../../support/chat-stage.ts';
import { useChatStage } from '../../support/use-chat-stage.ts';

const stage = useChatStage();
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
