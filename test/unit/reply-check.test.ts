import type { BetaMessage } from '@anthropic-ai/sdk/resources/beta/messages/messages';
import { describe, expect, it } from 'vitest';
import { replyEvents } from '../../src/harness/reply.ts';
import { problemOf } from '../../src/harness/reply-check.ts';
import { refuseTooLarge } from '../../src/session/log-update.ts';
import { emptyState } from '../../src/session/session-state.ts';
import { testAgent } from '../support/harness.ts';

const MEBIBYTE = 1_048_576;

type Content = Array<Record<string, unknown>>;

function answer(content: Content): BetaMessage {
  const usage = { input_tokens: 1, output_tokens: 1 };
  return { content, stop_reason: 'tool_use', usage } as unknown as BetaMessage;
}

function calls(count: number, input: unknown): Content {
  return Array.from({ length: count }, (_, n) => ({ type: 'tool_use', id: `toolu_${n}`, name: 'write', input }));
}

/** As MongoDB has it, each number with its place: many times what it is as JSON. */
const numbers = (count: number) => ({ list: Array.from({ length: count }, () => 1) });

describe('an answer that is taken', () => {
  it.each<[string, Content]>([
    ['of the longest text', [{ type: 'text', text: 'x'.repeat(2 * MEBIBYTE - 100) }]],
    ['of many short texts', Array.from({ length: 30_000 }, () => ({ type: 'text', text: 'x' }))],
    ['with the largest arguments', calls(1, { text: 'x'.repeat(2 * MEBIBYTE - 200) })],
    ['with a long list', calls(1, numbers(150_000))],
    ['with as many questions as can be, of many bytes each', calls(256, { text: '漢'.repeat(2_600) })],
  ])('fits one append, %s', (_what, content) => {
    expect(problemOf(answer(content))).toBeNull();
    const events = replyEvents(
      emptyState(),
      {
        model: 'm',
        content: answer(content).content,
        stop_reason: null,
        usage: null,
        message_id: 'a',
        request_id: 'b',
      },
      {
        agent: testAgent(),
        tools: new Map(),
        policy: { approvers: [], four_eyes: false, remind_after_ms: null, expire_after_ms: null },
        worker_id: 'wkr_1',
        now: () => 0,
      },
    );
    expect(() => refuseTooLarge(events.map((event) => ({ event })))).not.toThrow();
  });
});

describe('names that MongoDB could read as its own', () => {
  it.each<[string, Content]>([
    ['in arguments', calls(1, { $where: 'x', 'a.b': 1 })],
    ['in what a server lists of its tools', [{ type: 'mcp_tool_listing', tools: [{ input_schema: { $defs: {} } }] }]],
    ['in an example', [{ type: 'compaction', tool_changes: [{ tool: { input_examples: [{ 'a.b': 1 }] } }] }]],
  ])('are others’ %s', (_where, content) => {
    expect(problemOf(answer(content))).toBeNull();
  });

  it.each<[string, Content]>([
    ['of a block', [{ type: 'text', text: 'Hi', 'a.b': 1 }]],
    ['deep in it', [{ type: 'text', text: 'Hi', citations: [{ $set: {} }] }]],
  ])('are none of the API’s, as a field %s', (_where, content) => {
    expect(problemOf(answer(content))).toMatch(/a block has a field "[^"]+", which the API has not/);
  });
});

describe('an answer that does not fit', () => {
  it.each<[string, Content, RegExp]>([
    ['of a longer text', [{ type: 'text', text: 'x'.repeat(2 * MEBIBYTE) }], /it has \d+ bytes; at most 2097152/],
    ['with a longer list', calls(1, numbers(400_000)), /it has \d+ bytes; at most 2097152/],
    ['with more calls', calls(257, {}), /it calls 257 tools; at most 256/],
  ])('is refused in words, %s', (_what, content, words) => {
    expect(problemOf(answer(content))).toMatch(words);
  });
});
