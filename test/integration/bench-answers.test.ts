import { expect, onTestFinished, test } from 'vitest';
import { wrongAnswers } from '../../bench/answers.ts';
import { answerText, writeDirective } from '../../bench/model/directive.ts';
import { storedEvents } from '../../bench/stored-events.ts';
import type { NewEntry } from '../../src/session/event.ts';
import { newId } from '../../src/session/id.ts';
import type { SessionLog, SessionRef } from '../../src/session/log.ts';
import { type EventDocument, emptyLog, type LoggedDocument, toDocument } from '../../src/session/log-document.ts';
import { createLogIndexes, createMongoLog } from '../../src/session/mongo-log.ts';
import { agentMessage, idle, userMessage } from '../support/entries.ts';
import { type TestDatabase, testDatabase } from '../support/services.ts';

const TOKENS = 3;
const asks = (nonce: string) => userMessage(writeDirective({ nonce, tokens: TOKENS }));
const answers = (nonce: string, words = TOKENS) => agentMessage(answerText(nonce, 1n) + ' word'.repeat(words));

interface Logs {
  database: TestDatabase;
  log: SessionLog;
  /** A new session whose log says this. */
  session(...entries: NewEntry[]): Promise<SessionRef>;
}

async function openLogs(): Promise<Logs> {
  const database = await testDatabase();
  onTestFinished(() => database[Symbol.asyncDispose]());
  await createLogIndexes(database.db);
  const log = createMongoLog(database.db, { appended: () => undefined });
  return {
    database,
    log,
    async session(...entries) {
      const ref = { workspace_id: 'wrkspc_default', session_id: newId('sesn') };
      const document: LoggedDocument = { _id: ref.session_id, workspace_id: ref.workspace_id, log: emptyLog() };
      await database.db.collection<LoggedDocument>('sessions').insertOne(document);
      if (entries.length > 0) await log.append({ ...ref, after: 0, entries });
      return ref;
    },
  };
}

/** Has the log's tail copied, as a list does first. */
async function settle({ log }: Logs, ref: SessionRef): Promise<void> {
  await log.query({ ...ref, order: 'asc', limit: 1 });
}

test('every stored event is read once: from a tail, from a copy, and from both at a moment when it is in both', async () => {
  const logs = await openLogs();
  const settled = await logs.session(asks('a'), answers('a'), idle());
  await settle(logs, settled);
  await logs.log.append({ ...settled, after: 3, entries: [asks('b')] });
  const both = await logs.session(asks('c'));
  const [entry] = await logs.log.read(both);
  if (entry === undefined) throw new Error('The log is empty');
  await logs.database.db.collection<EventDocument>('session_events').insertOne(toDocument(both, entry));

  const read: string[] = [];
  for await (const found of storedEvents(logs.database.db, ['user.message', 'agent.message'])) {
    read.push(`${found.session_id} ${found.entry.seq} ${found.entry.event.type}`);
  }
  expect(read.sort()).toEqual(
    [
      `${settled.session_id} 1 user.message`,
      `${settled.session_id} 2 agent.message`,
      `${settled.session_id} 4 user.message`,
      `${both.session_id} 1 user.message`,
    ].sort(),
  );
});

test('sessions that were asked once and answered rightly have nothing wrong, wherever their events stand', async () => {
  const logs = await openLogs();
  await logs.session(asks('a'), answers('a'), idle());
  await settle(logs, await logs.session(asks('b'), answers('b'), idle()));
  expect(await wrongAnswers(logs.database.db, { sessions: 2, tokens: TOKENS })).toEqual([]);
});

test.each<[string, NewEntry[], string]>([
  ['no answer', [asks('a'), idle()], 'answered 0 times'],
  ['two answers', [asks('a'), answers('a'), answers('a')], 'answered 2 times'],
  ['an answer to something else', [asks('a'), answers('b')], 'the answer is to something else'],
  ['an answer that is cut short', [asks('a'), answers('a', 2)], 'the answer has 2 words of 3'],
  ['a doubled question', [asks('a'), asks('a'), answers('a')], 'asked 2 times'],
])('%s is wrong, in a tail and in copies', async (_name, entries, problem) => {
  const logs = await openLogs();
  const ref = await logs.session(...entries);
  const found = () => wrongAnswers(logs.database.db, { sessions: 1, tokens: TOKENS });
  expect(await found()).toEqual([`${ref.session_id}: ${problem}`]);
  await settle(logs, ref);
  expect(await found()).toEqual([`${ref.session_id}: ${problem}`]);
});

test('a session that was never asked is missed', async () => {
  const logs = await openLogs();
  await logs.session(asks('a'), answers('a'));
  await logs.session();
  expect(await wrongAnswers(logs.database.db, { sessions: 2, tokens: TOKENS })).toEqual(['1 of 2 sessions were asked']);
});
