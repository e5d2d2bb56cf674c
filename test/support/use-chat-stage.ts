import { afterEach, beforeEach } from 'vitest';
import { type ChatStage, chatStage } from './chat-stage.ts';
import { eachTests } from './each-test.ts';
import { type TestDatabase, testDatabase } from './services.ts';

/** A stage on a database of its own for each test. It is there before the file's own hooks, and until they are done. */
export function useChatStage(): ChatStage {
  let database: TestDatabase;
  let stage: ChatStage;

  beforeEach(async () => {
    database = await testDatabase();
    stage = await chatStage(database.db);
  });

  afterEach(() => database[Symbol.asyncDispose]());

  return eachTests(() => stage);
}
