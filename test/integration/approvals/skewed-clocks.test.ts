import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ApprovalPolicy, SessionEvent } from '../../../src/session/event.ts';
import { type ApprovalScene, approvalScene, ben } from '../../support/approvals.ts';
import { type TestDatabase, testDatabase } from '../../support/services.ts';

const MINUTE = 60_000;
const AHEAD = 60 * MINUTE;
const BEHIND = -60 * MINUTE;
const LOST_AFTER = 30 * MINUTE;

let database: TestDatabase;
let scene: ApprovalScene;

const wallClock = Date.now;

/** What this process, from now on, takes the time to be. */
function isOff(ms: number): void {
  vi.useFakeTimers({ toFake: ['Date'], now: wallClock() + ms });
}

beforeEach(async () => {
  database = await testDatabase();
  scene = await approvalScene(database.db, false);
});

afterEach(async () => {
  vi.useRealTimers();
  await database[Symbol.asyncDispose]();
});

async function asked(policy: Partial<ApprovalPolicy>) {
  const question = await scene.asks(policy);
  await scene.process().record(scene.ref, question.entries);
  return question;
}

async function runTimers(dies?: 'before the append'): Promise<void> {
  await using timers = scene.process(dies).startTimers(60 * MINUTE, LOST_AFTER);
  await timers.runNow();
}

async function count(type: SessionEvent['type']): Promise<number> {
  return (await scene.events(type)).length;
}

const again = { remind_after_ms: 10 * MINUTE, escalate_after_ms: 10 * MINUTE, escalate_to: ['slack:channel:C2'] };

describe('a process whose clock is wrong', () => {
  it.each([AHEAD, BEHIND])('by %i ms reminds, escalates and expires nothing too early', async (ms) => {
    const question = await asked({ ...again, expire_after_ms: 20 * MINUTE });
    isOff(ms);
    await runTimers();
    expect(await count('deckhand.approval_reminded')).toBe(0);
    expect(await count('deckhand.approval_escalated')).toBe(0);
    const click = { ...question, workspace_id: 'wrkspc_1', decision: 'allow' as const, by: ben, in_conversation: true };
    expect((await scene.process().decide(click)).result).toBe('decided');
  });

  it.each([AHEAD, BEHIND])('by %i ms reminds, escalates and expires what is due', async (ms) => {
    scene.clock.now -= 15 * MINUTE;
    await asked(again);
    isOff(ms);
    await runTimers();
    expect(await count('deckhand.approval_reminded')).toBe(1);
    expect(await count('deckhand.approval_escalated')).toBe(1);
    scene.clock.now -= 15 * MINUTE;
    await asked({ expire_after_ms: 20 * MINUTE });
    await runTimers();
    expect(await scene.events('deckhand.approval_decided')).toMatchObject([{ outcome: 'expired' }]);
  });

  it('takes nothing over from one that is only slow', async () => {
    scene.clock.now -= 15 * MINUTE;
    await asked(again);
    const question = await asked({});
    isOff(BEHIND);
    await runTimers('before the append');
    const click = { ...question, workspace_id: 'wrkspc_1', decision: 'allow' as const, by: ben, in_conversation: true };
    await expect(scene.process('before the append').decide(click)).rejects.toThrow('died here');
    isOff(AHEAD);
    await runTimers();
    expect(await count('deckhand.approval_reminded')).toBe(0);
    expect(await count('deckhand.approval_decided')).toBe(0);
  });
});
