import { expect, test } from 'vitest';
import { frameReader } from '../../../bench/load/frames.ts';
import { answerText, readAnswer, readDirective, writeDirective } from '../../../bench/model/directive.ts';

const directive = { nonce: 'n1x2', calls: 2, ttft: 500, tokens: 40, rate: 20 };

test('a directive is read back from a request that holds it', () => {
  const body = JSON.stringify({ messages: [{ role: 'user', content: `please ${writeDirective(directive)} thanks` }] });
  expect(readDirective(body)).toEqual({ directive, results: 0 });
});

test('the last directive counts, and the tool results after it', () => {
  const result = { type: 'tool_result', tool_use_id: 'toolu_1', content: 'n1x2' };
  const body = JSON.stringify([writeDirective({ nonce: 'old' }), result, writeDirective(directive), result, result]);
  expect(readDirective(body)).toEqual({ directive, results: 2 });
});

test('a request without one has none', () => {
  expect(readDirective('{"messages":[]}')).toBeNull();
});

test('an answer names its turn and when its request came', () => {
  expect(readAnswer(`${answerText('n1x2', 123n)} word word`)).toEqual({ nonce: 'n1x2', arrived: 123n });
  expect(readAnswer('something else')).toBeNull();
});

test('frames are put together again wherever they were cut', () => {
  const stream =
    'event: ping\ndata: {}\n\nevent: agent.message\ndata: {"a":1}\n\nevent: agent.message\ndata: {"a":2}\n\n';
  for (let cut = 0; cut <= stream.length; cut += 1) {
    const heard: unknown[] = [];
    const read = frameReader(new Set(['agent.message']), (_name, data) => heard.push(data));
    read(stream.slice(0, cut));
    read(stream.slice(cut));
    expect(heard).toEqual([{ a: 1 }, { a: 2 }]);
  }
});
