import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BetaMessageParam } from '@anthropic-ai/sdk/resources/beta/messages/messages';

/** What a client asked; only the parts that a scripted answer looks at. */
export interface ModelRequest {
  model: string;
  system?: unknown;
  messages: BetaMessageParam[];
  tools?: Array<{ name: string }>;
  [key: string]: unknown;
}

export interface ScriptedReply {
  text?: string;
  thinking?: string;
  tool_uses?: Array<{ name: string; input: Record<string, unknown>; id?: string }>;
  stop_reason?: string;
  usage?: Partial<Usage>;
  /** Pace of the words; default as fast as they can be written. */
  tokens_per_second?: number;
  /** Wait before the first byte. */
  ttft_ms?: number;
  /** Awaited after this many words: a test can hold an answer in the middle. */
  hold?: { after_words: number; released: Promise<void> };
  /** Cut the connection after this many words. */
  disconnect_after_words?: number;
}

export interface ScriptedError {
  status: number;
  type?: string;
  message?: string;
  headers?: Record<string, string>;
}

export type Answer = ScriptedReply | { error: ScriptedError };

interface Usage {
  input_tokens: number;
  output_tokens: number;
  cache_creation_input_tokens: number;
  cache_read_input_tokens: number;
}

export interface MessagesApi extends AsyncDisposable {
  /** For the SDK's `baseURL`. */
  base_url: string;
}

const MAX_BODY_BYTES = 32 * 1024 * 1024;

/**
 * A server that speaks the Messages API (`POST /v1/messages`, streaming) as the real one does, so that the official SDK
 * is its client; what it says comes from `answer`. Listens on loopback, on a port that the system picks.
 */
export async function serveMessagesApi(
  answer: (request: ModelRequest) => Answer | Promise<Answer>,
): Promise<MessagesApi> {
  const server = createServer((request, response) => {
    handle(request, response, answer).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    base_url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      if (server.listening) await once(server, 'close');
    },
  };
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  answer: (request: ModelRequest) => Answer | Promise<Answer>,
): Promise<void> {
  if (request.method !== 'POST' || !request.url?.startsWith('/v1/messages')) {
    sendError(response, { status: 404, type: 'not_found_error', message: 'Only POST /v1/messages is served here.' });
    return;
  }
  const body = await readJson(request);
  if (body === null) {
    sendError(response, { status: 400, type: 'invalid_request_error', message: 'The body is not a messages request.' });
    return;
  }
  const said = await answer(body);
  if ('error' in said) {
    sendError(response, said.error);
    return;
  }
  if (said.ttft_ms !== undefined) await sleep(said.ttft_ms);
  if (body['stream'] === true) await stream(response, body, said);
  else sendJson(response, 200, wholeMessage(body, said));
}

async function readJson(request: IncomingMessage): Promise<ModelRequest | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) return null;
    chunks.push(chunk);
  }
  try {
    const parsed: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    return isRequest(parsed) ? parsed : null;
  } catch {
    return null;
  }
}

function isRequest(value: unknown): value is ModelRequest {
  return typeof value === 'object' && value !== null && 'messages' in value && Array.isArray(value.messages);
}

function sendError(response: ServerResponse, error: ScriptedError): void {
  const type = error.type ?? ERROR_TYPES[error.status] ?? 'api_error';
  const message = error.message ?? 'scripted failure';
  sendJson(response, error.status, { type: 'error', error: { type, message }, request_id: id('req') }, error.headers);
}

const ERROR_TYPES: Record<number, string> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  429: 'rate_limit_error',
  529: 'overloaded_error',
};

function sendJson(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', 'request-id': id('req'), ...headers });
  response.end(JSON.stringify(body));
}

async function stream(response: ServerResponse, request: ModelRequest, reply: ScriptedReply): Promise<void> {
  response.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-cache',
    'request-id': id('req'),
  });
  const send = (event: { type: string; [key: string]: unknown }): void => {
    if (!response.writableEnded) response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  };
  const usage = usageOf(request, reply);
  send({
    type: 'message_start',
    message: { ...envelope(request), content: [], usage: { ...usage, output_tokens: 1 } },
  });

  let index = 0;
  if (reply.thinking !== undefined) {
    const block = { type: 'thinking', thinking: '', signature: '' };
    send({ type: 'content_block_start', index, content_block: block });
    send({ type: 'content_block_delta', index, delta: { type: 'thinking_delta', thinking: reply.thinking } });
    send({ type: 'content_block_delta', index, delta: { type: 'signature_delta', signature: 'c2lnbmVk' } });
    send({ type: 'content_block_stop', index: index++ });
  }
  if (reply.text !== undefined) {
    send({ type: 'content_block_start', index, content_block: { type: 'text', text: '' } });
    if (!(await streamWords(response, send, index, reply))) return;
    send({ type: 'content_block_stop', index: index++ });
  }
  for (const use of toolUses(reply)) {
    send({ type: 'content_block_start', index, content_block: { ...use, input: {} } });
    const json = JSON.stringify(use.input);
    // In two pieces, as the real one does: a client must not parse before the end.
    for (const part of [json.slice(0, json.length >> 1), json.slice(json.length >> 1)]) {
      send({ type: 'content_block_delta', index, delta: { type: 'input_json_delta', partial_json: part } });
    }
    send({ type: 'content_block_stop', index: index++ });
  }
  const delta = { stop_reason: stopReason(reply), stop_sequence: null };
  send({ type: 'message_delta', delta, usage: { output_tokens: usage.output_tokens } });
  send({ type: 'message_stop' });
  response.end();
}

/** False when the connection is gone. */
async function streamWords(
  response: ServerResponse,
  send: (event: { type: string; [key: string]: unknown }) => void,
  index: number,
  reply: ScriptedReply,
): Promise<boolean> {
  const words = reply.text?.match(/\s*\S+\s*$|\s*\S+/g) ?? [reply.text ?? ''];
  for (const [count, word] of words.entries()) {
    if (reply.hold?.after_words === count) await reply.hold.released;
    if (reply.disconnect_after_words === count) {
      response.destroy();
      return false;
    }
    if (response.destroyed || response.closed) return false;
    send({ type: 'content_block_delta', index, delta: { type: 'text_delta', text: word } });
    if (reply.tokens_per_second !== undefined) await sleep(1000 / reply.tokens_per_second);
  }
  return true;
}

function wholeMessage(request: ModelRequest, reply: ScriptedReply): unknown {
  return {
    ...envelope(request),
    content: [...(reply.text === undefined ? [] : [{ type: 'text', text: reply.text }]), ...toolUses(reply)],
    stop_reason: stopReason(reply),
    usage: usageOf(request, reply),
  };
}

function envelope(request: ModelRequest) {
  const { model } = request;
  return { id: id('msg'), type: 'message', role: 'assistant', model, stop_reason: null, stop_sequence: null };
}

function toolUses(reply: ScriptedReply) {
  return (reply.tool_uses ?? []).map((use) => ({
    type: 'tool_use' as const,
    id: use.id ?? id('toolu'),
    name: use.name,
    input: use.input,
  }));
}

function stopReason(reply: ScriptedReply): string {
  return reply.stop_reason ?? ((reply.tool_uses?.length ?? 0) > 0 ? 'tool_use' : 'end_turn');
}

/** About four characters a token; everything before the last message counts as read from the cache. */
function usageOf(request: ModelRequest, reply: ScriptedReply): Usage {
  const tokens = (value: unknown): number => Math.ceil(JSON.stringify(value ?? '').length / 4);
  return {
    input_tokens: tokens(request.messages.at(-1)),
    output_tokens: tokens(reply.text ?? '') + tokens(reply.tool_uses ?? ''),
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: request.messages.length > 1 ? tokens(request.messages.slice(0, -1)) : 0,
    ...reply.usage,
  };
}

function id(prefix: string): string {
  return `${prefix}_${randomBytes(12).toString('hex')}`;
}
