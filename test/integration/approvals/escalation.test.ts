import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DecideRequest } from '../../../src/approvals/decide.ts';
import type { Actor } from '../../../src/session/event.ts';
import { type ApprovalScene, ana, approvalScene, ben, type Question } from '../../support/approvals.ts';
import { type TestDatabase, testDatabase } from '../../support/services.ts';

const HOUR = 3_600_000;
const cara: Actor = { via: 'slack', id: 'U_CARA', name: 'Cara' };
const policy = {
  approvers: ['slack:U_ANA'],
  escalate_after_ms: HOUR,
  escalate_to: ['slack:U_BEN', 'slack:group:S1', 'slack:channel:C9'],
};

let database: TestDatabase;
let scene: ApprovalScene;

beforeEach(async () => {
  database = await testDatabase();
  scene = await approvalScene(database.db);
});

afterEach(() => database[Symbol.asyncDispose]());

function by(person: Actor, question: Question, over: Partial<DecideRequest> = {}): DecideRequest {
  const { approval_id } = question;
  return { workspace_id: 'wrkspc_1', approval_id, decision: 'allow', by: person, in_conversation: false, ...over };
}

async function asked(over: Parameters<ApprovalScene['asks']>[0] = {}): Promise<Question> {
  const question = await scene.asks({ ...policy, ...over });
  await scene.process().record(scene.ref, question.entries);
  return question;
}

/** A round of the timers of two processes at once, so much later. */
async function later(ms: number): Promise<void> {
  scene.clock.now += ms;
  await using one = scene.process().startTimers(HOUR, 5_000);
  await using two = scene.process().startTimers(HOUR, 5_000);
  await Promise.all([one.runNow(), two.runNow()]);
}

async function steps(): Promise<string[]> {
  return (await scene.events('deckhand.approval_escalated')).map(({ step, to }) => `${step} ${to}`);
}

describe('an escalation', () => {
  it('asks one after another, each once and in its time, and then nobody', async () => {
    await asked();
    await later(HOUR - 1);
    expect(await steps()).toEqual([]);
    await later(1);
    await later(60_000);
    expect(await steps()).toEqual(['1 slack:U_BEN']);
    await later(2 * HOUR);
    // Both that are due meanwhile come, in their order.
    await later(0);
    expect(await steps()).toEqual(['1 slack:U_BEN', '2 slack:group:S1', '3 slack:channel:C9']);
    await later(10 * HOUR);
    expect(await steps()).toHaveLength(3);
  });

  it.each(['before the append', 'after the append'] as const)('asks once although a process died %s', async (when) => {
    await asked();
    scene.clock.now += HOUR;
    await using dying = scene.process(when).startTimers(HOUR, 5_000);
    await dying.runNow();
    await later(5_000);
    await later(5_000);
    expect(await steps()).toEqual(['1 slack:U_BEN']);
  });

  it('lets those decide whom it asked, from then on and not before', async () => {
    const question = await asked();
    expect((await scene.process().decide(by(ben, question))).result).toBe('not_allowed');
    await later(HOUR);
    expect((await scene.process().decide(by(cara, question))).text).toBe(
      'You may not decide this. Who may: U_ANA, U_BEN.',
    );
    expect((await scene.process().decide(by(ben, question))).result).toBe('decided');
  });

  it.each([
    ['a group', 2, 'slack:group:S1'],
    ['a channel', 3, 'slack:channel:C9'],
  ])('lets %s decide that it asked', async (_who, count, id) => {
    const question = await asked({ approvers: [] });
    const decision = by(cara, question, { belongs_to: [id] });
    await later((count - 1) * HOUR);
    await later(0);
    expect((await scene.process().decide(decision)).result).toBe('not_allowed');
    await later(HOUR);
    expect((await scene.process().decide(decision)).result).toBe('decided');
  });

  it('asks nobody about what is decided, or was withdrawn without a word to its record', async () => {
    const decided = await asked();
    await scene.process().decide(by(ana, decided));
    const withdrawn = await asked();
    const { seq } = await scene.log.head(scene.ref);
    await scene.log.append({ ...scene.ref, after: seq, entries: [{ event: scene.withdrawal(withdrawn) }] });
    await later(HOUR);
    expect(await steps()).toEqual([]);
  });

  it('goes on where it was when its record has to be rebuilt', async () => {
    const question = await asked();
    await later(HOUR);
    await database.db.collection('approvals').deleteMany({});
    expect((await scene.process().decide(by(cara, question))).result).toBe('not_allowed');
    expect((await scene.process().find('wrkspc_1', question.approval_id))?.escalations).toMatchObject([
      { to: 'slack:U_BEN' },
    ]);
    await later(HOUR);
    expect(await steps()).toEqual(['1 slack:U_BEN', '2 slack:group:S1']);
  });
});
