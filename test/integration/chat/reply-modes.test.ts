import { Collection } from 'mongodb';
import { describe, expect, it, vi } from 'vitest';
import type { ReplyMode } from '../../../src/chat/channel-settings.ts';
import type { InboundMessage } from '../../../src/chat/inbound.ts';
import { place, said } from '../../support/chat-stage.ts';
import { deferred } from '../../support/deferred.ts';
import { useChatStage } from '../../support/use-chat-stage.ts';

const stage = useChatStage();

const IGNORED = { effect: 'ignored', text: null };

async function texts(): Promise<string[]> {
  const entries = await stage.entries('user.message');
  return entries.flatMap(({ event }) => event.content.map((block) => (block.type === 'text' ? block.text : '')));
}

async function mode(reply_mode: ReplyMode): Promise<void> {
  await stage.channels.change(stage.defaults.workspace_id, place, { reply_mode });
}

/** Said in the thread, to nobody in particular. */
function loose(text: string, over: Partial<InboundMessage> = {}): InboundMessage {
  return said(text, { addressed: false, follows: 'all', ...over });
}

/** Said at the channel's top level. */
function top(text: string, over: Partial<InboundMessage> = {}): InboundMessage {
  return said(text, { addressed: false, conversation: { ...place, thread: text }, ...over });
}

async function stored(): Promise<Record<string, number>> {
  const names = ['inbound', 'conversations', 'sessions', 'channel_settings'];
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await stage.db.collection(name).countDocuments()] as const)),
  );
}

describe('what does not mention the bot', () => {
  it('costs no write and one look at the settings, where mentions alone count', async () => {
    const looks = vi.spyOn(Collection.prototype, 'findOne');
    const looking = { ...stage.directory, find: () => Promise.reject(new Error('Nobody need look at sessions')) };
    const gateway = stage.receiver({ directory: looking });
    const messages = Array.from({ length: 50 }, (_, n) => (n % 2 === 0 ? loose : top)(`message ${n}`));
    const receipts = await Promise.all(messages.map((message) => gateway.message(message)));
    expect(receipts).toEqual(receipts.map(() => IGNORED));
    expect(looks).toHaveBeenCalledTimes(1);
    looks.mockRestore();
    expect(await stored()).toEqual({ inbound: 0, conversations: 0, sessions: 0, channel_settings: 0 });
  });

  it('is the agent’s in a thread where it has a session, in mode thread', async () => {
    await mode('thread');
    const gateway = stage.receiver();
    expect(await gateway.message(loose('too early'))).toEqual(IGNORED);
    expect(await gateway.message(top('a new matter'))).toEqual(IGNORED);
    await gateway.message(said('begin'));
    expect((await gateway.message(loose('go on'))).effect).toBe('accepted');
    expect(await gateway.message(loose('Ben, lunch?', { to_others: true }))).toEqual(IGNORED);
    expect((await gateway.message(said('@Ben and you', { follows: 'all', to_others: true }))).effect).toBe('accepted');
    expect(await gateway.message(loose('elsewhere', { conversation: { ...place, thread: '9.9' } }))).toEqual(IGNORED);
    expect(await texts()).toEqual(['begin', 'go on', '@Ben and you']);
    expect((await stored()).inbound).toBe(3);
  });

  it('waits in mode thread for what was said before it', async () => {
    await mode('thread');
    const held = deferred<void>();
    const directory = {
      ...stage.directory,
      async agents(workspace_id: string) {
        await held.promise;
        return stage.directory.agents(workspace_id);
      },
    };
    const gateway = stage.receiver({ directory });
    const first = gateway.message(said('begin'));
    const second = gateway.message(loose('go on'));
    held.resolve();
    expect([(await first).effect, (await second).effect]).toEqual(['accepted', 'accepted']);
    expect(await texts()).toEqual(['begin', 'go on']);
  });

  it('keeps its place also when the settings have to be looked up first', async () => {
    await mode('automatic');
    const looked = deferred<void>();
    const channels = {
      ...stage.channels,
      async of(...args: Parameters<typeof stage.channels.of>) {
        await looked.promise;
        return stage.channels.of(...args);
      },
    };
    const gateway = stage.receiver({ channels });
    const receipts = [gateway.message(loose('first')), gateway.message(said('second', { follows: 'all' }))];
    looked.resolve();
    expect((await Promise.all(receipts)).map(({ effect }) => effect)).toEqual(['accepted', 'accepted']);
    expect(await texts()).toEqual(['first', 'second']);
  });

  it('begins nothing anew where the session has ended, in mode thread', async () => {
    await mode('thread');
    const gateway = stage.receiver();
    await gateway.message(said('begin'));
    const [ref] = await stage.refs();
    if (ref === undefined) throw new Error('There is no session');
    await stage.append(ref, { type: 'session.status_terminated' });
    expect(await gateway.message(loose('go on'))).toEqual(IGNORED);
    expect(await stage.refs()).toHaveLength(1);
  });

  it('begins a session in mode automatic, also in a thread that has none', async () => {
    await mode('automatic');
    const gateway = stage.receiver();
    expect((await gateway.message(top('a new matter'))).effect).toBe('accepted');
    expect((await gateway.message(loose('and here'))).effect).toBe('accepted');
    expect(await gateway.message(top('Ben, lunch?', { to_others: true }))).toEqual(IGNORED);
    expect(await stage.refs()).toHaveLength(2);
    expect((await texts()).toSorted()).toEqual(['a new matter', 'and here']);
  });

  it('has one effect in mode automatic, however often and to whomever it comes', async () => {
    await mode('automatic');
    const message = top('a new matter');
    await Promise.all([1, 2, 3].map(() => stage.receiver().message(message)));
    expect((await stage.receiver().message(message)).effect).toBe('duplicate');
    expect(await texts()).toEqual(['a new matter']);
  });

  it('is never answered with what is wrong with it', async () => {
    await mode('automatic');
    const { workspace_id, agent_id } = stage.defaults;
    expect(await stage.receiver().message(top('x'.repeat(100_001)))).toEqual(IGNORED);
    await stage.agents.update(workspace_id, agent_id, { metadata: { deckhand_paused: 'true' } });
    expect(await stage.receiver().message(top('a new matter'))).toEqual(IGNORED);
    expect((await stage.receiver().message(said('you'))).text).toContain('paused');
  });

  it('is heard once it is a mention, although it was left alone before', async () => {
    await mode('thread');
    const message = loose('deploy');
    expect(await stage.receiver().message(message)).toEqual(IGNORED);
    await stage.receiver().message({ ...message, event_id: 'EvMention', addressed: true });
    expect(await texts()).toEqual(['deploy']);
  });
});
