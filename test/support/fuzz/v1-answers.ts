import { isDeepStrictEqual } from 'node:util';
import type Anthropic from '@anthropic-ai/sdk';
import { expect } from 'vitest';
import { DEFAULT_WORKSPACE } from '../../../src/resources/defaults.ts';
import { fold } from '../../../src/session/state.ts';
import { send, type WireAnswer, type WireRequest } from './http.ts';
import { expectCleanLog } from './logged.ts';
import { expectNoSecret } from './secrets.ts';
import { changedBetween, expectNoOperators } from './store-watch.ts';
import type { FuzzWorker } from './turns.ts';
import type { World } from './world.ts';

/** What a request to `/v1` is asked with and answered by. */
export interface Asked {
  world: World;
  worker: FuzzWorker;
  ids: Record<string, string>;
}

/**
 * Ask, and see that the answer and what is stored afterwards fit together: all of what was accepted is there, reads back the
 * same and is good for a turn; nothing of what was refused is.
 */
export async function expectAllOrNothing({ world, worker, ids }: Asked, request: WireRequest): Promise<WireAnswer> {
  const before = await world.stores.look();
  const answer = await send(world.url, request);
  const after = await world.stores.look();
  const changes = changedBetween(before, after);

  expect(answer.status, answer.text).toSatisfy(
    (status: number) => (status >= 200 && status < 300) || status === 304 || (status >= 400 && status < 500),
  );
  expectNoSecret(JSON.stringify(answer.headers) + answer.text, 'the answer');
  expect(changes.filter((change) => mentions(change, world.foreign))).toEqual([]);
  if (answer.status >= 400) {
    expectError(answer);
    expect(changes, 'a refused request left something').toEqual([]);
  } else {
    expectNoOperators(after);
    await expectReadable(world.client, answer.json, ids);
    await expectWholeLog(world, ids['session'] ?? '');
    if (request.method === 'POST') await expectGoodForTurns({ world, worker, ids }, request.path, answer.json);
  }
  expectCleanLog(world.takeLog());
  return answer;
}

function mentions(change: string, ids: Record<string, string>): boolean {
  return Object.values(ids).some((id) => change.includes(id));
}

const ERROR_TYPES: Record<number, string> = {
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  409: 'conflict_error',
};

function expectError(answer: WireAnswer): void {
  // What Node itself refuses never reaches the API.
  if (answer.status === 417) return;
  expect(answer.json, answer.text).toEqual({
    type: 'error',
    error: expect.objectContaining({
      type: ERROR_TYPES[answer.status] ?? 'invalid_request_error',
      message: expect.stringMatching(/\S/),
    }),
    request_id: answer.headers['request-id'],
  });
}

/** What was accepted is there afterwards as it was answered, by itself and in its list. */
async function expectReadable(client: Anthropic, answered: unknown, ids: Asked['ids']): Promise<void> {
  if (typeof answered !== 'object' || answered === null || !('type' in answered) || !('id' in answered)) return;
  const { id, type } = answered as { id: string; type: string };
  switch (type) {
    case 'agent':
      expect(timeless(await client.beta.agents.retrieve(id))).toEqual(timeless(answered));
      expect(await isListed(client.beta.agents.list({ include_archived: true, limit: 100 }), answered)).toBe(true);
      return;
    case 'environment':
      expect(timeless(await client.beta.environments.retrieve(id))).toEqual(timeless(answered));
      expect(await isListed(client.beta.environments.list({ include_archived: true, limit: 100 }), answered)).toBe(
        true,
      );
      return;
    case 'session':
      expect(timeless(await client.beta.sessions.retrieve(id))).toEqual(timeless(answered));
      expect(await isListed(client.beta.sessions.list({ include_archived: true, limit: 100 }), answered)).toBe(true);
      return;
    case 'file':
      if (id.startsWith('sesrsc_')) {
        const session_id = ids['session'] ?? '';
        expect(await client.beta.sessions.resources.retrieve(id, { session_id })).toEqual(answered);
        expect(await isListed(client.beta.sessions.resources.list(session_id, { limit: 100 }), answered)).toBe(true);
      } else {
        expect(await client.beta.files.retrieveMetadata(id)).toEqual(answered);
        expect(await isListed(client.beta.files.list({ limit: 100 }), answered)).toBe(true);
      }
      return;
    default:
  }
}

async function isListed(list: AsyncIterable<object>, answered: unknown): Promise<boolean> {
  for await (const item of list) if (isDeepStrictEqual(timeless(item), timeless(answered))) return true;
  return false;
}

/** Without what grows by itself. */
function timeless(resource: unknown): unknown {
  const plain: Record<string, unknown> = JSON.parse(JSON.stringify(resource));
  return { ...plain, stats: null };
}

/** The log folds without a gap, and a list gives the same events. */
async function expectWholeLog(world: World, session_id: string): Promise<void> {
  const ref = { workspace_id: DEFAULT_WORKSPACE, session_id };
  const entries = await world.context.log.read(ref).catch(() => null);
  // A deleted session has none.
  if (entries === null) return;
  fold(entries);
  const listed = await world.context.log.query({ ...ref, include_internal: true, order: 'asc', limit: 1000 });
  expect(listed.map(({ event }) => event.id)).toEqual(entries.map(({ event }) => event.id));
}

/** A session that was sent something, changed or made, and one of an agent that was: each hears a message and answers it. */
async function expectGoodForTurns({ world, worker, ids }: Asked, path: string, answered: unknown): Promise<void> {
  const { id, type } = (answered ?? {}) as { id?: string; type?: string };
  const workspace_id = DEFAULT_WORKSPACE;
  const isOfSession = path.startsWith(`/v1/sessions/${ids['session']}`);
  const made = type === 'session' ? id : type === 'agent' ? await sessionOf(world, ids, id ?? '') : undefined;
  const session_id = isOfSession ? ids['session'] : made;
  if (session_id === undefined) return;
  const session = await world.context.sessions.getSession({ workspace_id, session_id }).catch(() => null);
  // Deleted or archived: it hears nothing any more.
  if (session === null || session.archived_at !== null) return;
  await worker.settle({ workspace_id, session_id });
  const content = [{ type: 'text' as const, text: 'Are you there?' }];
  await world.client.beta.sessions.events.send(session_id, { events: [{ type: 'user.message', content }] });
  await worker.settle({ workspace_id, session_id });
}

async function sessionOf(world: World, ids: Asked['ids'], agent: string): Promise<string | undefined> {
  const { archived_at } = await world.client.beta.agents.retrieve(agent);
  if (archived_at !== null) return undefined;
  const environment_id = ids['environment'] ?? '';
  return (await world.client.beta.sessions.create({ agent, environment_id })).id;
}
