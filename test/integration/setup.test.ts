import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const script = fileURLToPath(new URL('../../scripts/setup.mjs', import.meta.url));

function setup(mode: string, env: Record<string, string> = {}) {
  return spawnSync(process.execPath, [script, mode], { env: { ...process.env, ...env }, encoding: 'utf8' });
}

test('a second run has nothing to do and nothing to say', () => {
  expect(setup('test').status).toBe(0);
  const again = setup('test');
  expect(again).toMatchObject({ status: 0, stdout: '', stderr: '' });
});

test('what a person must install is said exactly, and nothing else happens', () => {
  const empty = mkdtempSync(join(tmpdir(), 'deckhand-path-'));
  try {
    const result = setup('start', { PATH: empty, REDIS_URL: '' });
    expect(result.status).toBe(1);
    expect(result.stderr).toContain('sudo apt-get install redis-server bubblewrap');
    const withRedis = setup('start', { PATH: empty, REDIS_URL: 'redis://127.0.0.1:1' });
    expect(withRedis.stderr).toContain('sudo apt-get install bubblewrap');
    expect(withRedis.stderr).not.toContain('redis-server');
  } finally {
    rmSync(empty, { recursive: true, force: true });
  }
});

test('a mode that does not exist is refused', () => {
  expect(setup('stop')).toMatchObject({ status: 1, stderr: expect.stringContaining('start|test') as string });
});
