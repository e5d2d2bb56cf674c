import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

/** What a model's answer is made of, before anything is wrong with it: the events of one stream. */
export const VALID_STREAM: ReadonlyArray<Record<string, unknown>> = [
  {
    type: 'message_start',
    message: {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'claude-sonnet-5-5',
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { input_tokens: 10, output_tokens: 1, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 },
    },
  },
  { type: 'content_block_start', index: 0, content_block: { type: 'thinking', thinking: '', signature: '' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: 'Hm.' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'signature_delta', signature: 'c2ln' } },
  { type: 'content_block_stop', index: 0 },
  { type: 'ping' },
  { type: 'content_block_start', index: 1, content_block: { type: 'text', text: '' } },
  { type: 'content_block_delta', index: 1, delta: { type: 'text_delta', text: 'Let me look.' } },
  { type: 'content_block_stop', index: 1 },
  {
    type: 'content_block_start',
    index: 2,
    content_block: { type: 'tool_use', id: 'toolu_1', name: 'read', input: {} },
  },
  { type: 'content_block_delta', index: 2, delta: { type: 'input_json_delta', partial_json: '{"text":' } },
  { type: 'content_block_delta', index: 2, delta: { type: 'input_json_delta', partial_json: '"a"}' } },
  { type: 'content_block_stop', index: 2 },
  {
    type: 'content_block_start',
    index: 3,
    content_block: { type: 'tool_use', id: 'toolu_2', name: 'write', input: {} },
  },
  { type: 'content_block_delta', index: 3, delta: { type: 'input_json_delta', partial_json: '{"text":"b"}' } },
  { type: 'content_block_stop', index: 3 },
  { type: 'message_delta', delta: { stop_reason: 'tool_use', stop_sequence: null }, usage: { output_tokens: 20 } },
  { type: 'message_stop' },
];

/** The end of every run here, so that a mutated call does not go on for ever. */
export const LAST_STREAM: ReadonlyArray<Record<string, unknown>> = [
  ...VALID_STREAM.slice(0, 1),
  { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Done.' } },
  { type: 'content_block_stop', index: 0 },
  { type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 2 } },
  { type: 'message_stop' },
];

export interface RawAnswer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** Events as server-sent events, each with its type as its name. */
export function framesOf(events: readonly unknown[]): string {
  return events.map(frameOf).join('');
}

function frameOf(event: unknown): string {
  const type = typeof event === 'object' && event !== null && 'type' in event ? String(event.type) : 'message_delta';
  return `event: ${type.replace(/[\r\n]/g, ' ')}\ndata: ${JSON.stringify(event)}\n\n`;
}

export interface RawModel extends AsyncDisposable {
  base_url: string;
  requests: Array<{ messages: unknown[] }>;
  /** What is said from now on, request by request; after it, `LAST_STREAM`. */
  say(...answers: RawAnswer[]): void;
}

/** A server in the model's place that says exactly these bytes. */
export async function startRawModel(): Promise<RawModel> {
  const requests: Array<{ messages: unknown[] }> = [];
  let script: RawAnswer[] = [];
  const last = { status: 200, headers: { 'content-type': 'text/event-stream' }, body: framesOf(LAST_STREAM) };
  const server = createServer((request, response) => {
    void json(request).then((asked) => {
      requests.push(asked as { messages: unknown[] });
      const { status, headers, body } = script.shift() ?? last;
      response.writeHead(status, headers).end(body);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    base_url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    say(...answers) {
      script = answers;
      requests.length = 0;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
