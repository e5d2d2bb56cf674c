import { afterAll, beforeAll, expect, it } from 'vitest';
import { createAskModel } from '../../src/harness/model.ts';
import { takeTurn } from '../../src/harness/turn.ts';
import type { SessionEvent } from '../../src/session/event.ts';
import { edit } from '../../src/tools/toolset/edit.ts';
import { framesOf, type RawModel, startRawModel, VALID_STREAM } from '../support/fuzz/raw-model.ts';
import { stage } from '../support/harness.ts';
import { testSandbox } from '../support/sandbox.ts';
import { type TestDatabase, testDatabase } from '../support/services.ts';

/** What the fuzz found in a model's answers and calls, one by one and by name. */

let database: TestDatabase;
let model: RawModel;

beforeAll(async () => {
  [database, model] = await Promise.all([testDatabase(), startRawModel()]);
});

afterAll(async () => {
  await model[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

/** The events of a run whose first answer is the valid one after `change`. */
async function runWith(change: (frames: string) => string): Promise<SessionEvent[]> {
  await using scene = await stage(database.db);
  const body = change(framesOf(VALID_STREAM));
  expect(body).not.toBe(framesOf(VALID_STREAM));
  model.say({ status: 200, headers: { 'content-type': 'text/event-stream' }, body });
  await scene.says('Go on.');
  const deps = scene.worker({ ask: createAskModel({ api_key: 'test', base_url: model.base_url }) });
  await takeTurn(deps, scene.ref, new AbortController().signal);
  return scene.events();
}

const errorsOf = (events: SessionEvent[]) =>
  events.flatMap((event) => (event.type === 'session.error' ? [event.error.message] : []));

it.each<[string, (frames: string) => string, RegExp]>([
  ['two calls with one id', (frames) => frames.replace('toolu_2', 'toolu_1'), /two tool calls have the id toolu_1/],
  ['a call without a name', (frames) => frames.replace('"name":"write",', ''), /content\.3\.name/],
  ['a name that no request may repeat', (frames) => frames.replace('"write"', '"rm -rf"'), /content\.3\.name/],
  ['an id that no request may repeat', (frames) => frames.replace('toolu_2', 'toolu 2'), /content\.3\.id/],
  [
    'usage that is no number',
    (frames) => frames.replace('"output_tokens":20', '"output_tokens":"20"'),
    /usage\.output_tokens/,
  ],
  [
    'a field that could be a path in MongoDB',
    (frames) => frames.replace('"thinking":"","signature":""', '"thinking":"","signature":"","a.b":0'),
    /a block has a field "a\.b", which the API has not/,
  ],
  [
    'a field that could be an operator, deep in a block',
    (frames) => frames.replace('"type":"text","text":""', '"type":"text","text":"","citations":[{"$where":1}]'),
    /a block has a field "\$where"/,
  ],
  ['a text of three megabytes', (frames) => frames.replace('Let me look.', 'x'.repeat(3_000_000)), /bytes; at most/],
])('%s is a failed request that is tried again', async (_what, change, words) => {
  const events = await runWith(change);
  expect(errorsOf(events).join()).toMatch(words);
  expect(model.requests).toHaveLength(2);
  expect(events.at(-1)).toMatchObject({ type: 'session.status_idle', stop_reason: { type: 'end_turn' } });
});

it('arguments that are no object are left out, so that later requests are taken', async () => {
  const events = await runWith((frames) => frames.replace('"{\\"text\\":\\"b\\"}"', '"[1,2]"'));
  expect(errorsOf(events)).toEqual([]);
  const reply = events.find((event) => event.type === 'deckhand.model_reply');
  expect(reply).toMatchObject({
    content: expect.arrayContaining([expect.objectContaining({ id: 'toolu_2', input: {} })]),
  });
});

it('an edit that would make a file of gigabytes is refused', async () => {
  await using sandbox = testSandbox();
  const workspace = await sandbox.open();
  await workspace.writeFile('long.txt', 'a'.repeat(1_000_000));
  const input = { file_path: 'long.txt', old_string: 'a', new_string: 'b'.repeat(900_000), replace_all: true };
  const result = await edit.run(input, {
    session_id: 's',
    workspace_id: 'w',
    openWorkspace: async () => workspace,
    onProgress: () => undefined,
    signal: new AbortController().signal,
  });
  expect(result).toMatchObject({ is_error: true, content: [{ text: expect.stringContaining('at most') }] });
});
