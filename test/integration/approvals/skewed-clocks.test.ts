import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createApprovals } from '../../../src/approvals/approvals.ts';
import { databaseClock } from '../../../src/approvals/database-clock.ts';
import { silentLogger } from '../../../src/logger.ts';
import type { ApprovalPolicy, SessionEvent } from '../../../src/session/event.ts';
import { type ApprovalScene, anyone, approvalScene, ben, pendingOf } from '../../support/approvals.ts';
import { stage } from '../../support/harness.ts';
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

describe('a worker whose clock is wrong', () => {
  it.each([AHEAD, BEHIND])('by %i ms asks questions that fall due in their time', async (ms) => {
    await using on = await stage(database.db);
    on.session.approval_policy = {
      ...anyone,
      ...again,
      escalate_to: ['slack:channel:C2', 'slack:U2'],
      expire_after_ms: 25 * MINUTE,
    };
    const approvals = createApprovals({ db: database.db, log: on.log, logger: silentLogger });
    const databaseNow = databaseClock(database.db);
    on.model.reply({ tool_uses: [{ name: 'write', input: { text: 'x' } }] });
    const before = await databaseNow();
    await on.says('write x');
    await on.settle({ approvals, now: () => Date.now() + ms });
    const after = await databaseNow();

    const [asked] = await pendingOf(approvals, on.ref.workspace_id);
    const asks = (await on.events()).find((event) => event.type === 'deckhand.approval_requested');
    expect(asks).toMatchObject({ asked_at: asked?.requested_at.toISOString() });
    for (const [due, minutes] of [
      [asked?.requested_at, 0],
      [asked?.remind_at, 10],
      [asked?.escalate_at, 10],
      [asked?.expires_at, 25],
    ] as const) {
      const counts_from = (due?.getTime() ?? 0) - minutes * MINUTE;
      expect(counts_from).toBeGreaterThanOrEqual(before);
      expect(counts_from).toBeLessThanOrEqual(after);
    }

    await using timers = approvals.startTimers(60 * MINUTE, LOST_AFTER);
    await timers.runNow();
    expect(await pendingOf(approvals, on.ref.workspace_id)).toMatchObject([{ reminded: 0, escalations: [] }]);
    // A record that has to be rebuilt falls due when the first would have.
    await database.db.collection('approvals').deleteMany({});
    expect(await approvals.find(on.ref.workspace_id, asked?._id ?? '')).toEqual(asked);
  });
});
