import { describe, expect, test } from 'vitest';
import { takeTurn } from '../../src/harness/turn.ts';
import type { EventOf, EventType, SessionEvent } from '../../src/session/event.ts';
import { subscribeClosely } from '../../src/session/hints.ts';
import { newId } from '../../src/session/id.ts';
import { type Tool, toolText } from '../../src/tools/tool.ts';
import { eventually } from '../support/eventually.ts';
import { ana, type Stage, stage, testAgent, testTools } from '../support/harness.ts';
import { testDatabase } from '../support/services.ts';

const never = new AbortController().signal;

function only<T extends EventType>(events: SessionEvent[], type: T): Array<EventOf<T>> {
  return events.filter((event): event is EventOf<T> => event.type === type);
}

function stopReasons(events: SessionEvent[]): string[] {
  return only(events, 'session.status_idle').map((event) => event.stop_reason.type);
}

async function onStage(story: (on: Stage) => Promise<void>): Promise<void> {
  await using database = await testDatabase();
  await using on = await stage(database.db);
  await story(on);
}

describe('a turn', () => {
  test('answers a message and rests', () =>
    onStage(async (on) => {
      on.model.reply({ text: 'Hello Ana.' });
      await on.says('hi');
      await on.settle();

      expect(await on.types()).toEqual([
        'user.message',
        'session.status_running',
        'deckhand.input_processed',
        'span.model_request_start',
        'deckhand.model_reply',
        'agent.message',
        'span.model_request_end',
        'session.usage',
        'session.status_idle',
      ]);
      const head = await on.log.head(on.ref);
      expect(head).toMatchObject({ status: 'idle', owed: false, stop_reason: { type: 'end_turn' } });
      const [request] = on.model.requests;
      expect(JSON.stringify(request?.messages)).toContain('<sender name=\\"Ana\\"');
      expect(request?.['cache_control']).toEqual({ type: 'ephemeral' });
    }));

  test('runs tools and gives their results back in the order of the calls', () =>
    onStage(async (on) => {
      on.model.reply(
        {
          text: 'Looking.',
          tool_uses: [
            { name: 'read', input: { text: 'a' }, id: 'toolu_a' },
            { name: 'read', input: { text: 'b' }, id: 'toolu_b' },
            { name: 'bash', input: { text: 'c' }, id: 'toolu_c' },
          ],
        },
        { text: 'Done.' },
      );
      await on.says('look');
      await on.settle();

      expect(on.effects).toEqual(['read a', 'read b', 'c']);
      const results = on.model.requests[1]?.messages.at(-1)?.content;
      expect(results).toMatchObject([
        { type: 'tool_result', tool_use_id: 'toolu_a', content: [{ text: 'contents of a' }] },
        { type: 'tool_result', tool_use_id: 'toolu_b' },
        { type: 'tool_result', tool_use_id: 'toolu_c', is_error: false },
      ]);
      expect(stopReasons(await on.events())).toEqual(['end_turn']);
    }));

  test('prepares what Claude begins to call, but nothing that a person is asked about first, and survives a failure', () =>
    onStage(async (on) => {
      const told: string[] = [];
      const tools = testTools(on.effects).map((tool): Tool => {
        const { name } = tool.definition;
        return {
          ...tool,
          async prepare({ openWorkspace }) {
            told.push(`prepare ${name}`);
            await openWorkspace();
          },
          async run(input, context) {
            told.push(`run ${name}`);
            return tool.run(input, context);
          },
        };
      });
      on.session.expectHands = () => void told.push('look up');
      on.model.reply({
        tool_uses: [
          { name: 'bash', input: { text: 'a' } },
          { name: 'read', input: { text: 'b' } },
          { name: 'write', input: { text: 'c' } },
          { name: 'lookup', input: {} },
        ],
      });
      await on.says('go');
      await on.settle({ tools });
      expect(told).toEqual(['look up', 'prepare bash', 'prepare read', 'run bash', 'run read']);
      expect(stopReasons(await on.events())).toEqual(['requires_action']);
    }));

  test('tells Claude when its input to a tool was wrong, instead of failing', () =>
    onStage(async (on) => {
      on.model.reply(
        {
          tool_uses: [
            { name: 'bash', input: { wrong: 1 } },
            { name: 'nothing', input: {} },
          ],
        },
        { text: 'ok' },
      );
      await on.says('go');
      await on.settle();
      const results = only(await on.events(), 'agent.tool_result');
      expect(results.map((result) => result.is_error)).toEqual([true, true]);
      expect(JSON.stringify(results)).toContain('not available in this session');
      expect(on.effects).toEqual([]);
    }));

  test('a message during a run steers the next model call', () =>
    onStage(async (on) => {
      const held = on.model.replyHeld({ text: 'one two three', tool_uses: [{ name: 'bash', input: { text: 'x' } }] });
      on.model.reply({ text: 'Changed course.' });
      await on.says('start');
      const running = on.settle();
      await held.asked;
      await on.says('rather do y');
      held.release();
      await running;
      expect(on.model.requests).toHaveLength(2);
      expect(JSON.stringify(on.model.requests[1]?.messages.at(-1))).toContain('rather do y');
    }));
});

describe('approvals', () => {
  async function asked(on: Stage): Promise<string> {
    on.model.reply({ tool_uses: [{ name: 'write', input: { text: 'prod' } }] });
    await on.says('ship it');
    await on.settle();
    const [request] = only(await on.events(), 'deckhand.approval_requested');
    expect(request).toMatchObject({ tool_name: 'write', detail: 'prod', requested_by: ana });
    return request?.tool_use_id ?? '';
  }

  const confirm = (tool_use_id: string, result: 'allow' | 'deny', deny_message?: string): SessionEvent => ({
    id: newId('sevt'),
    type: 'user.tool_confirmation',
    processed_at: null,
    tool_use_id,
    result,
    ...(deny_message === undefined ? {} : { deny_message }),
  });

  test('a call that asks ends the turn, and runs once it is allowed', () =>
    onStage(async (on) => {
      const id = await asked(on);
      expect(on.effects).toEqual([]);
      expect((await on.log.head(on.ref)).stop_reason).toEqual({ type: 'requires_action', event_ids: [id] });

      on.model.reply({ text: 'Shipped.' });
      await on.sends(confirm(id, 'allow'));
      await on.settle();
      expect(on.effects).toEqual(['wrote prod']);
      expect(stopReasons(await on.events())).toEqual(['requires_action', 'end_turn']);
    }));

  test('a denial is a result with who and why', () =>
    onStage(async (on) => {
      const id = await asked(on);
      on.model.reply({ text: 'All right.' });
      await on.sends(confirm(id, 'deny', 'not on a Friday'));
      await on.settle();
      expect(on.effects).toEqual([]);
      expect(JSON.stringify(on.model.requests.at(-1)?.messages)).toContain('Denied by Ana: not on a Friday');
    }));

  test('answering one of two asks again for the rest', () =>
    onStage(async (on) => {
      on.model.reply({
        tool_uses: [
          { name: 'write', input: { text: '1' } },
          { name: 'write', input: { text: '2' } },
        ],
      });
      await on.says('both');
      await on.settle();
      const ids = only(await on.events(), 'agent.tool_use').map((use) => use.id);
      await on.sends(confirm(ids[0] ?? '', 'allow'));
      await on.settle();
      expect((await on.log.head(on.ref)).stop_reason).toEqual({ type: 'requires_action', event_ids: [ids[1]] });
      on.model.reply({ text: 'Both done.' });
      await on.sends(confirm(ids[1] ?? '', 'allow'));
      await on.settle();
      expect(on.effects).toEqual(['wrote 1', 'wrote 2']);
    }));

  test('a message while a question is open waits for its answer', () =>
    onStage(async (on) => {
      const id = await asked(on);
      await on.says('hurry up');
      await on.settle();
      expect(on.model.requests).toHaveLength(1);
      on.model.reply({ text: 'Done.' });
      await on.sends(confirm(id, 'allow'));
      await on.settle();
      const last = on.model.requests[1]?.messages.at(-1)?.content;
      expect(last).toMatchObject([{ type: 'tool_result' }, { type: 'text' }, { type: 'text', text: 'hurry up' }]);
    }));

  test('Stop withdraws the question', () =>
    onStage(async (on) => {
      await asked(on);
      await on.sends({ id: newId('sevt'), type: 'user.interrupt', processed_at: null });
      await on.settle();
      expect(only(await on.events(), 'deckhand.approval_decided')).toMatchObject([{ outcome: 'withdrawn', by: ana }]);
      expect((await on.log.head(on.ref)).stop_reason).toEqual({ type: 'end_turn' });
    }));

  test('a custom tool waits for its client', () =>
    onStage(async (on) => {
      on.model.reply({ tool_uses: [{ name: 'lookup', input: { q: 1 } }] }, { text: 'It is 42.' });
      await on.says('look it up');
      await on.settle();
      const [use] = only(await on.events(), 'agent.custom_tool_use');
      expect((await on.log.head(on.ref)).stop_reason).toEqual({ type: 'requires_action', event_ids: [use?.id] });
      const content = [{ type: 'text' as const, text: '42' }];
      const custom_tool_use_id = use?.id ?? '';
      await on.sends({
        id: newId('sevt'),
        type: 'user.custom_tool_result',
        processed_at: null,
        custom_tool_use_id,
        content,
      });
      await on.settle();
      expect(stopReasons(await on.events())).toEqual(['requires_action', 'end_turn']);
    }));
});

describe('Stop', () => {
  test('keeps what was already said', () =>
    onStage(async (on) => {
      const held = on.model.replyHeld({ text: 'one two three four' }, 2);
      await on.says('count');
      const running = on.settle();
      await held.asked;
      await new Promise<void>((resolve) => {
        void subscribeClosely(on.hints, on.ref.session_id, (message) => {
          if (message.includes('two')) resolve();
        });
      });
      await on.sends({ id: newId('sevt'), type: 'user.interrupt', processed_at: null });
      await running;
      held.release();
      const [message] = only(await on.events(), 'agent.message');
      expect(message?.content).toMatchObject([{ text: 'one two' }]);
      expect(await on.log.head(on.ref)).toMatchObject({ status: 'idle', owed: false });

      on.model.reply({ text: 'Yes?' });
      await on.says('again');
      await on.settle();
      expect(on.model.requests.at(-1)?.messages.map((one) => one.role)).toEqual(['user', 'assistant', 'user']);
    }));
});

describe('failures of the model', () => {
  test('are retried, said, and counted', () =>
    onStage(async (on) => {
      on.model.fail(529);
      on.model.fail(500);
      on.model.reply({ text: 'Here now.' });
      await on.says('hi');
      await on.settle();
      const errors = only(await on.events(), 'session.error').map((event) => event.error);
      expect(errors).toMatchObject([
        { type: 'model_overloaded_error', retry_status: { type: 'retrying' } },
        { type: 'model_request_failed_error', retry_status: { type: 'retrying' } },
      ]);
      expect(stopReasons(await on.events())).toEqual(['end_turn']);
    }));

  test('end the run in words when they do not stop', () =>
    onStage(async (on) => {
      on.model.otherwise({ error: { status: 529 } });
      await on.says('hi');
      await on.settle();
      expect(on.model.requests).toHaveLength(3);
      expect(stopReasons(await on.events())).toEqual(['retries_exhausted']);
      expect(only(await on.events(), 'session.error').at(-1)?.error.retry_status).toEqual({ type: 'exhausted' });
    }));

  test('a request that will never work is not repeated', () =>
    onStage(async (on) => {
      on.model.fail(400, { message: 'messages: too many' });
      await on.says('hi');
      await on.settle();
      expect(on.model.requests).toHaveLength(1);
      expect(only(await on.events(), 'session.error')[0]?.error).toMatchObject({
        retry_status: { type: 'terminal' },
        message: 'The model request failed (400: messages: too many).',
      });
    }));

  test('a stream cut midway is asked again', () =>
    onStage(async (on) => {
      on.model.reply({ text: 'half an answer', disconnect_after_words: 2 }, { text: 'A whole answer.' });
      await on.says('hi');
      await on.settle();
      expect(only(await on.events(), 'agent.message')).toMatchObject([{ content: [{ text: 'A whole answer.' }] }]);
    }));

  test('a refusal is a stop reason', () =>
    onStage(async (on) => {
      on.model.reply({ text: 'I cannot help with that.', stop_reason: 'refusal' });
      await on.says('hi');
      await on.settle();
      expect(stopReasons(await on.events())).toEqual(['refusal']);
    }));
});

describe('a budget', () => {
  const limit = (amount: string) => ({ type: 'limit' as const, max_list_cost: { amount, currency: 'USD' as const } });

  test('stops before the next request once it is spent', () =>
    onStage(async (on) => {
      on.session.budget = { type: 'limit', max_list_cost: { amount: '1', currency: 'USD' } };
      on.model.reply({ tool_uses: [{ name: 'bash', input: { text: 'x' } }], usage: { output_tokens: 2000 } });
      await on.says('spend');
      await on.settle();
      expect(on.model.requests).toHaveLength(1);
      expect(stopReasons(await on.events())).toEqual(['budget_reached']);
      expect(only(await on.events(), 'session.usage').at(-1)?.usage.list_cost?.amount).toBe('3');
    }));

  test.each([
    ['raised', { amount: '100' }, 'end_turn', 2],
    ['lowered', { amount: '2' }, 'budget_reached', 1],
  ])('that is %s during a run holds for what is left of it', (_how, { amount }, reason, requests) =>
    onStage(async (on) => {
      const costs3 = { output_tokens: 2000 };
      const now = new Date().toISOString();
      on.session.budget = limit(amount === '2' ? '100' : '2');
      const call = { name: 'bash', input: { text: 'x' } };
      const held = on.model.replyHeld({ text: 'I look', tool_uses: [call], usage: costs3 });
      on.model.reply({ text: 'done' });
      await on.says('spend');
      const running = on.settle();
      await held.asked;
      const updated = {
        id: newId('sevt'),
        type: 'session.updated' as const,
        processed_at: now,
        budget: limit(amount),
      };
      const { seq } = await on.log.head(on.ref);
      await on.log.append({ ...on.ref, after: seq, entries: [{ event: updated }] });
      held.release();
      await running;
      expect(stopReasons(await on.events())).toEqual([reason]);
      expect(on.model.requests).toHaveLength(requests);
    }),
  );

  test('cannot be kept for a model without a list price', () =>
    onStage(async (on) => {
      on.session.agent = testAgent({ model: { id: 'claude-unknown' } });
      on.session.budget = { type: 'limit', max_list_cost: { amount: '100', currency: 'USD' } };
      await on.says('spend');
      await on.settle();
      expect(on.model.requests).toHaveLength(0);
      expect(stopReasons(await on.events())).toEqual(['budget_reached']);
    }));
});

describe('a lost worker', () => {
  test('one brain at a time: a second worker finds the session busy', () =>
    onStage(async (on) => {
      const held = on.model.replyHeld({ text: 'a b c' });
      await on.says('hi');
      const first = takeTurn(on.worker(), on.ref, never);
      await held.asked;
      expect(await takeTurn(on.worker(), on.ref, never)).toBe('busy');
      held.release();
      expect(await first).toBe('rested');
    }));

  test('a stopping worker hands the session over, and the answer is given once', () =>
    onStage(async (on) => {
      const held = on.model.replyHeld({ text: 'a b c' });
      on.model.reply({ text: 'From another worker.' });
      await on.says('hi');
      const stopping = new AbortController();
      const first = takeTurn(on.worker(), on.ref, stopping.signal);
      await held.asked;
      stopping.abort();
      expect(await first).toBe('handed_over');
      held.release();
      expect((await on.log.head(on.ref)).owed).toBe(true);
      await on.settle();
      expect(only(await on.events(), 'agent.message')).toMatchObject([{ content: [{ text: 'From another worker.' }] }]);
    }));

  test('a call that was started and has no result is not run again, unless it only reads', () =>
    onStage(async (on) => {
      const dead = new Error('the database is gone');
      on.model.reply({
        tool_uses: [
          { name: 'bash', input: { text: 'once' } },
          { name: 'read', input: { text: 'twice' } },
        ],
      });
      await on.says('go');
      // The first worker dies between the effect and its record.
      const dying: typeof on.log = {
        ...on.log,
        append: async (request) => {
          if (request.entries.some(({ event }) => event.type === 'agent.tool_result')) throw dead;
          return on.log.append(request);
        },
      };
      await expect(takeTurn(on.worker({ log: dying }), on.ref, never)).rejects.toThrow(dead);

      on.model.reply({ text: 'I see.' });
      await on.settle();
      expect(on.effects).toEqual(['once', 'read twice', 'read twice']);
      expect(JSON.stringify(on.model.requests[1]?.messages.at(-1))).toContain('lost before the result was recorded');
    }));

  test('a call that only reads is given up when it has cost three workers', () =>
    onStage(async (on) => {
      const dead = new Error('the worker is gone');
      const dying: typeof on.log = {
        ...on.log,
        append: async (request) => {
          if (request.entries.some(({ event }) => event.type === 'agent.tool_result')) throw dead;
          return on.log.append(request);
        },
      };
      const { timings } = on.worker();
      const deadly = () => on.worker({ log: dying, timings: { ...timings, max_failures: 10 } });
      on.model.reply({ tool_uses: [{ name: 'read', input: { text: 'bomb' } }] }, { text: 'Another way, then.' });
      await on.says('go');
      for (let lost = 1; lost <= 3; lost++) await expect(takeTurn(deadly(), on.ref, never)).rejects.toThrow(dead);
      await on.settle();
      expect(on.effects).toEqual(['read bomb', 'read bomb', 'read bomb']);
      expect(only(await on.events(), 'agent.tool_result')).toMatchObject([{ is_error: true }]);
      expect(JSON.stringify(on.model.requests[1]?.messages.at(-1))).toContain('was lost, 3 times in a row');
    }));

  test('what a call printed is on record while it runs, and its successor is told', () =>
    onStage(async (on) => {
      let release = () => undefined as void;
      const released = new Promise<void>((resolve) => {
        release = resolve;
      });
      const [bash, ...others] = testTools(on.effects);
      if (bash === undefined) throw new Error('no bash');
      const slow: Tool = {
        ...bash,
        async run(_input, context) {
          context.onProgress('step 1\n');
          await released;
          return toolText('never recorded');
        },
      };
      on.model.reply({ tool_uses: [{ name: 'bash', input: { text: 'steps' } }] }, { text: 'I see.' });
      await on.says('go');
      const dead = new Error('the database is gone');
      const dying: typeof on.log = {
        ...on.log,
        append: async (request) => {
          if (request.entries.some(({ event }) => event.type === 'agent.tool_result')) throw dead;
          return on.log.append(request);
        },
      };
      const first = takeTurn(on.worker({ log: dying, tools: [slow, ...others] }), on.ref, never);
      await eventually(async () => {
        expect(only(await on.events(), 'deckhand.tool_progress')).toMatchObject([{ text: 'step 1\n' }]);
      });
      release();
      await first.catch(() => undefined);
      await on.settle();
      expect(JSON.stringify(on.model.requests[1]?.messages.at(-1))).toContain('step 1');
    }));

  test('a lease that was taken over appends nothing more', () =>
    onStage(async (on) => {
      const held = on.model.replyHeld({ text: 'from the old one' });
      on.model.reply({ text: 'from the new one' });
      await on.says('hi');
      const stuck: typeof on.log = { ...on.log, renew: () => new Promise(() => undefined) };
      const timings = { lease_ms: 100, retry_ms: 1, retry_max_ms: 50, max_failures: 3 };
      const old = takeTurn(on.worker({ log: stuck, timings }), on.ref, never);
      await held.asked;
      await eventually(async () => {
        expect(await takeTurn(on.worker(), on.ref, never)).toBe('rested');
      });
      held.release();
      expect(await old).toBe('lost');
      expect(only(await on.events(), 'agent.message')).toMatchObject([{ content: [{ text: 'from the new one' }] }]);
    }));
});
