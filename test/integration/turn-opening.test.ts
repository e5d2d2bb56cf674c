import { describe, expect, test } from 'vitest';
import { takeTurn } from '../../src/harness/turn.ts';
import type { TurnDeps } from '../../src/harness/turn-parts.ts';
import { newId } from '../../src/session/id.ts';
import type { SessionLog } from '../../src/session/log.ts';
import type { Tool } from '../../src/tools/tool.ts';
import { type Stage, stage, testTools } from '../support/harness.ts';
import { testDatabase } from '../support/services.ts';

const never = new AbortController().signal;

async function onStage(story: (on: Stage) => Promise<void>): Promise<void> {
  await using database = await testDatabase();
  await using on = await stage(database.db);
  await story(on);
}

/** What a worker's claims and appends did, in their order. */
function written(on: Stage): { log: SessionLog; writes: string[] } {
  const writes: string[] = [];
  const log: SessionLog = {
    ...on.log,
    async claim(...args) {
      const claimed = await on.log.claim(...args);
      writes.push(claimed?.opened === true ? 'claim and open' : 'claim');
      return claimed;
    },
    async append(request) {
      const entries = await on.log.append(request);
      writes.push(`append ${request.entries.map(({ event }) => event.type).join(' ')}`);
      return entries;
    },
  };
  return { log, writes };
}

const ASKED = 'append session.status_running deckhand.input_processed span.model_request_start';
const ANSWERED = 'append deckhand.model_reply agent.message span.model_request_end session.usage session.status_idle';
const RUN = [
  'user.message',
  'session.status_running',
  'deckhand.input_processed',
  'span.model_request_start',
  'deckhand.model_reply',
  'agent.message',
  'span.model_request_end',
  'session.usage',
  'session.status_idle',
];

describe('a turn for messages', () => {
  test('begins with its claim: on a new session, and wherever the log before them is known', () =>
    onStage(async (on) => {
      on.model.reply({ text: 'one' }, { text: 'two' });
      const { log, writes } = written(on);
      const worker = on.worker({ log });
      for (const text of ['first', 'second']) {
        await on.says(text);
        expect(await takeTurn(worker, on.wake(), never)).toBe('rested');
      }
      expect(writes).toEqual(['claim and open', ANSWERED, 'claim and open', ANSWERED]);
      expect(await on.types()).toEqual([...RUN, ...RUN]);
      expect(on.model.requests[1]?.messages).toHaveLength(3);
      expect(await on.log.head(on.ref)).toMatchObject({ owed: false, status: 'idle' });
      const inputs = (await on.log.read(on.ref)).filter(({ event }) => event.type === 'user.message');
      const marks = (await on.events()).filter((event) => event.type === 'deckhand.input_processed');
      expect(marks.flatMap((mark) => mark.event_ids)).toEqual(inputs.map(({ event }) => event.id));
    }));

  test('of one append all are taken up at once', () =>
    onStage(async (on) => {
      on.model.reply({ text: 'both' });
      const message = (text: string) => ({
        event: {
          id: newId('sevt'),
          type: 'user.message' as const,
          processed_at: null,
          content: [{ type: 'text' as const, text }],
        },
      });
      await on.log.appendInputs(on.ref, [message('a'), message('b')]);
      const { log, writes } = written(on);
      expect(await takeTurn(on.worker({ log }), on.wake(), never)).toBe('rested');
      expect(writes).toEqual(['claim and open', ANSWERED]);
      expect(on.model.requests).toHaveLength(1);
    }));

  test('writes what came of its calls together with the request that follows', () =>
    onStage(async (on) => {
      on.model.reply({ tool_uses: [{ name: 'bash', input: { text: 'a' } }] }, { text: 'done' });
      const { log, writes } = written(on);
      await on.says('go');
      expect(await takeTurn(on.worker({ log }), on.wake(), never)).toBe('rested');
      expect(writes).toEqual([
        'claim and open',
        'append deckhand.model_reply agent.tool_use deckhand.tool_started span.model_request_end session.usage',
        'append agent.tool_result span.model_request_start',
        ANSWERED,
      ]);
      expect(on.model.requests).toHaveLength(2);
      expect(await on.types()).not.toContain('session.error');
    }));

  test('takes up what was said while its calls ran with that request', () =>
    onStage(async (on) => {
      on.model.reply({ tool_uses: [{ name: 'bash', input: { text: 'a' } }] }, { text: 'done' });
      const [bash, ...others] = testTools(on.effects);
      if (bash === undefined) throw new Error('no bash');
      const steered: Tool = {
        ...bash,
        async run(input, context) {
          await on.says('and b');
          return bash.run(input, context);
        },
      };
      const { log, writes } = written(on);
      await on.says('go');
      expect(await takeTurn(on.worker({ log, tools: [steered, ...others] }), on.wake(), never)).toBe('rested');
      expect(writes[2]).toBe('append agent.tool_result deckhand.input_processed span.model_request_start');
      expect(JSON.stringify(on.model.requests[1]?.messages.at(-1))).toContain('and b');
      expect(on.model.requests).toHaveLength(2);
    }));

  test.each<[string, (on: Stage, worker: TurnDeps) => Promise<unknown>]>([
    ['another message came meanwhile', (on) => on.says('more').then(() => undefined)],
    [
      'there is a budget to look at first',
      (on) =>
        on.database
          .collection<{ _id: string }>('sessions')
          .updateOne({ _id: on.ref.session_id }, { $set: { budget: { amount: 100, currency: 'USD' } } }),
    ],
  ])('begins as ever when %s', (_name, before) =>
    onStage(async (on) => {
      on.model.reply({ text: 'one' });
      const { log, writes } = written(on);
      const worker = on.worker({ log });
      await on.says('first');
      const wake = on.wake();
      await before(on, worker);
      expect(await takeTurn(worker, wake, never)).toBe('rested');
      expect(writes).toEqual(['claim', ASKED, ANSWERED]);
      expect(on.model.requests).toHaveLength(1);
    }),
  );

  test('begins as ever on a worker that does not know the session, or whose wake is old', () =>
    onStage(async (on) => {
      on.model.reply({ text: 'one' }, { text: 'two' }, { text: 'three' });
      const known = on.worker();
      await on.says('first');
      const first = on.wake();
      expect(await takeTurn(known, first, never)).toBe('rested');
      await on.says('second');
      const stranger = written(on);
      expect(await takeTurn(on.worker({ log: stranger.log }), on.wake(), never)).toBe('rested');
      expect(stranger.writes).toEqual(['claim', ASKED, ANSWERED]);

      // Its cache ends before the second turn.
      await on.says('third');
      const behind = written(on);
      expect(await takeTurn({ ...known, log: behind.log }, on.wake(), never)).toBe('rested');
      expect(behind.writes).toEqual(['claim', ASKED, ANSWERED]);
      // A wake that is brought again asks for nothing.
      expect(await takeTurn(known, first, never)).toBe('rested');
      expect(on.model.requests).toHaveLength(3);
    }));

  test('that is interrupted before Claude is asked asks nothing, and says so', () =>
    onStage(async (on) => {
      await on.says('go');
      const worker = on.worker();
      const interrupting: SessionLog = {
        ...on.log,
        async claim(...args) {
          const claimed = await on.log.claim(...args);
          await on.sends({ id: newId('sevt'), type: 'user.interrupt', processed_at: null });
          return claimed;
        },
        // The interrupt is in what is read next.
        readPage: (...args) => on.log.readPage(...args),
      };
      const ask: TurnDeps['ask'] = async (_request, _listener, signal) => {
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        return { kind: 'aborted', said: [], usage: null };
      };
      expect(await takeTurn({ ...worker, log: interrupting, ask }, on.wake(), never)).toBe('rested');
      const types = await on.types();
      expect(types.filter((type) => type.startsWith('span.'))).toEqual([
        'span.model_request_start',
        'span.model_request_end',
      ]);
      expect(types.at(-1)).toBe('session.status_idle');
      // What follows begins a request of its own.
      on.model.reply({ text: 'now' });
      await on.says('again');
      await on.settle();
      expect(on.model.requests).toHaveLength(1);
    }));

  test('that is interrupted while Claude is about to be asked leaves what is said after that to a run of its own', () =>
    onStage(async (on) => {
      on.model.reply({ text: 'the second' });
      await on.says('first');
      let isRaced = false;
      const racing: SessionLog = {
        ...on.log,
        async append(request) {
          const opens = request.entries.some(({ event }) => event.type === 'span.model_request_start');
          if (opens && !isRaced) {
            isRaced = true;
            await on.sends({ id: newId('sevt'), type: 'user.interrupt', processed_at: null });
            await on.says('second');
          }
          return on.log.append(request);
        },
      };
      // Woken without its messages, so that the opening is an append of its own.
      expect(await takeTurn(on.worker({ log: racing }), on.ref, never)).toBe('rested');
      expect(isRaced).toBe(true);
      expect(on.model.requests).toHaveLength(1);
      const said = (await on.events()).filter((event) => event.type === 'agent.message');
      expect(said).toMatchObject([{ content: [{ text: 'the second' }] }]);
      expect(await on.log.head(on.ref)).toMatchObject({ owed: false, status: 'idle' });
    }));

  test('whose worker stops before Claude is asked closes its request: the next one counts no lost worker', () =>
    onStage(async (on) => {
      await on.says('go');
      const stopping = new AbortController();
      const log: SessionLog = {
        ...on.log,
        async claim(...args) {
          const claimed = await on.log.claim(...args);
          stopping.abort();
          return claimed;
        },
      };
      expect(await takeTurn(on.worker({ log }), on.wake(), stopping.signal)).toBe('handed_over');
      expect(await on.log.head(on.ref)).toMatchObject({ owed: true });
      on.model.reply({ text: 'from another' });
      await on.settle();
      const types = await on.types();
      expect(types).not.toContain('session.error');
      expect(types.filter((type) => type === 'agent.message')).toHaveLength(1);
    }));

  test('whose worker dies right after its claim is asked again, and says why', () =>
    onStage(async (on) => {
      await on.says('go');
      const dead = new Error('the worker died');
      const dying = on.worker({
        ask: () => Promise.reject(dead),
        timings: { lease_ms: 100, retry_ms: 1, retry_max_ms: 5, max_failures: 3 },
      });
      const log = { ...on.log, append: () => Promise.reject(dead) };
      await expect(takeTurn({ ...dying, log }, on.wake(), never)).rejects.toThrow(dead);
      on.model.reply({ text: 'from another' });
      await expect.poll(async () => takeTurn(on.worker(), on.wake(), never), { timeout: 10_000 }).toBe('rested');
      const errors = (await on.events()).filter((event) => event.type === 'session.error');
      expect(errors).toMatchObject([{ error: { message: 'The worker was lost while Claude was answering.' } }]);
      expect((await on.types()).filter((type) => type === 'agent.message')).toHaveLength(1);
    }));
});
