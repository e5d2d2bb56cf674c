import type Anthropic from '@anthropic-ai/sdk';
import type { BetaManagedAgentsStreamSessionEvents } from '@anthropic-ai/sdk/resources/beta/sessions/events';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ensureDefaults } from '../../../src/resources/defaults.ts';
import type { NewEntry } from '../../../src/session/event.ts';
import { newId } from '../../../src/session/id.ts';
import { type ApiServer, refusal, startApiServer } from '../../support/api-server.ts';
import { agentMessage, idle, note, processed, userMessage } from '../../support/entries.ts';
import { brokenHints } from '../../support/memory-hints.ts';
import { type TestDatabase, testDatabase } from '../../support/services.ts';

let database: TestDatabase;
let server: ApiServer;
let base: { agent: string; environment_id: string };
let id: string;

beforeAll(async () => {
  database = await testDatabase();
  server = await startApiServer(database.db);
  const defaults = await ensureDefaults(server);
  base = { agent: defaults.agent_id, environment_id: defaults.environment_id };
});

beforeEach(async () => {
  id = (await server.client.beta.sessions.create(base)).id;
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

async function append(...entries: NewEntry[]): Promise<void> {
  const { seq } = await server.log.head(server.ref(id));
  await server.log.append({ ...server.ref(id), after: seq, entries });
}

type Params = Anthropic.Beta.Sessions.EventStreamParams;

/** What comes over an open stream until `done`, or its end. */
async function watch(params: Params = {}, client: Anthropic = server.client) {
  const stream = await client.beta.sessions.events.stream(id, params);
  return {
    async until(done: (event: BetaManagedAgentsStreamSessionEvents) => boolean) {
      const seen: BetaManagedAgentsStreamSessionEvents[] = [];
      for await (const event of stream) {
        seen.push(event);
        if (done(event)) break;
      }
      return seen;
    },
  };
}

const isIdle = (event: { type: string }) => event.type === 'session.status_idle';

describe('a stream of events', () => {
  it('gives what comes from now on, in order, and nothing internal or old', async () => {
    await append(agentMessage('old'));
    const stream = await watch();
    const [a, b, c] = [agentMessage('a'), agentMessage('b'), agentMessage('c')];
    await append(a, note('internal'));
    await append(b);
    await append(c, idle());
    const seen = await stream.until(isIdle);
    expect(seen.map((event) => event.type)).toEqual([
      'agent.message',
      'agent.message',
      'agent.message',
      'session.status_idle',
    ]);
    expect(seen.slice(0, 3)).toEqual([a.event, b.event, c.event]);
  });

  it('sends an input again when it is taken up, also one of before the stream', async () => {
    const [early, late] = [userMessage('early'), userMessage('late')];
    await append(early);
    const stream = await watch();
    await append(late);
    await append(processed(early.event.id, late.event.id), idle());
    const seen = await stream.until(isIdle);
    const at = expect.stringMatching(/^\d{4}-/);
    expect(seen.slice(0, 3)).toEqual([
      late.event,
      { ...early.event, processed_at: at },
      { ...late.event, processed_at: at },
    ]);
  });

  it('neither loses nor doubles what many append at once, for several readers', async () => {
    const streams = await Promise.all(Array.from({ length: 3 }, () => watch()));
    const readings = streams.map((stream) => stream.until(isIdle));
    await Promise.all(
      Array.from({ length: 40 }, (_, i) => server.log.appendInputs(server.ref(id), [userMessage(`m${i}`)])),
    );
    // One that opens in the middle sees a suffix of the same.
    const joining = (await watch()).until(isIdle);
    await Promise.all(
      Array.from({ length: 20 }, (_, i) => server.log.appendInputs(server.ref(id), [userMessage(`n${i}`)])),
    );
    await append(idle());
    const entries = await server.log.read(server.ref(id));
    const ids = entries.map((entry) => entry.event.id);
    for (const seen of await Promise.all(readings)) expect(seen.map(idOf)).toEqual(ids);
    expect((await joining).map(idOf)).toEqual(ids.slice(40));
  });

  it('comes without hints, too, only later', async () => {
    await using deaf = await startApiServer(database.db, { hints: brokenHints, poll_ms: 20 });
    const stream = await watch({}, deaf.client);
    await append(agentMessage('a'), idle());
    expect((await stream.until(isIdle)).map((event) => event.type)).toEqual(['agent.message', 'session.status_idle']);
  });

  it('ends with the session', async () => {
    const stream = await watch();
    await server.client.beta.sessions.delete(id);
    const seen = await stream.until(() => false);
    expect(seen.map((event) => event.type)).toEqual(['session.deleted']);
  });

  it('is not there for a session that is not', async () => {
    expect((await refusal(server.client.beta.sessions.events.stream('sesn_none'))).status).toBe(404);
    const bad = { event_deltas: ['user.message'] } as unknown as Params;
    expect((await refusal(server.client.beta.sessions.events.stream(id, bad))).apiMessage).toContain('event_deltas');
  });
});

describe('previews', () => {
  const start = (event_id: string, type: 'agent.message' | 'agent.thinking' = 'agent.message') =>
    ({ type: 'event_start', event: { type, id: event_id } }) as const;
  const delta = (event_id: string, text: string) =>
    ({
      type: 'event_delta',
      event_id,
      delta: { type: 'content_delta', index: 0, content: { type: 'text', text } },
    }) as const;
  const publish = (event: Parameters<typeof server.publish>[1] & { type: 'preview' }) =>
    server.publish(server.ref(id), event);

  it('come before their event, only of the types asked for, and none after it', async () => {
    const [plain, messages, all] = await Promise.all([
      watch(),
      watch({ event_deltas: ['agent.message'] }),
      watch({ event_deltas: ['agent.message', 'agent.thinking'] }),
    ]);
    const [thought, message] = [newId('sevt'), newId('sevt')];
    for (const event of [
      start(thought, 'agent.thinking'),
      start(message),
      delta(message, 'Hel'),
      delta(message, 'lo'),
    ]) {
      await publish({ type: 'preview', event });
    }
    await publish({ type: 'preview', event: { type: 'tool_output', tool_use_id: 'sevt_1', text: 'x' } });
    await append(agentMessage('Hello', message));
    await publish({ type: 'preview', event: delta(message, 'late') });
    await append(idle());

    const end = [message, 'session.status_idle'];
    const named = (events: BetaManagedAgentsStreamSessionEvents[]) =>
      events.map((event) => (event.type === 'agent.message' ? event.id : event.type));
    expect(named(await plain.until(isIdle))).toEqual(end);
    expect(named(await messages.until(isIdle))).toEqual(['event_start', 'event_delta', 'event_delta', ...end]);
    const seen = await all.until(isIdle);
    expect(named(seen)).toEqual(['event_start', 'event_start', 'event_delta', 'event_delta', ...end]);
    expect(seen[2]).toEqual(delta(message, 'Hel'));
  });

  it('that are dropped leave no trace, and deltas without a start are not sent', async () => {
    const stream = await watch({ event_deltas: ['agent.message'] });
    const [gone, unknown] = [newId('sevt'), newId('sevt')];
    await publish({ type: 'preview', event: start(gone) });
    await publish({ type: 'preview', event: { type: 'preview_dropped', event_id: gone } });
    await publish({ type: 'preview', event: delta(gone, 'x') });
    await publish({ type: 'preview', event: delta(unknown, 'x') });
    await append(idle());
    expect((await stream.until(isIdle)).map((event) => event.type)).toEqual(['event_start', 'session.status_idle']);
  });
});

function idOf(event: BetaManagedAgentsStreamSessionEvents): string {
  return 'id' in event ? event.id : event.type;
}
