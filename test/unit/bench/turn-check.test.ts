import { expect, test } from 'vitest';
import { type RunningTurn, startTurn } from '../../../bench/load/v1-client.ts';
import { answerText } from '../../../bench/model/directive.ts';

const idle = (type = 'end_turn') => ['session.status_idle', { stop_reason: { type } }] as const;
const says = (text: string) => ['agent.message', { content: [{ type: 'text', text }] }] as const;
const result = (text: string, is_error = false) => ['agent.tool_result', { is_error, content: [{ text }] }] as const;
const right = says(`${answerText('n1', process.hrtime.bigint())} word word`);
const error = ['session.error', { error: { type: 'unknown_error' } }] as const;

type Heard = readonly [string, Record<string, unknown>];

function turn(heard: Heard[], options: { calls?: number; may_retry?: boolean } = {}): RunningTurn['ended'] {
  const running = startTurn({ nonce: 'n1', calls: options.calls ?? 0 }, options.may_retry === true);
  for (const [name, data] of heard) running.hear(name, data);
  return running.ended;
}

test('a turn that ends with its one answer is measured', async () => {
  const { total_ms } = await turn([right, idle()]);
  expect(total_ms).toBeGreaterThanOrEqual(0);
  await turn([result('n1\n'), result('n1\n'), right, idle()], { calls: 2 });
});

test.each<[string, Heard[], RegExp]>([
  ['no answer', [idle()], /wrong answer/],
  ['another turn’s answer', [says(answerText('n2', 1n)), idle()], /wrong answer/],
  ['two answers', [right, right, idle()], /wrong answer/],
  ['another end', [right, idle('retries_exhausted')], /ended with retries_exhausted/],
  ['an error', [error, right, idle()], /session\.error/],
  ['a tool that was not asked for', [result('n1'), right, idle()], /1 good tool results instead of 0/],
])('%s is an error', async (_name, heard, reason) => {
  await expect(turn(heard)).rejects.toThrow(reason);
});

test('a tool that failed or printed something else is an error', async () => {
  await expect(turn([result('n1', true), right, idle()], { calls: 1 })).rejects.toThrow('a tool failed');
  await expect(turn([result('n2'), right, idle()], { calls: 1 })).rejects.toThrow('0 good tool results instead of 1');
});

test('where a worker is killed on purpose, a retried request is no error', async () => {
  await turn([error, right, idle()], { may_retry: true });
});
