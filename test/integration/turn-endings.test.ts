import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { takeTurn } from '../../src/harness/turn.ts';
import type { TurnDeps } from '../../src/harness/turn-parts.ts';
import { newId } from '../../src/session/id.ts';
import { defineTool } from '../../src/tools/tool.ts';
import { eventually } from '../support/eventually.ts';
import { type Stage, stage } from '../support/harness.ts';
import { testDatabase } from '../support/services.ts';

const never = new AbortController().signal;

async function onStage(story: (on: Stage) => Promise<void>): Promise<void> {
  await using database = await testDatabase();
  await using on = await stage(database.db);
  await story(on);
}

async function seen(on: Stage, text: string): Promise<void> {
  await eventually(async () => {
    const found = (await on.events()).some((event) => JSON.stringify(event).includes(text));
    if (!found) throw new Error(`${text} is not in the log`);
  });
}

describe('a message that arrives while Claude answers', () => {
  for (const [how, reply] of [
    ['refuses', { text: 'one two', stop_reason: 'refusal' }],
    ['is cut off', { text: 'one two', stop_reason: 'max_tokens' }],
  ] as const) {
    test(`is answered although Claude ${how}`, () =>
      onStage(async (on) => {
        const held = on.model.replyHeld(reply);
        on.model.reply({ text: 'And that is the answer.' });
        await on.says('first');
        const deps = on.worker();
        const running = takeTurn(deps, on.ref, never);
        await held.asked;
        await on.says('second');
        // The running turn knows of it before the answer ends.
        await eventually(async () => {
          const state = await deps.states.load(on.log, on.ref, { head: await on.log.head(on.ref), latest: [] });
          if (state.queued.length !== 1) throw new Error('The turn has not heard of the message');
        });
        held.release();
        await running;
        await on.settle();
        expect(JSON.stringify(on.model.requests[1]?.messages)).toContain('second');
        await seen(on, 'And that is the answer.');
      }));
  }
});

describe('an answer without words', () => {
  for (const [what, text] of [
    ['nothing', undefined],
    ['a blank', ' \n'],
  ] as const) {
    test(`that is ${what} is not repeated to Claude, which would refuse it`, () =>
      onStage(async (on) => {
        on.model.reply({ ...(text === undefined ? {} : { text }), stop_reason: 'end_turn' }, { text: 'Hello.' });
        await on.says('first');
        await on.settle();
        await on.says('second');
        await on.settle();
        const messages = on.model.requests[1]?.messages ?? [];
        expect(messages.map((message) => message.role)).toEqual(['user']);
        expect(JSON.stringify(messages)).toContain('first');
        expect(JSON.stringify(messages)).toContain('second');
      }));
  }
});

test('pictures that together weigh more than one append holds all reach Claude', () =>
  onStage(async (on) => {
    const data = 'A'.repeat(5 * 1024 * 1024);
    const picture = defineTool({
      name: 'read',
      description: 'Look at a picture.',
      input: z.object({ text: z.string() }),
      idempotent: true,
      parallel: true,
      describe: () => ({ title: 'Look', summary: 'Look', detail: '' }),
      run: async () => ({
        content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data } }],
        is_error: false,
      }),
    });
    const uses = ['toolu_a', 'toolu_b', 'toolu_c'].map((id) => ({ name: 'read', input: { text: id }, id }));
    on.model.reply({ tool_uses: uses }, { text: 'Three cats.' });
    await on.says('look');
    await on.settle({ tools: [picture] });
    await seen(on, 'Three cats.');
    const results = on.model.requests[1]?.messages.at(-1)?.content;
    expect(results).toMatchObject(uses.map(({ id }) => ({ type: 'tool_result', tool_use_id: id, is_error: false })));
  }));

describe('a turn that breaks', () => {
  const broken: Partial<TurnDeps> = {
    sessionOf() {
      throw new TypeError('x is not a function');
    },
  };

  test.each([
    ['with its claim', true],
    ['behind its claim', false],
  ])('%s every time ends in words, and a later message gets its chance', (_when, isOpened) =>
    onStage(async (on) => {
      await on.says('hi');
      const deps = on.worker(broken);
      for (let attempt = 1; attempt <= 3; attempt++) {
        expect((await on.log.head(on.ref)).owed).toBe(true);
        const wake = isOpened ? on.wake() : on.ref;
        await expect(takeTurn(deps, wake, never)).rejects.toThrow('x is not a function');
      }
      const marks = (await on.types()).filter((type) => type.startsWith('span.'));
      expect(marks).toEqual(isOpened ? ['span.model_request_start', 'span.model_request_end'] : []);
      expect(await on.log.head(on.ref)).toMatchObject({
        owed: false,
        status: 'idle',
        stop_reason: { type: 'retries_exhausted' },
      });
      const errors = (await on.events()).flatMap((event) => (event.type === 'session.error' ? [event.error] : []));
      expect(errors.map((error) => error.retry_status.type)).toEqual(['retrying', 'retrying', 'exhausted']);
      expect(JSON.stringify(errors)).not.toContain('x is not a function');

      on.model.reply({ text: 'Hello again.' });
      await on.says('still there?');
      await on.settle();
      await seen(on, 'Hello again.');
    }),
  );

  test('although nothing was owed leaves no trace', () =>
    onStage(async (on) => {
      on.model.reply({ text: 'Hello.' });
      await on.says('hi');
      await on.settle();
      const before = await on.log.head(on.ref);
      await expect(takeTurn(on.worker(broken), on.ref, never)).rejects.toThrow('x is not a function');
      expect(await on.log.head(on.ref)).toMatchObject({ seq: before.seq, status: 'idle', owed: false });
      expect(await takeTurn(on.worker(), on.ref, never)).toBe('rested');
    }));

  test('once goes on', () =>
    onStage(async (on) => {
      on.model.reply({ text: 'Hello.' });
      await on.says('hi');
      await expect(takeTurn(on.worker(broken), on.ref, never)).rejects.toThrow();
      await on.settle();
      expect((await on.log.head(on.ref)).stop_reason).toEqual({ type: 'end_turn' });
    }));
});

test('a session that was deleted is no failure, before a turn or in it', () =>
  onStage(async (on) => {
    const held = on.model.replyHeld({ text: 'one two' });
    await on.says('hi');
    const running = takeTurn(on.worker(), on.ref, never);
    await held.asked;
    await on.database.collection('sessions').deleteMany({});
    held.release();
    expect(['gone', 'lost']).toContain(await running);
    expect(await takeTurn(on.worker(), on.ref, never)).toBe('gone');
  }));

describe('without Redis', () => {
  test('a turn is taken all the same', () =>
    onStage(async (on) => {
      const hints = {
        publish: () => Promise.reject(new Error('Redis is away')),
        subscribe: () => Promise.reject(new Error('Redis is away')),
      };
      on.model.reply({ text: 'Hello.' });
      await on.says('hi');
      await on.settle({ hints });
      await seen(on, 'Hello.');
    }));

  test('nobody waits for a subscription that does not come', () =>
    onStage(async (on) => {
      const hints = { publish: async () => 0, subscribe: () => new Promise<never>(() => undefined) };
      on.model.reply({ text: 'Hello.' });
      await on.says('hi');
      await on.settle({ hints });
      await seen(on, 'Hello.');
    }));
});

test('arguments with names that mean something to MongoDB come through as they are', () =>
  onStage(async (on) => {
    const input = { text: 'x', $set: { a: 1 }, 'a.b': 2, '': 3, $ref: 4, $id: { $db: 5 }, length: 1, constructor: {} };
    on.model.reply({ tool_uses: [{ name: 'bash', input }] }, { text: 'Fine.' });
    await on.says('go');
    await on.settle();
    await seen(on, 'Fine.');
    const calls = (await on.log.read(on.ref, 0)).flatMap(({ event }) =>
      event.type === 'agent.tool_use' ? [event] : [],
    );
    expect(calls.map((call) => call.input)).toEqual([input]);
    expect(on.effects).toEqual(['x']);
  }));

test('Stop is heard while a failed request waits to be asked again', () =>
  onStage(async (on) => {
    on.model.fail(529);
    await on.says('hi');
    const timings = { lease_ms: 3000, retry_ms: 600_000, retry_max_ms: 600_000, max_failures: 3 };
    const running = takeTurn(on.worker({ timings }), on.ref, never);
    await seen(on, 'session.status_rescheduled');
    await on.sends({ id: newId('sevt'), type: 'user.interrupt', processed_at: null });
    await running;
    expect(await on.log.head(on.ref)).toMatchObject({ status: 'idle', owed: false });
    expect(on.model.requests).toHaveLength(1);
  }));
