import { describe, expect, test } from 'vitest';
import { takeTurn } from '../../src/harness/turn.ts';
import type { SessionLog } from '../../src/session/log.ts';
import type { Tool } from '../../src/tools/tool.ts';
import { eventually } from '../support/eventually.ts';
import { type Stage, stage, testTools } from '../support/harness.ts';
import { testDatabase } from '../support/services.ts';

const never = new AbortController().signal;
async function onStage(work: (on: Stage) => Promise<void>): Promise<void> {
  await using database = await testDatabase();
  await using on = await stage(database.db);
  await work(on);
}

/** The lease is out by the database's clock. */
async function hasRunOut({ database, ref }: Stage): Promise<boolean> {
  const late = { _id: ref.session_id, $expr: { $lte: ['$log.lease.until', '$$NOW'] } };
  return (await database.collection<{ _id: string }>('sessions').countDocuments(late)) === 1;
}

async function runOut({ database, ref }: Stage): Promise<void> {
  const past = { $set: { 'log.lease.until': new Date(0) } };
  await database.collection<{ _id: string }>('sessions').updateOne({ _id: ref.session_id }, past);
}

describe('a worker that is late with everything', () => {
  test('keeps the answer that it hears, when nobody took the session meanwhile', () =>
    onStage(async (on) => {
      const held = on.model.replyHeld({ text: 'late, but here' });
      await on.says('hi');
      const log: SessionLog = {
        ...on.log,
        async renew(...args) {
          await eventually(async () => expect(await hasRunOut(on)).toBe(true));
          const head = await on.log.renew(...args);
          held.release();
          return head;
        },
      };
      const timings = { lease_ms: 2000, retry_ms: 1, retry_max_ms: 50, max_failures: 3 };
      expect(await takeTurn(on.worker({ log, timings }), on.ref, never)).toBe('rested');
      expect(on.model.requests).toHaveLength(1);
      const types = await on.types();
      expect(types.filter((type) => type === 'agent.message')).toHaveLength(1);
      expect(types).not.toContain('session.error');
    }));

  test('does not take its own session for lost', () =>
    onStage(async (on) => {
      const held = on.model.replyHeld({ text: 'all of it is mine' });
      await on.says('hi');
      const worker = on.worker();
      const turn = takeTurn(worker, on.ref, never);
      await held.asked;
      await runOut(on);
      expect(await takeTurn(worker, on.ref, never)).toBe('busy');
      held.release();
      expect(await turn).toBe('rested');
      expect(on.model.requests).toHaveLength(1);
    }));

  test('begins no command while it is in doubt who has the session', () =>
    onStage(async (on) => {
      on.model.reply({ tool_uses: [{ name: 'bash', input: { text: 'too late' } }] });
      await on.says('go');
      let isAnswered = false;
      const log: SessionLog = {
        ...on.log,
        // In doubt as soon as the answer is there: a moment of the lease is left, and nobody says more of it.
        renew: () => new Promise(() => undefined),
        async append(request) {
          const appended = await on.log.append(request);
          if (request.entries.some(({ event }) => event.type === 'deckhand.tool_started')) {
            isAnswered = true;
            await eventually(async () => expect(await hasRunOut(on)).toBe(true));
          }
          return appended;
        },
      };
      const timings = { lease_ms: 500, retry_ms: 1, retry_max_ms: 50, max_failures: 3 };
      expect(await takeTurn(on.worker({ log, timings }), on.ref, never)).toBe('lost');
      expect([isAnswered, on.effects]).toEqual([true, []]);
    }));

  test('ends a command with the lease, and lets another worker of this process have the session although it hangs', () =>
    onStage(async (on) => {
      on.model.reply({ tool_uses: [{ name: 'bash', input: { text: 'for ever' } }] }, { text: 'I see.' });
      await on.says('go');
      const [bash, ...others] = testTools(on.effects);
      if (bash === undefined) throw new Error('no bash');
      let aborted = false;
      const hanging: Tool = {
        ...bash,
        run: (_input, { signal }) =>
          new Promise(() => {
            signal.addEventListener('abort', () => {
              aborted = true;
            });
          }),
      };
      const log: SessionLog = { ...on.log, renew: () => new Promise(() => undefined) };
      const timings = { lease_ms: 500, retry_ms: 1, retry_max_ms: 50, max_failures: 3 };
      const worker = on.worker({ log, timings, tools: [hanging, ...others] });
      void takeTurn(worker, on.ref, never);
      await eventually(async () => expect(aborted).toBe(true));
      await eventually(async () => expect(await takeTurn({ ...worker, log: on.log }, on.ref, never)).toBe('rested'));
      expect((await on.types()).filter((type) => type === 'agent.message')).toHaveLength(1);
    }));
});
