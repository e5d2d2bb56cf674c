import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DecideRequest } from '../../../src/approvals/decide.ts';
import type { Actor } from '../../../src/session/event.ts';
import { type ApprovalScene, ana, approvalScene, ben, pendingOf, type Question } from '../../support/approvals.ts';
import { type TestDatabase, testDatabase } from '../../support/services.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

let database: TestDatabase;
let scene: ApprovalScene;

beforeEach(async () => {
  database = await testDatabase();
  scene = await approvalScene(database.db);
});

afterEach(() => database[Symbol.asyncDispose]());

async function asked(policy: Parameters<ApprovalScene['asks']>[0] = {}): Promise<Question> {
  const question = await scene.asks({ remind_after_ms: 30 * MINUTE, ...policy });
  await scene.process().record(scene.ref, question.entries);
  return question;
}

function by(person: Actor, { approval_id }: Question, over: Partial<DecideRequest> = {}): DecideRequest {
  return { workspace_id: 'wrkspc_1', approval_id, decision: 'allow', by: person, in_conversation: true, ...over };
}

/** A round of the timers of two processes at once, so much later. */
async function later(ms: number): Promise<void> {
  scene.clock.now += ms;
  await using one = scene.process().startTimers(HOUR, 5_000);
  await using two = scene.process().startTimers(HOUR, 5_000);
  await Promise.all([one.runNow(), two.runNow()]);
}

async function reminders(): Promise<(number | undefined)[]> {
  return (await scene.events('deckhand.approval_reminded')).map(({ count }) => count);
}

describe('a reminder', () => {
  it('comes at the policy’s pace, each once, from however many processes', async () => {
    const { approval_id } = await asked();
    await later(30 * MINUTE - 1);
    expect(await reminders()).toEqual([]);
    await later(1);
    await later(MINUTE);
    expect(await reminders()).toEqual([1]);
    await later(29 * MINUTE);
    await later(30 * MINUTE);
    expect(await reminders()).toEqual([1, 2, 3]);
    expect((await scene.process().find('wrkspc_1', approval_id))?.reminded).toBe(3);
  });

  it('is not made up for when nobody looked, and the next comes in its time', async () => {
    await asked();
    await later(5 * HOUR + MINUTE);
    await later(0);
    expect(await reminders()).toEqual([1]);
    await later(28 * MINUTE);
    expect(await reminders()).toEqual([1]);
    await later(MINUTE);
    expect(await reminders()).toEqual([1, 2]);
  });

  it('comes once a day after ten', async () => {
    await asked();
    for (let n = 0; n < 12; n++) await later(30 * MINUTE);
    expect(await reminders()).toHaveLength(10);
    await later(DAY - 6 * HOUR - 1);
    expect(await reminders()).toHaveLength(10);
    await later(1);
    await later(DAY - 1);
    expect(await reminders()).toHaveLength(11);
    await later(1);
    expect(await reminders()).toHaveLength(12);
  });

  it('names those who may decide by then and have not approved', async () => {
    const question = await asked({
      approvers: ['slack:U_ANA', 'slack:U_BEN', 'slack:group:S1'],
      quorum: 3,
      escalate_after_ms: 45 * MINUTE,
      escalate_to: ['slack:channel:C9'],
    });
    const names = async () => (await scene.events('deckhand.approval_reminded')).map(({ to }) => to);
    await later(30 * MINUTE);
    expect(await names()).toEqual([['slack:U_ANA', 'slack:U_BEN', 'slack:group:S1']]);
    await scene.process().decide(by(ben, question));
    await later(15 * MINUTE);
    await later(15 * MINUTE);
    expect((await names()).at(-1)).toEqual(['slack:U_ANA', 'slack:group:S1', 'slack:channel:C9']);
  });

  it('calls nobody to decide what they asked for themselves, where four eyes are wanted', async () => {
    await asked({ approvers: ['slack:U_ANA', 'slack:U_BEN'], four_eyes: true });
    await later(30 * MINUTE);
    const [reminded] = await scene.events('deckhand.approval_reminded');
    expect(reminded?.to).toEqual(['slack:U_BEN']);
  });

  it.each(['before the append', 'after the append'] as const)(
    'comes once although a process died %s, the first and the second',
    async (when) => {
      await asked();
      for (const count of [1, 2]) {
        scene.clock.now += 30 * MINUTE;
        await using dying = scene.process(when).startTimers(HOUR, 5_000);
        await dying.runNow();
        expect((await pendingOf(scene.process(), 'wrkspc_1'))[0]?.reminded).toBe(count - 1);
        await later(5_000);
        await later(5_000);
        expect(await reminders()).toHaveLength(count);
      }
    },
  );

  it('does not come for what is decided, expired or withdrawn', async () => {
    const decided = await asked();
    await later(30 * MINUTE);
    await scene.process().decide(by(ana, decided));
    await asked({ expire_after_ms: 45 * MINUTE });
    const withdrawn = await asked();
    const { seq } = await scene.log.head(scene.ref);
    await scene.log.append({ ...scene.ref, after: seq, entries: [{ event: scene.withdrawal(withdrawn) }] });
    await later(30 * MINUTE);
    // Of the second one alone.
    expect(await reminders()).toEqual([1, 1]);
    await later(DAY);
    expect(await reminders()).toEqual([1, 1]);
  });

  it('goes on where it was when its record has to be rebuilt', async () => {
    const { approval_id } = await asked();
    await later(30 * MINUTE);
    await later(30 * MINUTE);
    await database.db.collection('approvals').deleteMany({});
    expect(await scene.process().find('wrkspc_1', approval_id)).toMatchObject({
      reminded: 2,
      remind_at: new Date(scene.clock.now + 30 * MINUTE),
    });
    await later(30 * MINUTE);
    expect(await reminders()).toEqual([1, 2, 3]);
  });
});
