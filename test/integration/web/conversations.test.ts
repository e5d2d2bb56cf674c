import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ConversationSummary, Page } from '../../../connectors/web/wire.ts';
import { deferred } from '../../support/deferred.ts';
import { createRecordingReceiver, type RecordingReceiver } from '../../support/recording-receiver.ts';
import { type TestDatabase, testDatabase } from '../../support/services.ts';
import { STOP_MS } from '../../support/stop.ts';
import { createWebClient, nextClientId, type WebClient } from '../../support/web-client.ts';
import { startWebServer, type WebServer } from '../../support/web-server.ts';

let database: TestDatabase;
let server: WebServer;
let receiver: RecordingReceiver;
let ana: WebClient;

beforeEach(async () => {
  database = await testDatabase();
  receiver = createRecordingReceiver();
  server = await startWebServer(database.db, receiver);
  ana = await clientFor('Ana');
});

afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

async function clientFor(name: string, url = server.url): Promise<WebClient> {
  const client = createWebClient(url);
  await client.signIn(name);
  return client;
}

async function listOf(client: WebClient, query = ''): Promise<ConversationSummary[]> {
  return (await client.call<Page<ConversationSummary>>('GET', `/web/conversations?${query}`)).data;
}

describe('a conversation', () => {
  it('is named after its first message and stands first in the list of everybody in it', async () => {
    const { id } = await ana.begin();
    await ana.say(id, '\n## Why is **staging** down?\nSince noon.');
    const other = await ana.begin();
    await ana.say(other.id, 'Something else');
    await ana.say(id, 'Anybody?');
    expect((await listOf(ana)).map((each) => each.title)).toEqual(['Why is staging down?', 'Something else']);
    const ben = await clientFor('Ben');
    expect(await listOf(ben)).toEqual([]);
    await ben.open(id);
    expect((await listOf(ben)).map((each) => each.id)).toEqual([id]);
    expect((await ana.open(id)).conversation.people.map((person) => person.name)).toEqual(['Ana', 'Ben']);
  });

  it('is begun once, however often the page asks', async () => {
    const client_id = nextClientId();
    const begun = await Promise.all(
      [1, 2, 3, 4].map(() => ana.call<ConversationSummary>('POST', '/web/conversations', { client_id })),
    );
    expect(new Set(begun.map((each) => each.id)).size).toBe(1);
    expect(await listOf(ana)).toHaveLength(1);
  });

  it('goes to the agent that was picked, or mentioned', async () => {
    const { id } = await ana.begin('agent_bosun');
    await ana.say(id, 'Deploy it');
    await ana.say(id, '@deckhand, what do you think?');
    await ana.say(id, '@Deckhand');
    const plain = await ana.begin();
    await ana.say(plain.id, '@bosun deploy it');
    await ana.say(plain.id, 'mail @bosunmate about it');
    expect(receiver.messages.map(({ text, usual_agent, addressed }) => [text, usual_agent, addressed])).toEqual([
      ['Deploy it', 'agent_bosun', true],
      ['what do you think?', 'agent_deckhand', true],
      ['@Deckhand', 'agent_deckhand', true],
      ['deploy it', 'agent_bosun', true],
      ['mail @bosunmate about it', undefined, true],
    ]);
  });

  it('refuses an agent that does not exist', async () => {
    const response = await ana.request('POST', '/web/conversations', {
      client_id: nextClientId(),
      agent: 'agent_gone',
    });
    expect(response.status).toBe(400);
  });

  it('is found by its name and by what was said in it, whatever the letters mean to a pattern', async () => {
    const { id } = await ana.begin();
    await ana.say(id, 'First');
    await ana.say(id, 'The flag is --c++ (really)');
    await ana.say((await ana.begin()).id, 'Unrelated');
    for (const words of ['FIRST', 'c++ (re']) {
      expect((await listOf(ana, new URLSearchParams({ search: words }).toString())).map((each) => each.id)).toEqual([
        id,
      ]);
    }
    expect(await listOf(ana, 'search=.*')).toEqual([]);
    expect(await listOf(await clientFor('Ben'), 'search=first')).toEqual([]);
  });

  it('comes in pages that neither repeat nor skip', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 7; n += 1) ids.unshift((await ana.begin()).id);
    const seen: string[] = [];
    let before = '';
    do {
      const page: Page<ConversationSummary> = await ana.call('GET', `/web/conversations?limit=3&before=${before}`);
      seen.push(...page.data.map((each) => each.id));
      before = page.next ?? '';
    } while (before !== '');
    expect(seen).toHaveLength(7);
    expect(new Set(seen)).toEqual(new Set(ids));
  });

  it('hides from another workspace, its people included', async () => {
    const { id } = await ana.begin();
    await ana.say(id, 'Ours alone');
    await using elsewhere = await startWebServer(database.db, createRecordingReceiver(), {
      workspace_id: 'wrkspc_other',
    });
    const stranger = await clientFor('Ana', elsewhere.url);
    expect((await stranger.request('GET', `/web/conversations/${id}`)).status).toBe(404);
    expect((await stranger.request('GET', `/web/events?conversation=${id}`)).status).toBe(404);
    expect(await listOf(stranger)).toEqual([]);
    const own = { client_id: nextClientId() };
    for (const [path, body] of [
      ['messages', { ...own, text: 'hello' }],
      ['decisions', { ...own, approval_id: 'appr_1', decision: 'approve' }],
      ['stop', own],
    ] as const) {
      expect((await stranger.request('POST', `/web/conversations/${id}/${path}`, body)).status, path).toBe(404);
    }
    for (const path of ['messages', 'approvals/appr_1', 'files/file_1']) {
      const answer = await stranger.request('GET', `/web/conversations/${id}/${path}`);
      expect([answer.status, await answer.text()], path).toEqual([
        404,
        expect.stringContaining('There is no conversation at this address.'),
      ]);
    }
    // Nothing of it was kept.
    expect((await ana.open(id)).messages).toHaveLength(1);
  });

  it.each(['conv_nothing', 'x', `conv_${'0'.repeat(32)}`])('is not found at %s', async (id) => {
    expect((await ana.request('GET', `/web/conversations/${id}`)).status).toBe(404);
  });
});

describe('a message', () => {
  it('is stored and handed on once, however often it is sent', async () => {
    const { id } = await ana.begin();
    const client_id = nextClientId();
    await Promise.all([1, 2, 3, 4, 5].map(() => ana.say(id, 'Once', client_id)));
    const { messages } = await ana.open(id);
    expect(messages.map((message) => message.body)).toEqual([{ kind: 'text', markdown: 'Once', live: false }]);
    expect(new Set(receiver.messages.map((message) => message.event_id)).size).toBe(1);
    expect(new Set(receiver.messages.map((message) => message.message_id)).size).toBe(1);
  });

  it('of two people with the same client id is two messages', async () => {
    const { id } = await ana.begin();
    const ben = await clientFor('Ben');
    const client_id = nextClientId();
    await ana.say(id, 'mine', client_id);
    await ben.say(id, 'no, mine', client_id);
    expect((await ana.open(id)).messages).toHaveLength(2);
    expect(new Set(receiver.messages.map((message) => message.event_id)).size).toBe(2);
  });

  it('is kept when nobody could take it, and taken on the next try', async () => {
    const { id } = await ana.begin();
    const client_id = nextClientId();
    receiver.failNext(1);
    await expect(ana.say(id, 'Are you there?', client_id)).rejects.toThrow('500');
    await ana.say(id, 'Are you there?', client_id);
    expect((await ana.open(id)).messages).toHaveLength(1);
    expect(receiver.messages).toHaveLength(2);
  });

  it('that a dead process left behind is handed on by the next one', async () => {
    const { id } = await ana.begin();
    receiver.failNext(1);
    await ana.say(id, 'Left behind').catch(() => undefined);
    const messages = database.db.collection('web_messages');
    await messages.updateMany({}, { $set: { created_at: new Date(Date.now() - 3_600_000) } });
    const heir = createRecordingReceiver();
    await using next = await startWebServer(database.db, heir);
    await next.connector.stop(STOP_MS);
    expect(heir.messages.map((message) => message.text)).toEqual(['Left behind']);
    expect(heir.messages[0]?.event_id).toBe(receiver.messages[0]?.event_id);
    expect(await messages.countDocuments({ received: false })).toBe(0);
  });

  it('that is under way when the gateway leaves is still taken, and no other', async () => {
    const { id } = await ana.begin();
    const asked = deferred<void>();
    const known = deferred<void>();
    async function agents(): Promise<[]> {
      asked.resolve();
      await known.promise;
      return [];
    }
    await using leaving = await startWebServer(database.db, receiver, { agents });
    const there = await clientFor('Ana', leaving.url);
    const underway = there.say(id, 'Just in time');
    await asked.promise;
    const stopped = leaving.connector.stop(STOP_MS);
    await expect(there.say(id, 'Too late')).rejects.toThrow('503');
    known.resolve();
    expect((await underway).receipt.effect).toBe('accepted');
    await stopped;
    expect(receiver.messages.map(({ text }) => text)).toEqual(['Just in time']);
    expect((await ana.open(id)).messages).toHaveLength(1);
  });

  it('carries why it was refused, also after a reload', async () => {
    const { id } = await ana.begin();
    receiver.answer({ effect: 'refused', text: 'This conversation is archived.' });
    const { message } = await ana.say(id, 'Hello?');
    expect(message.refusal).toBe('This conversation is archived.');
    expect((await ana.open(id)).messages[0]?.refusal).toBe('This conversation is archived.');
  });

  it.each([
    [{ text: 'hi' }, 'client_id'],
    [{ client_id: 'short', text: 'hi' }, 'client_id'],
    [{ client_id: 'client-0001', text: ' \n' }, 'text'],
    [{ client_id: 'client-0001', text: 'x'.repeat(40_001) }, 'text'],
    [{ client_id: 'client-0001', text: 7 }, 'text'],
  ])('is refused with the name of the bad field', async (body, path) => {
    const { id } = await ana.begin();
    const response = await ana.request('POST', `/web/conversations/${id}/messages`, body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { path } });
  });

  it('that is not JSON, or too much of it, is refused and not a failure of ours', async () => {
    const { id } = await ana.begin();
    const path = `/web/conversations/${id}/messages`;
    const huge = { client_id: 'client-0001', text: 'x'.repeat(600_000) };
    expect((await ana.request('POST', path, huge)).status).toBe(413);
    const headers = { 'content-type': 'text/plain' };
    expect((await ana.request('POST', path, { client_id: 'client-0001', text: 'hi' }, headers)).status).toBe(400);
  });

  it('far back is read page by page', async () => {
    const { id } = await ana.begin();
    const key = { connector: 'web', tenant: 'local', channel: 'web', thread: id };
    for (let n = 1; n <= 130; n += 1) {
      const text = { kind: 'text', delivery_id: `dlv_${n}`, markdown: `${n}`, live: false, agent_name: 'D' } as const;
      await server.connector.post(key, text, AbortSignal.timeout(5_000));
    }
    const latest = await ana.open(id);
    expect([latest.messages.length, latest.earlier]).toEqual([100, true]);
    const seq = latest.messages[0]?.seq;
    const older = await ana.call<typeof latest>('GET', `/web/conversations/${id}/messages?before=${seq}`);
    expect([older.messages.length, older.earlier]).toEqual([30, false]);
    const all = [...older.messages, ...latest.messages].map((each) => each.seq);
    expect(all).toEqual(Array.from({ length: 130 }, (_, index) => index + 1));
  });
});

describe('deciding and stopping', () => {
  it('hands on a stop', async () => {
    const { id } = await ana.begin();
    receiver.answer({ effect: 'accepted', text: 'Stopping.' });
    const receipt = await ana.call('POST', `/web/conversations/${id}/stop`, { client_id: nextClientId() });
    expect(receipt).toEqual({ effect: 'accepted', text: 'Stopping.' });
    expect(receiver.stops[0]).toMatchObject({ person: { name: 'Ana' }, conversation: { thread: id } });
  });

  it('takes no decision about an approval of another conversation', async () => {
    const { id } = await ana.begin();
    await expect(ana.decide(id, 'appr_elsewhere', 'allow')).rejects.toThrow('404');
    expect(receiver.decisions).toEqual([]);
  });
});
