import Anthropic from '@anthropic-ai/sdk';
import { BetaMessageStream } from '@anthropic-ai/sdk/lib/BetaMessageStream';
import type { BetaMessage, BetaRawMessageStreamEvent } from '@anthropic-ai/sdk/resources/beta/messages/messages';
import { Stream } from '@anthropic-ai/sdk/streaming';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createAnswer } from '../../src/harness/answer.ts';
import { readEvents } from '../../src/harness/model-stream.ts';
import { problemOf } from '../../src/harness/reply-check.ts';
import { createEventDecoder } from '../../src/harness/server-sent-events.ts';
import { cases } from '../support/cases.ts';
import { mutants } from '../support/fuzz/mutate.ts';
import { framesOf, VALID_STREAM } from '../support/fuzz/raw-model.ts';

/** Deckhand reads answers by itself because it is cheaper; what it reads is what the SDK would have read. */

/** What lines of such a stream may be made of, with every kind of end that a line may have. */
const ENDS = ['\n', '\r', '\r\n', '\n\n', '\r\n\r\n'];
const FIELDS = [
  'data',
  'data:',
  'data: ',
  'event:',
  'event: ',
  'event: ping\n',
  'event: error\n',
  'event: a\n',
  'id: 1',
];
const VALUES = [':', ': ', ' ', '\uFEFF', '{"a":1}', '{"error":{"type":"x"}}', 'é', '🙂'];
const parts = fc.constantFrom(...ENDS, ...FIELDS, ...VALUES);
const text = fc.array(parts, { maxLength: 40 }).map((some) => some.join(''));
const cuts = fc.array(fc.nat({ max: 12 }), { minLength: 1, maxLength: 30 });

/** Cut into pieces of these lengths, again and again. Some are empty. */
function pieces<T extends { length: number; slice(from: number, to: number): T }>(whole: T, lengths: number[]): T[] {
  const cut: T[] = [];
  for (let at = 0, nth = 0; at < whole.length; nth += 1) {
    const length = lengths[nth % lengths.length] || nth % 2;
    cut.push(whole.slice(at, at + length));
    at += length;
  }
  return cut;
}

function responseOf(body: string, lengths: number[]): Response {
  const left = pieces(new TextEncoder().encode(body), lengths);
  return new Response(
    new ReadableStream({
      pull(controller) {
        const next = left.shift();
        if (next === undefined) controller.close();
        else controller.enqueue(next);
      },
    }),
  );
}

/** What was told, and what it ended with. */
async function told(read: (tell: (one: unknown) => void) => Promise<void>): Promise<{ all: string; error: unknown }> {
  const all: unknown[] = [];
  try {
    await read((one) => all.push(one));
    return { all: JSON.stringify(all), error: null };
  } catch (error) {
    const { message, type } = error as { message: string; type?: unknown };
    return { all: JSON.stringify(all), error: { message, type, isApi: error instanceof Anthropic.APIError } };
  }
}

const client = new Anthropic({ apiKey: 'test', logLevel: 'off' });

describe('events', () => {
  it('are those of the SDK, wherever the bytes are cut', async () => {
    const frames = framesOf(VALID_STREAM).replace('Let me look.', 'Let me look: Grüße 🙂');
    const broken = fc
      .tuple(fc.nat({ max: frames.length }), text)
      .map(([at, put]) => frames.slice(0, at) + put + frames.slice(at));
    await fc.assert(
      fc.asyncProperty(fc.oneof(text, broken), cuts, async (body, lengths) => {
        const ours = await told((tell) => readEvents(responseOf(body, lengths), tell));
        const theirs = await told(async (tell) => {
          const events = Stream.fromSSEResponse(responseOf(body, lengths), new AbortController(), client);
          for await (const event of events) tell(event);
        });
        expect(ours).toEqual(theirs);
      }),
      cases(300),
    );
  });

  it('have the names and data that the SDK finds, wherever the text is cut', async () => {
    await fc.assert(
      fc.asyncProperty(text, cuts, async (body, lengths) => {
        const found: unknown[] = [];
        const decoder = createEventDecoder((event, data) => found.push({ event, data }));
        for (const piece of pieces(body, lengths)) decoder.add(piece);
        decoder.end();
        const expected: unknown[] = [];
        for await (const { event, data } of Stream.rawEvents(responseOf(body, [1000]))) expected.push({ event, data });
        expect(found).toEqual(expected);
      }),
      cases(300),
    );
  });
});

/** Beside the usual: every kind of block and piece, arguments that are cut short, and an end that says everything. */
const RARE_STREAM: ReadonlyArray<Record<string, unknown>> = [
  ...VALID_STREAM.slice(0, 9),
  { type: 'content_block_delta', index: 1, delta: { type: 'citations_delta', citation: { type: 'char_location' } } },
  { type: 'content_block_start', index: 2, content_block: { type: 'compaction', content: null } },
  {
    type: 'content_block_delta',
    index: 2,
    delta: { type: 'compaction_delta', content: 'Before.', encrypted_content: 'eA==' },
  },
  { type: 'content_block_stop', index: 2 },
  {
    type: 'content_block_start',
    index: 3,
    content_block: {
      type: 'server_tool_use',
      id: 'srvtoolu_1',
      input: {},
      name: 'web_search',
      caller: { type: 'direct' },
    },
  },
  { type: 'content_block_delta', index: 3, delta: { type: 'input_json_delta', partial_json: '' } },
  { type: 'content_block_delta', index: 3, delta: { type: 'input_json_delta', partial_json: '{"query":"deck' } },
  { type: 'content_block_stop', index: 3 },
  { type: 'content_block_start', index: 4, content_block: { type: 'fallback', to: { model: 'claude-opus-5' } } },
  { type: 'content_block_stop', index: 4 },
  {
    type: 'content_block_start',
    index: 5,
    content_block: { type: 'tool_use', id: 'toolu_1', name: 'bash', input: {} },
  },
  { type: 'content_block_delta', index: 5, delta: { type: 'input_json_delta', partial_json: '{"command":"ls"}' } },
  { type: 'content_block_delta', index: 5, delta: { type: 'of_tomorrow' } },
  {
    type: 'message_delta',
    delta: { stop_reason: 'refusal', stop_sequence: null, stop_details: { category: 'x' }, container: { id: 'c' } },
    context_management: { applied_edits: [] },
    usage: {
      output_tokens: 20,
      iterations: [],
      server_tool_use: { web_search_requests: 1 },
      cache_read_input_tokens: 7,
      input_tokens: 11,
    },
  },
  { type: 'message_stop' },
];

/** What comes of these events: the answer or that there is none, what there was of it until then, and what was told. */
interface Outcome {
  message: string | null;
  so_far: string | null;
  told: string[];
}

/** As it is kept; null when something else is wrong with it, which ends the request all the same. */
function usable(message: BetaMessage): string | null {
  return problemOf(message) === null ? JSON.stringify(message) : null;
}

/** What is kept of an answer that was cut short. */
function keptOf(message: { content: unknown; usage: unknown } | null | undefined): string {
  const blocks = Array.isArray(message?.content) ? message.content : [];
  return JSON.stringify({ texts: blocks.filter((block) => block?.type === 'text'), usage: message?.usage });
}

function ours(events: readonly BetaRawMessageStreamEvent[]): Outcome {
  const said: string[] = [];
  const answer = createAnswer({
    onText: (piece, index) => said.push(`text ${index} ${piece}`),
    onThinking: () => said.push('thinking'),
    onToolUse: (name) => said.push(`tool ${name}`),
  });
  try {
    for (const event of events) answer.add(event);
    return { message: usable(answer.finish()), so_far: null, told: said };
  } catch {
    return { message: null, so_far: keptOf(answer.soFar), told: said };
  }
}

async function theirs(lines: readonly string[]): Promise<Outcome> {
  const said: string[] = [];
  const stream = BetaMessageStream.fromReadableStream(new Response(lines.join('\n')).body as ReadableStream);
  let index = -1;
  stream.on('text', (piece: unknown) => {
    if (typeof piece === 'string') said.push(`text ${Math.max(0, index)} ${piece}`);
  });
  stream.on('streamEvent', (event) => {
    if (event.type !== 'content_block_start') return;
    const { type, name } = (event.content_block as { type?: unknown; name?: unknown } | null) ?? {};
    if (type === 'text') index += 1;
    if (type === 'thinking') said.push('thinking');
    if (type === 'tool_use' && typeof name === 'string') said.push(`tool ${name}`);
  });
  try {
    const { parsed_output: _, ...message } = await stream.finalMessage();
    return { message: usable(message), so_far: null, told: said };
  } catch {
    return { message: null, so_far: keptOf(stream.currentMessage), told: said };
  }
}

function linesOf(json: string): string[] {
  try {
    const events: unknown = JSON.parse(json);
    return (Array.isArray(events) ? events : [events]).map((event) => JSON.stringify(event));
  } catch {
    return [];
  }
}

describe('an answer', () => {
  it.each([
    ['of the usual events', VALID_STREAM],
    ['of rare ones', RARE_STREAM],
  ])('%s is that of the SDK, to the letter', async (_what, events) => {
    const lines = linesOf(JSON.stringify(events));
    const outcome = ours(lines.map((line) => JSON.parse(line)));
    expect(outcome.message).toContain('Let me look.');
    expect(outcome).toEqual(await theirs(lines));
  });

  it('is that of the SDK where it breaks off, whole or in the middle of anything', async () => {
    for (let count = 0; count < RARE_STREAM.length; count += 1) {
      const lines = linesOf(JSON.stringify(RARE_STREAM.slice(0, count)));
      // What comes after the break is an error for both, and leaves what there was.
      const broken = [...lines, JSON.stringify({ type: 'message_start', message: null }), 'null'];
      expect(ours(broken.map((line) => JSON.parse(line)))).toEqual(await theirs(broken));
      expect(ours(lines.map((line) => JSON.parse(line))).message).toEqual((await theirs(lines)).message);
    }
  });

  it.each([
    ['the usual events', VALID_STREAM],
    ['rare ones', RARE_STREAM],
  ])('is that of the SDK when %s are changed in any way', async (_what, events) => {
    await fc.assert(
      fc.asyncProperty(mutants(events), async ({ json }) => {
        // The SDK loses a field of that name in some blocks and keeps it in others.
        fc.pre(!json.includes('__proto__'));
        const lines = linesOf(json);
        const [outcome, expected] = [ours(lines.map((line) => JSON.parse(line))), await theirs(lines)];
        expect(outcome.message).toBe(expected.message);
        if (expected.message !== null) expect(outcome.told).toEqual(expected.told);
      }),
      cases(400),
    );
  });
});
