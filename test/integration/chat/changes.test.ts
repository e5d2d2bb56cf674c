import type { Db } from 'mongodb';
import { describe, expect, it } from 'vitest';
import type { InboundChange, InboundMessage } from '../../../src/chat/inbound.ts';
import type { SessionLog, SessionRef } from '../../../src/session/log.ts';
import { asks, ends } from '../../support/chat-events.ts';
import { place, said } from '../../support/chat-stage.ts';
import { deferred } from '../../support/deferred.ts';
import { eventually } from '../../support/eventually.ts';
import { useChatStage } from '../../support/use-chat-stage.ts';

const stage = useChatStage();

let changes = 0;

function changed(message: InboundMessage, text: string | null, over: Partial<InboundChange> = {}): InboundChange {
  changes += 1;
  const { message_id, conversation, sender } = message;
  const version = `v${String(changes).padStart(4, '0')}`;
  return { event_id: `EvChange${changes}`, message_id, version, conversation, sender, text, ...over };
}

/** An edit that adds a mention. */
function mentioning(message: InboundMessage, text: string): InboundChange {
  const event_id = `EvMention${message.message_id}`;
  const change = changed(message, text);
  return { ...change, message: { ...message, event_id, text, addressed: true, version: change.version } };
}

async function texts(): Promise<string[]> {
  const entries = await stage.entries('user.message');
  return entries.flatMap(({ event }) => event.content.map((block) => (block.type === 'text' ? block.text : '')));
}

async function session(): Promise<SessionRef> {
  const [ref] = await stage.refs();
  if (ref === undefined) throw new Error('There is no session');
  return ref;
}

const EDITED = 'Ana changed this message:\n> deploy\n\nIt says now:\n\ndeploy not';
const TAKEN_BACK = 'Ana took this message back, so what it asked for is not wanted any more:\n> deploy';
const IGNORED = { effect: 'ignored', text: null };

/** The stage's database, which keeps no chat event before that. */
function keepingAfter(held: Promise<void>): Db {
  const through = <T extends object>(target: T, replaced: Record<string, unknown>): T =>
    new Proxy(target, {
      get(of, name) {
        if (typeof name === 'string' && name in replaced) return replaced[name];
        const value: unknown = Reflect.get(of, name, of);
        return typeof value === 'function' ? value.bind(of) : value;
      },
    });
  return through(stage.db, {
    collection: (name: string, ...options: []) => {
      const collection = stage.db.collection(name, ...options);
      if (name !== 'inbound') return collection;
      const bulkWrite = async (...args: never[]) => {
        await held;
        return Reflect.apply(collection.bulkWrite, collection, args);
      };
      return through(collection, { bulkWrite });
    },
  });
}

describe('a message that the agent is not done with', () => {
  it.each([
    ['changed', 'deploy not', EDITED],
    ['taken back', null, TAKEN_BACK],
  ])('steers it when it is %s, by name and once', async (_what, text, told) => {
    const message = said('deploy');
    await stage.receiver().message(message);
    const ref = await session();
    await stage.append(ref, { type: 'session.status_running' }, ...asks('appr_1', 'sevt_call'));
    const change = changed(message, text);
    await Promise.all([1, 2, 3].map(() => stage.receiver().change(change)));
    const again = { ...change, event_id: 'EvAgain' };
    expect((await stage.receiver().change(again)).effect).toBe('duplicate');
    expect(await texts()).toEqual(['deploy', told]);
    expect((await stage.entries('user.message')).at(-1)?.by).toEqual({ via: 'test', id: 'U_ANA', name: 'Ana' });
    expect((await stage.log.head(ref)).owed).toBe(true);
  });

  it('is told each of its changes', async () => {
    const message = said('deploy');
    const gateway = stage.receiver();
    await gateway.message(message);
    for (const text of ['deploy not', 'deploy']) await gateway.change(changed(message, text));
    await gateway.change(changed(message, null));
    expect(await texts()).toEqual([
      'deploy',
      EDITED,
      'Ana changed this message:\n> deploy\n\nIt says now:\n\ndeploy',
      TAKEN_BACK,
    ]);
  });

  it('is named by its beginning when it is long', async () => {
    const message = said('x'.repeat(299) + '🛠'.repeat(100));
    const gateway = stage.receiver();
    await gateway.message(message);
    await gateway.change(changed(message, null));
    expect((await texts())[1]).toMatch(/:\n> x{299}…$/);
  });

  it('is told its changes in their order, also when the first one’s message is found later', async () => {
    const message = said('deploy');
    await stage.receiver().message(message);
    const found = deferred<void>();
    let looks = 0;
    const log: SessionLog = {
      ...stage.log,
      async find(...args) {
        looks += 1;
        if (looks === 1) await found.promise;
        return stage.log.find(...args);
      },
    };
    const gateway = stage.receiver({ log });
    const both = [gateway.change(changed(message, 'deploy not')), gateway.change(changed(message, null))];
    await eventually(() => expect(looks).toBeGreaterThan(0));
    found.resolve();
    await Promise.all(both);
    expect(await texts()).toEqual(['deploy', EDITED, TAKEN_BACK]);
  });

  it('may be changed while it is still on its way', async () => {
    const held = deferred<void>();
    const directory = {
      ...stage.directory,
      async agents(workspace_id: string) {
        await held.promise;
        return stage.directory.agents(workspace_id);
      },
    };
    const gateway = stage.receiver({ directory });
    const message = said('deploy');
    const first = gateway.message(message);
    const second = gateway.change(changed(message, 'deploy not'));
    held.resolve();
    expect([(await first).effect, (await second).effect]).toEqual(['accepted', 'accepted']);
    expect(await texts()).toEqual(['deploy', EDITED]);
  });

  it('may be changed before it is kept', async () => {
    const held = deferred<void>();
    const gateway = stage.receiver({ db: keepingAfter(held.promise) });
    const message = said('deploy');
    const both = [gateway.message(message), gateway.change(changed(message, 'deploy not'))];
    // Whatever is looked up before the change is kept is known by then.
    for (let n = 0; n < 10; n++) await stage.refs();
    held.resolve();
    expect((await Promise.all(both)).map(({ effect }) => effect)).toEqual(['accepted', 'accepted']);
    expect(await texts()).toEqual(['deploy', EDITED]);
  });

  it('may be changed while another gateway is at it: the change comes right behind it, and is no failure', async () => {
    const [begun, held] = [deferred<void>(), deferred<void>()];
    const directory = {
      ...stage.directory,
      async agents(workspace_id: string) {
        begun.resolve();
        await held.promise;
        return stage.directory.agents(workspace_id);
      },
    };
    const message = said('deploy');
    const first = stage.receiver({ directory }).message(message);
    await begun.promise;
    const other = stage.receiver();
    expect((await other.change(changed(message, 'deploy not'))).effect).toBe('accepted');
    const put_off = { state: 'received', 'put_off.times': 1 };
    expect(await stage.db.collection('inbound').countDocuments(put_off)).toBe(1);
    held.resolve();
    await first;
    await stage.silence(1_000);
    expect(await other.sweepNow()).toBe(1);
    expect(await texts()).toEqual(['deploy', EDITED]);
  });
});

describe('a change that comes after a later one', () => {
  it.each([
    ['an edit', 'deploy not', EDITED],
    ['a deletion', null, TAKEN_BACK],
  ])('is not told after %s', async (_what, text, told) => {
    const message = said('deploy');
    await stage.receiver().message(message);
    const [older, later] = [changed(message, 'deploy twice'), changed(message, text)];
    await stage.receiver().change(later);
    expect(await stage.receiver().change(older)).toEqual(IGNORED);
    expect(await texts()).toEqual(['deploy', told]);
    await stage.receiver().change(changed(message, null));
    expect(await texts()).toEqual(text === null ? ['deploy', told] : ['deploy', told, TAKEN_BACK]);
    expect(await stage.receiver().change(changed(message, 'deploy at last'))).toEqual(IGNORED);
  });

  it('is not told either when the later one lands as it is about to be', async () => {
    const message = said('deploy');
    await stage.receiver().message(message);
    const [older, later] = [changed(message, 'deploy twice'), changed(message, 'deploy not')];
    let landed = 0;
    const log: SessionLog = {
      ...stage.log,
      async append(request) {
        landed += 1;
        if (landed === 1) await stage.receiver().change(later);
        return stage.log.append(request);
      },
    };
    expect(await stage.receiver({ log }).change(older)).toEqual(IGNORED);
    expect(landed).toBe(1);
    expect(await texts()).toEqual(['deploy', EDITED]);
  });

  it('is not told when the message itself came as it was changed later', async () => {
    const message = said('deploy', { addressed: false });
    const older = changed(message, 'deploy twice');
    await stage.receiver().change(mentioning(message, '@bot deploy'));
    expect(await stage.receiver().change(older)).toEqual(IGNORED);
    expect(await texts()).toEqual(['@bot deploy']);
  });

  it('is found to be one also among all that people said since', async () => {
    const message = said('deploy');
    const gateway = stage.receiver();
    await gateway.message(message);
    const [older, later] = [changed(message, 'deploy twice'), changed(message, 'deploy not')];
    const ref = await session();
    const others = Array.from({ length: 150 }, (_, at) => ({
      type: 'user.message' as const,
      content: [{ type: 'text' as const, text: `also ${at}` }],
    }));
    await stage.append(ref, ...others);
    await gateway.change(later);
    await stage.append(ref, ...others);
    expect(await gateway.change(older)).toEqual(IGNORED);
    const other = changed(said('another'), 'another');
    expect(await gateway.change(other)).toEqual(IGNORED);
    expect((await texts()).filter((text) => !text.startsWith('also'))).toEqual(['deploy', EDITED]);
  });
});

describe('a change that comes too late, or concerns nobody', () => {
  it('is left alone when the run has ended, also when it ends just then', async () => {
    const message = said('deploy');
    await stage.receiver().message(message);
    const ref = await session();
    let ended = false;
    const log: SessionLog = {
      ...stage.log,
      async append(request) {
        if (!ended) await stage.append(ref, ends());
        ended = true;
        return stage.log.append(request);
      },
    };
    expect(await stage.receiver({ log }).change(changed(message, 'deploy not'))).toEqual(IGNORED);
    expect(ended).toBe(true);
    expect(await stage.receiver().change(changed(message, null))).toEqual(IGNORED);
    await stage.append(ref, { type: 'session.status_running' });
    expect(await stage.receiver().change(changed(message, 'deploy not'))).toEqual(IGNORED);
    expect(await texts()).toEqual(['deploy']);
  });

  it('is left alone when the session has ended or is gone', async () => {
    const message = said('deploy');
    await stage.receiver().message(message);
    await stage.append(await session(), { type: 'session.status_terminated' });
    expect(await stage.receiver().change(changed(message, 'deploy not'))).toEqual(IGNORED);
    await stage.sessions.remove(await session());
    expect(await stage.receiver().change(changed(message, null))).toEqual(IGNORED);
    expect(await texts()).toEqual([]);
  });

  it('costs no write when nobody was given the message', async () => {
    const message = said('lunch?', { addressed: false });
    const gateway = stage.receiver();
    expect(await gateway.change(changed(message, 'dinner?'))).toEqual(IGNORED);
    expect(await gateway.change(changed(message, null))).toEqual(IGNORED);
    await gateway.message(said('deploy'));
    expect(await gateway.change(changed(message, 'supper?'))).toEqual(IGNORED);
    expect(await stage.db.collection('inbound').countDocuments()).toBe(1);
    expect(await texts()).toEqual(['deploy']);
  });
});

describe('an edit that adds a mention', () => {
  it('is a message, once, whether or not it comes as a mention too', async () => {
    const message = said('deploy', { addressed: false });
    const change = mentioning(message, '@bot deploy');
    const mention = { ...message, event_id: 'EvToo', text: '@bot deploy', addressed: true };
    // Who finds the other one at it leaves its own to the sweep, when that takes long.
    await Promise.allSettled([
      stage.receiver().change(change),
      stage.receiver().message(mention),
      stage.receiver().change(change),
    ]);
    await stage.receiver().sweepNow();
    await stage.receiver().message(mention);
    await stage.receiver().change(change);
    expect(await texts()).toEqual(['@bot deploy']);
    expect(await stage.refs()).toHaveLength(1);
  });

  it('is a message at once, also where its mention stands behind it in the same gateway', async () => {
    const message = said('deploy', { addressed: false });
    const change = mentioning(message, '@bot deploy');
    const mention = { ...message, event_id: 'EvBehind', text: '@bot deploy', addressed: true };
    // Longer than the test has.
    const gateway = stage.receiver({ retry_ms: 60_000 });
    const receipts = await Promise.all([gateway.change(change), gateway.message(mention)]);
    expect(receipts.map(({ effect }) => effect)).toEqual(['accepted', 'accepted']);
    expect(await texts()).toEqual(['@bot deploy']);
    await stage.silence(60_000);
    expect(await gateway.sweepNow()).toBe(1);
    expect(await texts()).toEqual(['@bot deploy']);
    expect(await stage.db.collection('inbound').countDocuments({ state: 'received' })).toBe(0);
  });

  it('is a message also where it was left alone before', async () => {
    await stage.channels.change(stage.defaults.workspace_id, place, { reply_mode: 'thread' });
    const message = said('deploy', { addressed: false, follows: 'all' });
    const gateway = stage.receiver();
    expect(await gateway.message(message)).toEqual(IGNORED);
    expect((await gateway.change(mentioning(message, '@bot deploy'))).effect).toBe('accepted');
    expect(await texts()).toEqual(['@bot deploy']);
  });

  /** A gateway that is applying an unaddressed message, and stays at it until it is let go. */
  async function applying(message: InboundMessage) {
    await stage.channels.change(stage.defaults.workspace_id, place, { reply_mode: 'thread' });
    const [begun, held] = [deferred<void>(), deferred<void>()];
    let looks = 0;
    const channels = {
      ...stage.channels,
      async of(...at: Parameters<typeof stage.channels.of>) {
        looks += 1;
        // The first look is whether to keep it.
        if (looks === 2) {
          begun.resolve();
          await held.promise;
        }
        return stage.channels.of(...at);
      },
    };
    const gateway = stage.receiver({ channels });
    const receipt = gateway.message(message);
    await begun.promise;
    return { gateway, receipt, letGo: () => held.resolve() };
  }

  it('is a message also where the one without it is still being looked at', async () => {
    const message = said('deploy', { addressed: false, follows: 'all' });
    const { gateway, receipt, letGo } = await applying(message);
    const kept = await gateway.service.change(mentioning(message, '@bot deploy'));
    letGo();
    expect(await receipt).toEqual(IGNORED);
    expect((await kept.receipt).effect).toBe('accepted');
    expect(await texts()).toEqual(['@bot deploy']);
  });

  it('is a message also where another gateway looks at the one without it, and its own gateway dies', async () => {
    const message = said('deploy', { addressed: false, follows: 'all' });
    const { receipt, letGo } = await applying(message);
    const change = mentioning(message, '@bot deploy');
    expect(await stage.receiver().change(change)).toEqual({ effect: 'accepted', text: null });
    letGo();
    expect(await receipt).toEqual(IGNORED);
    await stage.silence(1_000);
    const died = deferred<void>();
    const log: SessionLog = {
      ...stage.log,
      append() {
        died.resolve();
        return new Promise(() => undefined);
      },
    };
    void stage.receiver({ log }).sweepNow();
    await died.promise;
    expect(await texts()).toEqual([]);
    await stage.silence(70_000);
    await Promise.all([stage.receiver().sweepNow(), stage.receiver().sweepNow()]);
    await stage.silence(300_000);
    await stage.receiver().sweepNow();
    expect(await texts()).toEqual(['@bot deploy']);
    expect(await stage.db.collection('inbound').countDocuments({ state: 'received' })).toBe(0);
  });

  it('is told of what is wrong with it as a message', async () => {
    const message = said('deploy', { addressed: false });
    const { effect, text } = await stage.receiver().change(mentioning(message, 'x'.repeat(100_001)));
    expect([effect, text]).toEqual(['refused', expect.stringContaining('100,001 characters')]);
  });

  it('is a change where the message was the agent’s already', async () => {
    await stage.channels.change(stage.defaults.workspace_id, place, { reply_mode: 'automatic' });
    const message = said('deploy', { addressed: false });
    const gateway = stage.receiver();
    await gateway.message(message);
    await gateway.change(mentioning(message, '@bot deploy not'));
    expect(await texts()).toEqual(['deploy', EDITED.replace(/deploy not$/, '@bot deploy not')]);
  });
});

describe('a gateway that dies', () => {
  it.each(['before', 'after'] as const)('%s the append leaves the change to the sweep', async (when) => {
    const message = said('deploy');
    await stage.receiver().message(message);
    const died = deferred<void>();
    const log: SessionLog = {
      ...stage.log,
      async append(request) {
        if (when === 'after') await stage.log.append(request);
        died.resolve();
        return new Promise(() => undefined);
      },
    };
    void stage.receiver({ log }).change(changed(message, 'deploy not'));
    await died.promise;
    await stage.silence(31_000);
    await Promise.all([stage.receiver().sweepNow(), stage.receiver().sweepNow()]);
    expect(await texts()).toEqual(['deploy', EDITED]);
  });
});
