import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { OutputTap } from '../../sandbox/output-tap.ts';

function tap(limit: number) {
  const stream = new PassThrough();
  const seen = { text: '', limits: 0 };
  const command = new OutputTap(stream).begin(
    'nonce',
    limit,
    (chunk) => {
      seen.text += chunk;
    },
    () => {
      seen.limits += 1;
    },
  );
  const feed = async (chunk: string | Buffer) => {
    stream.write(chunk);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { command, seen, feed };
}

test('the first byte over the limit is noticed, also when a chunk ended exactly at it', async () => {
  const { seen, feed } = tap(4);
  await feed('abcd');
  expect(seen).toEqual({ text: 'abcd', limits: 0 });
  await feed('e');
  expect(seen).toEqual({ text: 'abcd', limits: 1 });
});

test('the end mark may come in pieces, and only the real nonce ends the output', async () => {
  const { command, seen, feed } = tap(100);
  await feed('out\0other\0put\0non');
  await feed('ce\0');
  await command.ended;
  expect(command.read()).toBe('out\0other\0put');
  expect(seen.limits).toBe(0);
});

test('a character that is cut between chunks is put together again', async () => {
  const bytes = Buffer.from('é\0nonce\0');
  const { command, feed } = tap(100);
  await feed(bytes.subarray(0, 1));
  await feed(bytes.subarray(1));
  await command.ended;
  expect(command.read()).toBe('é');
});
