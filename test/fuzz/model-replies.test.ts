import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAskModel } from '../../src/harness/model.ts';
import { takeTurn } from '../../src/harness/turn.ts';
import { fold } from '../../src/session/state.ts';
import { CASES_TIMEOUT_MS, cases } from '../support/cases.ts';
import { expectCleanLog, keptLog } from '../support/fuzz/logged.ts';
import { mutants } from '../support/fuzz/mutate.ts';
import { oddText } from '../support/fuzz/odd-values.ts';
import { framesOf, type RawAnswer, type RawModel, startRawModel, VALID_STREAM } from '../support/fuzz/raw-model.ts';
import { expectNoSecret, SECRETS } from '../support/fuzz/secrets.ts';
import { expectNoOperators } from '../support/fuzz/store-watch.ts';
import { type Stage, stage } from '../support/harness.ts';
import { type TestDatabase, testDatabase } from '../support/services.ts';

/** Whatever comes back from the model, the run ends in something that a person can read, and the log stays whole. */

const { logger, takeLog } = keptLog();

let database: TestDatabase;
let model: RawModel;

beforeAll(async () => {
  [database, model] = await Promise.all([testDatabase(), startRawModel()]);
});

afterAll(async () => {
  await model[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

const stream = { 'content-type': 'text/event-stream' };
const ok = (body: string): RawAnswer => ({ status: 200, headers: stream, body });

/** Its events mutated one by one, or as a list: dropped, doubled, of another kind. */
const mutatedStream: fc.Arbitrary<RawAnswer> = mutants(VALID_STREAM).map(({ json }) => {
  try {
    const events: unknown = JSON.parse(json);
    return ok(framesOf(Array.isArray(events) ? events : [events]));
  } catch {
    return ok(framesOf(VALID_STREAM).replace('"Let me look."', json));
  }
});

const frames = framesOf(VALID_STREAM);
/** The same bytes cut short, or with something else in between. */
const brokenStream: fc.Arbitrary<RawAnswer> = fc
  .tuple(fc.nat({ max: frames.length }), fc.nat({ max: 40 }), oddText)
  .map(([at, drop, put]) => ok(frames.slice(0, at) + put + frames.slice(at + drop)));

const strangeAnswer: fc.Arbitrary<RawAnswer> = fc.record({
  status: fc.constantFrom(200, 204, 302, 400, 401, 404, 413, 418, 429, 500, 529),
  headers: fc.constantFrom<Record<string, string>>(
    {},
    { 'content-type': 'application/json' },
    { 'content-type': 'text/html' },
    { 'content-encoding': 'gzip', ...stream },
    { 'retry-after': '-1' },
    { 'retry-after': '1e309' },
    { location: 'http://127.0.0.1:9/' },
  ),
  body: fc.oneof(oddText, fc.constantFrom('', '{}', 'null', '{"type":"error"}', '{"error":{"message":{}}}', frames)),
});

describe('an answer', () => {
  it.each<[string, fc.Arbitrary<RawAnswer>]>([
    ['of mutated events', mutatedStream],
    ['of broken bytes', brokenStream],
    ['of another kind', strangeAnswer],
  ])(
    '%s ends the run in words',
    async (_what, answers) => {
      await fc.assert(
        fc.asyncProperty(answers, async (answer) => {
          await using scene = await stage(database.db);
          // The same again for every try, then an answer that ends it.
          model.say(answer, answer, answer);
          await scene.says('Go on.');
          await settle(scene);
          await expectEndInWords(scene);
          for (const { messages } of model.requests) expectTakenBack(messages);
          expectCleanLog(takeLog());
        }),
        cases(35),
      );
    },
    CASES_TIMEOUT_MS,
  );
});

/** Turns until nothing is owed. None of them may throw: that is for what is broken on our side. */
async function settle(scene: Stage): Promise<void> {
  const deps = scene.worker({
    ask: createAskModel({ api_key: SECRETS.anthropic_key, base_url: model.base_url }),
    logger,
  });
  for (let turns = 0; (await scene.log.head(scene.ref)).owed; turns++) {
    expect(turns).toBeLessThan(5);
    await takeTurn(deps, scene.ref, new AbortController().signal);
  }
}

async function expectEndInWords(scene: Stage): Promise<void> {
  const entries = await scene.log.read(scene.ref);
  const state = fold(entries);
  expect(state.status).toBe('idle');
  const types = entries.map(({ event }) => event.type);
  expect(types.some((type) => type === 'agent.message' || type === 'session.error' || type === 'agent.tool_use')).toBe(
    true,
  );
  const listed = await scene.log.query({ ...scene.ref, include_internal: true, order: 'asc', limit: 1000 });
  expect(listed.map(({ event }) => event.id)).toEqual(entries.map(({ event }) => event.id));
  expectNoSecret(JSON.stringify(entries), 'the log');
  expectNoOperators(new Map(entries.map(({ event }) => [event.type, JSON.stringify(event)])));
}

interface Block {
  type: string;
  [key: string]: unknown;
}

/** The rules by which the Messages API would refuse a request, as far as a mutated answer could break them. */
function expectTakenBack(messages: unknown[]): void {
  let asked: string[] = [];
  for (const { role, content } of messages as Array<{ role: string; content: Block[] }>) {
    expect(content.length, role).toBeGreaterThan(0);
    const answered = content.filter(({ type }) => type === 'tool_result').map((block) => String(block['tool_use_id']));
    if (role === 'user') expect(answered.toSorted()).toEqual(asked.toSorted());
    const uses = content.filter(({ type }) => type === 'tool_use');
    for (const use of uses) {
      expect(use['id']).toMatch(/^[a-zA-Z0-9_-]+$/);
      expect(use['name']).toMatch(/^[a-zA-Z0-9_-]{1,128}$/);
      expect(use['input']).toEqual(expect.any(Object));
      expect(Array.isArray(use['input'])).toBe(false);
    }
    asked = uses.map((use) => String(use['id']));
    expect(new Set(asked).size).toBe(asked.length);
    for (const block of content) if (block.type === 'text') expect(String(block['text']).trim()).not.toBe('');
  }
}
