import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keyOf } from '../../../connectors/web/conversation-id.ts';
import { PostRefusedError } from '../../../src/chat/connector.ts';
import type { Outgoing } from '../../../src/chat/outgoing.ts';
import { createRecordingReceiver, type RecordingReceiver } from '../../support/recording-receiver.ts';
import { renderMessage } from '../../support/rendered.ts';
import { type TestDatabase, testDatabase } from '../../support/services.ts';
import { createWebClient, type WebClient } from '../../support/web-client.ts';
import { startWebServer, type WebServer } from '../../support/web-server.ts';

const signal = AbortSignal.timeout(60_000);

let database: TestDatabase;
let server: WebServer;
let receiver: RecordingReceiver;
let ana: WebClient;

beforeEach(async () => {
  database = await testDatabase();
  receiver = createRecordingReceiver();
  server = await startWebServer(database.db, receiver);
  ana = createWebClient(server.url);
  await ana.signIn('Ana');
});

afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

function made(name: string, mime_type: string, size_bytes = 12_345, markdown = ''): Outgoing {
  const content = { file_id: 'file_1', mime_type, size_bytes };
  return { kind: 'file', delivery_id: `dlv_${name}`, name, content, markdown, agent_name: 'Deckhand' };
}

describe('a file that the agent made', () => {
  it('stands on the page as a download with its size, and a picture is seen', async () => {
    const { id } = await ana.begin();
    await server.connector.post(keyOf(id), made('Größe & <b>.csv', 'text/csv', 999, 'out/Größe.csv'), signal);
    await server.connector.post(keyOf(id), made('chart.png', 'image/png'), signal);
    await server.connector.post(keyOf(id), made('drawing.svg', 'image/svg+xml'), signal);
    const { messages } = await ana.open(id);
    const href = `/web/conversations/${id}/files/file_1`;
    expect(messages.map(({ body }) => body)).toMatchObject([
      { kind: 'file', file: { name: 'Größe & <b>.csv', href }, path: 'out/Größe.csv' },
      { kind: 'file', file: { name: 'chart.png' }, path: '' },
      { kind: 'file', file: { name: 'drawing.svg' } },
    ]);
    const drawn = messages.map((message) => renderMessage(message).text);
    expect(drawn[0]).toContain('Größe & <b>.csv');
    expect(drawn[0]).toContain('999 B, out/Größe.csv');
    expect(drawn[1]).toContain('12.3 KB');
  });

  it('is had with every byte, as a download that no browser runs', async () => {
    const { id } = await ana.begin();
    const bytes = Buffer.alloc(300_000, 7);
    receiver.files.set('file_1', {
      filename: 'Größe "1".html',
      mime_type: 'text/html',
      size_bytes: bytes.length,
      async *content() {
        yield bytes.subarray(0, 100_000);
        yield bytes.subarray(100_000);
      },
    });
    const answer = await ana.request('GET', `/web/conversations/${id}/files/file_1`);
    expect(Buffer.from(await answer.arrayBuffer()).equals(bytes)).toBe(true);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'content-disposition': `attachment; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%221%22.html`,
      'content-security-policy': "sandbox; default-src 'none'",
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
    });
  });

  it('is nobody’s who is not signed in, and none at another address', async () => {
    const { id } = await ana.begin();
    const path = `/web/conversations/${id}/files/file_1`;
    expect((await ana.request('GET', path)).status).toBe(404);
    receiver.files.set('file_1', { filename: 'a', mime_type: 'text/plain', size_bytes: 0, async *content() {} });
    expect((await ana.request('GET', path)).status).toBe(200);
    expect((await ana.request('GET', path.replace(id, `conv_${'0'.repeat(32)}`))).status).toBe(404);
    expect((await createWebClient(server.url).request('GET', path)).status).toBe(401);
  });

  it('is a stored one: text goes as text here', async () => {
    const { id } = await ana.begin();
    const text: Outgoing = { ...made('answer.md', 'text/markdown'), kind: 'file', content: 'words' } as Outgoing;
    await expect(server.connector.post(keyOf(id), text, signal)).rejects.toThrow(PostRefusedError);
  });
});
