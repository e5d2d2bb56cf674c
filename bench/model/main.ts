import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve } from '../processes/serve.mjs';
import { answerText, type Directive, readDirective } from './directive.ts';
import { createPacer } from './pacer.ts';
import { closing, opening, textDelta, toolUse } from './wire.ts';

/**
 * A stand-in for the Messages API in a process of its own, made to cost little: it answers what the last directive of the
 * request's body asks for, and parses nothing else.
 */
const pacer = createPacer();
/** When each turn's requests arrived, in ns of the monotonic clock; forgotten when asked for. */
const arrivals = new Map<string, string[]>();
let remembers = false;
let requests = 0;
/** While it stands, paced answers wait for its opening. */
let gate: { opened: Promise<void>; open: () => void; waiting: Set<ServerResponse> } | null = null;

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const arrived = process.hrtime.bigint();
  requests += 1;
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const read = readDirective(Buffer.concat(chunks).toString('utf8'));
  if (read === null) {
    response.writeHead(400, { 'content-type': 'application/json' });
    response.end('{"type":"error","error":{"type":"invalid_request_error","message":"No directive in the request."}}');
    return;
  }
  const { directive, results } = read;
  if (remembers) arrivals.set(directive.nonce, [...(arrivals.get(directive.nonce) ?? []), String(arrived)]);
  response.writeHead(200, { 'content-type': 'text/event-stream', 'request-id': `req_${requests}` });
  if (gate !== null && directive.rate > 0) {
    gate.waiting.add(response);
    response.once('close', () => gate?.waiting.delete(response));
    await gate.opened;
  }
  if (directive.ttft > 0) await new Promise((resolve) => setTimeout(resolve, directive.ttft));
  if (results < directive.calls) {
    const use = toolUse(`toolu_${requests}`, { command: `echo ${directive.nonce}` });
    response.end(opening(requests) + use + closing('tool_use'));
    return;
  }
  speak(response, directive, arrived);
}

function speak(response: ServerResponse, directive: Required<Directive>, arrived: bigint): void {
  const begin = opening(requests) + textDelta.begin + textDelta.word(answerText(directive.nonce, arrived));
  const end = textDelta.end + closing('end_turn');
  if (directive.rate === 0) {
    response.end(begin + textDelta.word(' word').repeat(directive.tokens) + end);
    return;
  }
  response.write(begin);
  const word = textDelta.word(' word');
  pacer.add({
    rate: directive.rate,
    left: directive.tokens,
    next(words) {
      if (response.destroyed) return false;
      for (let n = 0; n < words; n += 1) response.write(word);
      return true;
    },
    done: () => void response.end(end),
  });
}

const server = createServer((request, response) => {
  answer(request, response).catch(() => response.destroy());
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const { port } = server.address() as AddressInfo;

const handlers = {
  base_url: async () => `http://127.0.0.1:${port}`,
  /** Begin to remember when requests arrive. */
  remember: async () => {
    remembers = true;
  },
  /** From now on paced answers wait, so that many can begin together. */
  hold: async () => {
    let open = () => {};
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    gate = { opened, open, waiting: new Set() };
  },
  /** How many answers wait and are still waited for. */
  held: async () => gate?.waiting.size ?? 0,
  /** Let them begin. */
  release: async () => {
    gate?.open();
    gate = null;
  },
  /** When this turn's requests arrived so far, in ns of the monotonic clock. */
  arrivals: async (nonce: string) => arrivals.get(nonce) ?? [],
};
export type ModelHandlers = typeof handlers;
serve(handlers);
