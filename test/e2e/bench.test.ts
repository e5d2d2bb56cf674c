import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, inject, test } from 'vitest';
import type { Row } from '../../bench/row.ts';

const run = promisify(execFile);

function bench(...args: string[]) {
  const env = { ...process.env, MONGODB_URI: inject('mongodb_uri'), REDIS_URL: inject('redis_url') };
  return run(process.execPath, ['--import', 'tsx', 'bench/main.ts', ...args], { env });
}

test('one benchmark prints exactly one array of its rows', { timeout: 400_000 }, async () => {
  const { stdout, stderr } = await bench('--only', 'recovery', '--rounds', '1', '--json');
  const rows: Row[] = JSON.parse(stdout);
  expect(rows).toEqual([
    {
      name: 'recovery.kill',
      unit: 's',
      value: expect.any(Number),
      p99: expect.any(Number),
      floor: null,
      ratio: null,
      target: 5,
      better: 'lower',
      // On a busy machine it may take longer than its target.
      ok: expect.any(Boolean),
      n: 1,
    },
  ]);
  expect(stderr).not.toContain('went wrong');
  expect(rows[0]?.value).toBeGreaterThan(0);
  expect(stderr).toContain('kill 1 of 1');
});

test('a name that nothing has is refused before anything starts', async () => {
  await expect(bench('--only', 'nothing')).rejects.toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('There is no benchmark "nothing". The names are:\n  chat-http\n'),
  });
});
