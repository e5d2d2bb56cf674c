import { beforeEach, describe, expect, it } from 'vitest';
import type { SessionRef } from '../../../src/session/log.ts';
import { place, said } from '../../support/chat-stage.ts';
import { createPlatform, type Platform } from '../../support/fake-connector.ts';
import { useChatStage } from '../../support/use-chat-stage.ts';

const ana = { id: 'U_ANA', name: 'Ana' };
const ben = { id: 'U_BEN', name: 'Ben' };

const stage = useChatStage();
let platform: Platform;

beforeEach(() => {
  platform = createPlatform();
});

function receiver() {
  return stage.receiver({ connectors: new Map([['test', platform.connector()]]) });
}

function overview(person: typeof ana) {
  return receiver().service.overview(place, person);
}

/** A session that somebody begins in a thread of its own, and what it has cost by now. */
async function begun(sender: typeof ana, thread: string, cents = 0): Promise<SessionRef> {
  const known = new Set((await stage.refs()).map(({ session_id }) => session_id));
  await receiver().message(said('look into it', { sender, conversation: { ...place, thread } }));
  const ref = (await stage.refs()).find(({ session_id }) => !known.has(session_id));
  if (ref === undefined) throw new Error('No session was begun');
  await stage.append(
    ref,
    { type: 'session.status_running' },
    { type: 'session.usage', usage: { list_cost: { amount: String(cents), currency: 'USD' } } },
  );
  return ref;
}

describe('what one person has to do with here', () => {
  it('costs this month what they began, and for those who may see it what everybody did', async () => {
    await begun(ana, '1.1', 120);
    await begun(ana, '2.1', 3);
    await begun(ben, '3.1', 40);
    expect((await overview(ana)).month).toEqual({
      mine: { cents: 123, sessions: 2 },
      all: { cents: 163, sessions: 3 },
    });
    platform.guests.add(ben.id);
    expect((await overview(ben)).month).toEqual({ mine: { cents: 40, sessions: 1 }, all: null });
  });

  it('is what runs for them and the agents that they own, ten of each, and how many there are besides', async () => {
    for (let n = 1; n <= 12; n += 1) await begun(ana, `${n}.1`);
    await begun(ben, '13.1');
    for (let n = 1; n <= 11; n += 1) {
      const metadata = { deckhand_owners: `test:${ana.id}` };
      await stage.agents.create(stage.defaults.workspace_id, { name: `${n}`, model: 'claude-sonnet-5-5', metadata });
    }
    const { agents, sessions, more } = await overview(ana);
    expect([agents.length, sessions.length, more]).toEqual([10, 10, { agents: 1, sessions: 2 }]);
    expect((await overview(ben)).sessions).toHaveLength(1);
    expect((await overview(ben)).agents).toEqual([]);
  });
});
