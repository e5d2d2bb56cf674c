import { beforeEach, describe, expect, it } from 'vitest';
import { hasListPrice } from '../../src/harness/budget.ts';
import { createEnvironments } from '../../src/resources/environments.ts';
import { createSessions, type Sessions } from '../../src/resources/sessions.ts';
import type { SessionLog, SessionRef } from '../../src/session/log.ts';
import { deferred } from '../support/deferred.ts';
import { useChatStage } from '../support/use-chat-stage.ts';

const stage = useChatStage();
let ref: SessionRef;

beforeEach(async () => {
  const { workspace_id, agent_id, environment_id } = stage.defaults;
  const budget = limit('100');
  const { _id } = await stage.sessions.create(workspace_id, { agent: agent_id, environment_id, budget });
  ref = { workspace_id, session_id: _id };
});

const limit = (amount: string) => ({ type: 'limit' as const, max_list_cost: { amount, currency: 'USD' as const } });
const ana = { event_id: 'sevt_ana', by: { via: 'test', id: 'U_ANA', name: 'Ana' } };
const ben = { event_id: 'sevt_ben', by: { via: 'test', id: 'U_BEN', name: 'Ben' } };
const budgetNow = async () => (await stage.sessions.getSession(ref)).budget;
const told = async () => (await stage.entries('session.updated')).map(({ event }) => event.budget);

/** The same sessions as a gateway sees them whose appends are made so. */
function through(append: SessionLog['append']): Sessions {
  const { db, agents, log } = stage;
  return createSessions(db, {
    log: { ...log, append },
    agents,
    environments: createEnvironments(db),
    hasListPrice,
    onWithdrawn: async () => undefined,
    onArchive: async () => undefined,
    onDelete: async () => undefined,
  });
}

describe('a change of a session and its word in the log', () => {
  it('are one: where the gateway dies before the append, neither is there', async () => {
    const dying = through(() => Promise.reject(new Error('gone')));
    await expect(dying.setBudget(ref, limit('2000'), ana)).rejects.toThrow('gone');
    await expect(dying.update(ref, { title: 'New' })).rejects.toThrow('gone');
    expect(await stage.sessions.getSession(ref)).toMatchObject({ budget: limit('100'), title: null });
    expect(await told()).toEqual([]);
  });

  it('stand in one order, whoever is slow', async () => {
    const reached = deferred<void>();
    const goOn = deferred<void>();
    const slow = through(async (request) => {
      reached.resolve();
      await goOn.promise;
      return stage.log.append(request);
    });
    const slowly = slow.setBudget(ref, limit('2000'), ana);
    await reached.promise;
    await stage.sessions.setBudget(ref, limit('500'), ben);
    goOn.resolve();
    await slowly;
    expect(await told()).toEqual([limit('500'), limit('2000')]);
    expect(await budgetNow()).toEqual(limit('2000'));
  });

  it('stand in one order, however many decide at once', async () => {
    const amounts = Array.from({ length: 8 }, (_, n) => String(200 + n));
    await Promise.all(
      amounts.map((amount) => stage.sessions.setBudget(ref, limit(amount), { ...ana, event_id: `sevt_${amount}` })),
    );
    const all = await told();
    expect(all).toHaveLength(amounts.length);
    expect(new Set(all.map((budget) => budget?.max_list_cost.amount))).toEqual(new Set(amounts));
    expect(await budgetNow()).toEqual(all.at(-1));
  });

  it('come once: a decision that is repeated does not undo a later one', async () => {
    await stage.sessions.setBudget(ref, limit('2000'), ana);
    await stage.sessions.setBudget(ref, limit('500'), ben);
    expect((await stage.sessions.setBudget(ref, limit('2000'), ana)).budget).toEqual(limit('500'));
    expect(await told()).toEqual([limit('2000'), limit('500')]);
    await stage.sessions.archive(ref);
    expect((await stage.sessions.setBudget(ref, limit('2000'), ana)).budget).toEqual(limit('500'));
  });

  it('are none where it was archived meanwhile', async () => {
    let archived = false;
    const slow = through(async (request) => {
      if (!archived) await stage.sessions.archive(ref);
      archived = true;
      return stage.log.append(request);
    });
    await expect(slow.update(ref, { title: 'New' })).rejects.toThrow('is archived and can no longer change');
    expect((await stage.sessions.getSession(ref)).title).toBeNull();
    expect(await told()).toEqual([]);
  });
});
