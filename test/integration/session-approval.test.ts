import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Approvals, createApprovals } from '../../src/approvals/approvals.ts';
import { silentLogger } from '../../src/logger.ts';
import type { Actor, EventOf, SessionEvent, SessionScope } from '../../src/session/event.ts';
import { ana, type Stage, stage } from '../support/harness.ts';
import { type TestDatabase, testDatabase } from '../support/services.ts';

const ben: Actor = { via: 'test', id: 'U2', name: 'Ben' };

let database: TestDatabase;
let on: Stage;
let approvals: Approvals;

beforeEach(async () => {
  database = await testDatabase();
  on = await stage(database.db);
  approvals = createApprovals({ db: database.db, log: on.log, logger: silentLogger });
});

afterEach(async () => {
  await on[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

function allow(for_session: SessionScope | undefined, four_eyes = false): void {
  on.session.approval_policy = {
    approvers: [],
    four_eyes,
    remind_after_ms: null,
    expire_after_ms: null,
    ...(for_session === undefined ? {} : { for_session }),
  };
}

async function only<T extends SessionEvent['type']>(type: T): Promise<EventOf<T>[]> {
  return (await on.events()).filter((event): event is EventOf<T> => event.type === type);
}

/** Claude wants to write this; then it has nothing more to say. Returns the calls that wait for a person. */
async function writes(text: string, by: Actor = ana): Promise<string[]> {
  on.model.reply({ tool_uses: [{ name: 'write', input: { text } }] }, { text: 'Done.' });
  await on.says(`write ${text}`, by);
  await on.settle({ approvals });
  const { stop_reason } = await on.log.head(on.ref);
  return stop_reason?.type === 'requires_action' ? stop_reason.event_ids : [];
}

async function approve(ids: string[], by: Actor, for_session = true): Promise<void> {
  for (const tool_use_id of ids) {
    const decision = { tool_use_id, decision: 'allow' as const, by, in_conversation: true, for_session };
    expect(await approvals.decideByToolUse(on.ref, decision)).toMatchObject({ result: 'decided' });
  }
  await on.settle({ approvals });
}

describe('an approval for the session', () => {
  test('lets later calls of the tool run, and the log says by whom and when', async () => {
    allow('tool');
    await approve(await writes('one'), ben);
    expect(await writes('two')).toEqual([]);
    expect(on.effects).toEqual(['wrote one', 'wrote two']);
    const [decided] = await only('deckhand.approval_decided');
    const [, second] = await only('agent.tool_use');
    expect(await only('deckhand.approval_reused')).toMatchObject([
      {
        tool_use_id: second?.id,
        approval_id: decided?.approval_id,
        approved_by: [ben],
        approved_at: decided?.processed_at,
      },
    ]);
    expect(second).toMatchObject({ evaluated_permission: 'allow', evaluation: { type: 'always_ask' } });
    expect(await only('deckhand.approval_requested')).toHaveLength(1);
  });

  test('for the same arguments lets others ask', async () => {
    allow('arguments');
    await approve(await writes('one'), ben);
    expect(await writes('one')).toEqual([]);
    expect(await writes('two')).toHaveLength(1);
    expect(on.effects).toEqual(['wrote one', 'wrote one']);
  });

  test('counts for no later call when it was given for one, or the policy has no such thing', async () => {
    allow('tool');
    await approve(await writes('one'), ben, false);
    allow(undefined);
    await approve(await writes('two'), ben);
    expect(await writes('three')).toHaveLength(1);
  });

  test('holds in a worker that is new to the session, from the log alone', async () => {
    allow('tool');
    await approve(await writes('one'), ben);
    // Each `settle` is a worker of its own; this one has nothing but the log.
    await database.db.collection('session_checkpoints').deleteMany({});
    expect(await writes('two')).toEqual([]);
  });

  test('with four eyes does not count for what its giver asks for', async () => {
    allow('tool', true);
    await approve(await writes('one', ana), ben);
    expect(await writes('two', ana)).toEqual([]);
    expect(await writes('three', ben)).toHaveLength(1);
    expect(on.effects).toEqual(['wrote one', 'wrote two']);
  });

  test('with four eyes does not count for what its giver asks for with others', async () => {
    allow('tool', true);
    await approve(await writes('one', ana), ben);
    await on.says('and hurry', ben);
    expect(await writes('two', ana)).toHaveLength(1);
    expect((await only('deckhand.approval_requested')).at(-1)).toMatchObject({ requested_by: ben, also_asked: [ana] });
    expect(on.effects).toEqual(['wrote one']);
  });
});
