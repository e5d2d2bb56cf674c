import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LogMovedError } from '../../src/errors.ts';
import { type Cost, createCosts } from '../../src/resources/costs.ts';
import { newId } from '../../src/session/id.ts';
import type { SessionRef } from '../../src/session/log.ts';
import { type ChatStage, chatStage } from '../support/chat-stage.ts';
import { type TestDatabase, testDatabase } from '../support/services.ts';

let database: TestDatabase;
let stage: ChatStage;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: new Date('2026-09-30T23:59:00Z') });
  database = await testDatabase();
  stage = await chatStage(database.db);
});

afterEach(async () => {
  vi.useRealTimers();
  await database[Symbol.asyncDispose]();
});

function at(time: string): void {
  vi.setSystemTime(new Date(time));
}

let threads = 0;

function begun(): Promise<SessionRef> {
  threads += 1;
  return stage.session(`${threads}.1`);
}

function usageOf(cents: number) {
  const event = {
    id: newId('sevt'),
    type: 'session.usage' as const,
    processed_at: new Date().toISOString(),
    usage: { list_cost: { amount: String(cents), currency: 'USD' as const } },
  };
  return { event };
}

/** It has cost so much in all by now. */
async function has(ref: SessionRef, cents: number): Promise<void> {
  const { seq } = await stage.log.head(ref);
  await stage.log.append({ ...ref, after: seq, entries: [usageOf(cents)] });
}

/** As a gateway sees it that has just started. */
async function ofMonth(): Promise<Pick<Cost, 'cents' | 'sessions'>> {
  const [cost, ...others] = await createCosts(database.db, stage.log).ofMonth(stage.defaults.workspace_id, new Date());
  expect(others).toEqual([]);
  return { cents: cost?.cents ?? 0, sessions: cost?.sessions ?? 0 };
}

/** As sessions were stored before their months were. */
async function forgetMonths(): Promise<void> {
  await database.db.collection('sessions').updateMany({}, { $unset: { 'log.spent_by': '', 'log.spent_in': '' } });
}

describe('what a month has cost', () => {
  it('is what was spent in it, whenever the session began', async () => {
    const old = await begun();
    await has(old, 100);
    at('2026-09-30T23:59:59.999Z');
    await has(old, 120);
    expect(await ofMonth()).toEqual({ cents: 120, sessions: 1 });

    at('2026-10-01T00:00:00Z');
    expect(await ofMonth()).toEqual({ cents: 0, sessions: 0 });
    await has(old, 150);
    const young = await begun();
    await has(young, 7);
    await has(young, 9);
    await begun();
    expect(await ofMonth()).toEqual({ cents: 39, sessions: 2 });

    // A month in which it rested.
    at('2026-12-24T12:00:00Z');
    await has(old, 151);
    expect(await ofMonth()).toEqual({ cents: 1, sessions: 1 });
  });

  it('is there once, however often its append is tried', async () => {
    const ref = await begun();
    await has(ref, 100);
    at('2026-10-02T00:00:00Z');
    const { seq } = await stage.log.head(ref);
    const append = { ...ref, after: seq, entries: [usageOf(130)] };
    await stage.log.append(append);
    await expect(stage.log.append(append)).rejects.toThrow(LogMovedError);
    await stage.log.read(ref);
    expect(await ofMonth()).toEqual({ cents: 30, sessions: 1 });
    // Said again at the end of a run.
    await has(ref, 130);
    expect(await ofMonth()).toEqual({ cents: 30, sessions: 1 });
  });

  it('is never less than nothing, where workers’ clocks differ at the month’s turn', async () => {
    const [one, other] = [await begun(), await begun()];
    at('2026-10-01T00:00:01Z');
    await has(one, 50);
    await has(other, 5);
    at('2026-09-30T23:59:59Z');
    await has(one, 60);
    at('2026-10-01T00:00:02Z');
    await has(one, 60);
    expect(await ofMonth()).toEqual({ cents: 5, sessions: 2 });
  });
});

describe('sessions of before this was kept', () => {
  it('count with what their logs say of the month', async () => {
    const [spanning, silent, over] = [await begun(), await begun(), await begun()];
    await has(spanning, 100);
    await has(over, 1_000);
    at('2026-10-10T00:00:00Z');
    await has(spanning, 130);
    const young = await begun();
    await has(young, 4);
    await forgetMonths();
    expect(await ofMonth()).toEqual({ cents: 34, sessions: 2 });
    const stored = await database.db.collection('sessions').findOne({ 'log.seq': 0 });
    expect(stored?._id).toBe(silent.session_id);

    // They go on.
    await has(spanning, 131);
    await has(over, 1_001);
    await has(silent, 2);
    expect(await ofMonth()).toEqual({ cents: 38, sessions: 4 });
    at('2026-11-01T00:00:00Z');
    await has(spanning, 141);
    expect(await ofMonth()).toEqual({ cents: 10, sessions: 1 });
  });

  it('count when they went on before anybody asked', async () => {
    const ref = await begun();
    await has(ref, 100);
    at('2026-10-10T00:00:00Z');
    await has(ref, 130);
    await forgetMonths();
    await has(ref, 140);
    expect(await ofMonth()).toEqual({ cents: 40, sessions: 1 });
  });
});
