import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DecideRequest } from '../../../src/approvals/decide.ts';
import type { Actor } from '../../../src/session/event.ts';
import { type ApprovalScene, ana, approvalScene, ben, client, type Question } from '../../support/approvals.ts';
import { type TestDatabase, testDatabase } from '../../support/services.ts';

const cara: Actor = { via: 'slack', id: 'U_CARA', name: 'Cara' };

let database: TestDatabase;
let scene: ApprovalScene;

beforeEach(async () => {
  database = await testDatabase();
  scene = await approvalScene(database.db);
});

afterEach(() => database[Symbol.asyncDispose]());

function by(person: Actor, question: Question, over: Partial<DecideRequest> = {}): DecideRequest {
  const { approval_id } = question;
  return { workspace_id: 'wrkspc_1', approval_id, decision: 'allow', by: person, in_conversation: true, ...over };
}

async function asked(policy: Parameters<ApprovalScene['asks']>[0] = { quorum: 2 }): Promise<Question> {
  const question = await scene.asks(policy);
  await scene.process().record(scene.ref, question.entries);
  return question;
}

function votes() {
  return scene.events('deckhand.approval_voted');
}

describe('a quorum', () => {
  it('of two needs two people, and says who has approved', async () => {
    const question = await asked();
    const first = await scene.process().decide(by(ana, question));
    expect(first).toMatchObject({
      result: 'voted',
      text: 'Your approval counts. 1 of 2 so far: 1 more person has to approve.',
    });
    expect(await votes()).toMatchObject([{ by: ana, approval_id: question.approval_id }]);
    expect(await scene.events('user.tool_confirmation')).toEqual([]);
    expect((await scene.log.head(scene.ref)).owed).toBe(false);

    expect(await scene.process().decide(by(ben, question))).toMatchObject({ result: 'decided', text: 'Approved.' });
    expect(await scene.events('deckhand.approval_decided')).toMatchObject([
      { outcome: 'allowed', by: ben, approved_by: [ana, ben] },
    ]);
    expect(await scene.events('user.tool_confirmation')).toMatchObject([{ result: 'allow' }]);
    expect((await scene.log.head(scene.ref)).owed).toBe(true);
  });

  it('counts nobody twice, not even in two processes at once', async () => {
    const question = await asked();
    const results = await Promise.all([1, 2, 3].map(() => scene.process().decide(by(ana, question))));
    expect(results.map((one) => one.result).sort()).toEqual(['already_voted', 'already_voted', 'voted']);
    const again = await scene.process().decide(by(ana, question));
    expect(again.text).toBe('You have approved this already. 1 of 2 so far: 1 more person has to approve.');
    expect(await votes()).toHaveLength(1);
    expect(await scene.events('user.tool_confirmation')).toEqual([]);
  });

  it('is reached once by however many come at once', async () => {
    const question = await asked();
    const people = [ana, ben, cara];
    const results = await Promise.all(people.map((person) => scene.process().decide(by(person, question))));
    // Two count; the first of them may hear of it when the second has decided already.
    expect(results.filter((one) => one.result === 'already_decided')).toHaveLength(1);
    expect(results.filter((one) => one.result === 'decided' || one.result === 'voted')).toHaveLength(2);
    const [decided, ...more] = await scene.events('deckhand.approval_decided');
    expect(more).toEqual([]);
    expect(decided?.approved_by).toHaveLength(2);
    expect(await scene.events('user.tool_confirmation')).toHaveLength(1);
  });

  it('is denied by any one, also by one who had approved', async () => {
    const question = await asked({ quorum: 3 });
    await scene.process().decide(by(ana, question));
    const denied = await scene.process().decide(by(ana, question, { decision: 'deny', reason: 'on second thought' }));
    expect(denied.result).toBe('decided');
    expect(await scene.events('deckhand.approval_decided')).toMatchObject([{ outcome: 'denied', by: ana }]);
    expect((await scene.process().decide(by(ben, question))).result).toBe('already_decided');
  });

  it('asks the API for nobody else', async () => {
    const question = await asked();
    await scene.process().decide(by(ana, question));
    expect((await scene.process().decide(by(client, question))).result).toBe('decided');
    expect(await scene.events('deckhand.approval_decided')).toMatchObject([{ by: client, approved_by: [ana, client] }]);
  });

  it('counts for the session only when all say so', async () => {
    const policy = { quorum: 2, for_session: 'tool' } as const;
    const half = await asked(policy);
    await scene.process().decide(by(ana, half, { for_session: true }));
    await scene.process().decide(by(ben, half));
    const whole = await asked(policy);
    for (const person of [ana, ben]) await scene.process().decide(by(person, whole, { for_session: true }));
    const decided = await scene.events('deckhand.approval_decided');
    expect(decided.map((event) => event.for_session)).toEqual([undefined, 'tool']);
  });
});

describe('a process that dies with a vote', () => {
  it.each(['before the append', 'after the append'] as const)('%s loses and doubles nothing', async (when) => {
    const question = await asked();
    await expect(scene.process(when).decide(by(ana, question))).rejects.toThrow('died here');
    scene.clock.now += 10_000;
    await using one = scene.process().startTimers(3_600_000, 5_000);
    await using two = scene.process().startTimers(3_600_000, 5_000);
    await Promise.all([one.runNow(), two.runNow()]);
    await one.runNow();
    expect(await votes()).toMatchObject([{ by: ana }]);
    expect(await database.db.collection('approvals').countDocuments({ voted_at: { $exists: true } })).toBe(0);
    expect((await scene.process().decide(by(ben, question))).result).toBe('decided');
  });

  it('is no loss when the next vote decides', async () => {
    const question = await asked();
    await expect(scene.process('before the append').decide(by(ana, question))).rejects.toThrow('died here');
    await scene.process().decide(by(ben, question));
    expect(await scene.events('deckhand.approval_decided')).toMatchObject([{ approved_by: [ana, ben] }]);
  });

  it('keeps the votes of a record that has to be rebuilt', async () => {
    const question = await asked();
    await scene.process().decide(by(ana, question));
    await database.db.collection('approvals').deleteMany({});
    expect((await scene.process().decide(by(ana, question))).result).toBe('already_voted');
    expect((await scene.process().decide(by(ben, question))).result).toBe('decided');
  });

  it('that a Stop overtook is told of the Stop', async () => {
    const question = await asked();
    const { seq } = await scene.log.head(scene.ref);
    await scene.log.append({ ...scene.ref, after: seq, entries: [{ event: scene.withdrawal(question) }] });
    expect((await scene.process().decide(by(ana, question))).result).toBe('withdrawn');
    expect(await votes()).toEqual([]);
  });
});

describe('a user group', () => {
  const policy = { approvers: ['slack:group:S1'] };

  it('may decide by those who are known to be in it', async () => {
    const question = await asked(policy);
    const stranger = await scene.process().decide(by(ana, question));
    expect(stranger).toMatchObject({ result: 'not_allowed', text: 'You may not decide this. Who may: group:S1.' });
    const elsewhere = await scene.process().decide(by(ana, question, { belongs_to: ['slack:group:S2'] }));
    expect(elsewhere.result).toBe('not_allowed');
    expect((await scene.process().decide(by(ana, question, { belongs_to: policy.approvers }))).result).toBe('decided');
  });
});
