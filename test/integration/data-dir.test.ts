import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { bootstrapKey } from '../../src/embedded/bootstrap-key.ts';
import { lockDataDir } from '../../src/embedded/data-dir.ts';

const holder = fileURLToPath(new URL('../fixtures/data-dir-holder.ts', import.meta.url));
let dataDir: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'deckhand-data-'));
});

afterEach(async () => {
  await Promise.all(children.splice(0).map(kill));
  await rm(dataDir, { recursive: true, force: true });
});

/** Another process that claims the directory, and what it said. */
async function contend(): Promise<{ child: ChildProcess; said: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', holder, dataDir], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const [said] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return { child, said };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

test('a second process is refused, told who holds the directory, and let in when that one was killed', async () => {
  const { child, said } = await contend();
  expect(said).toBe('held');
  await expect(lockDataDir(dataDir)).rejects.toMatchObject({
    code: 'data_dir_in_use',
    message: expect.stringContaining(`process ${child.pid ?? 0}, since 20`) as string,
    remedy: expect.stringContaining('DECKHAND_DATA_DIR') as string,
  });
  await kill(child);
  const lock = await lockDataDir(dataDir);
  await lock.release();
  await lock.release();
  expect(await readdir(dataDir)).toEqual([]);
});

test('a claim whose pid now belongs to another process is stale', async () => {
  const claim = { pid: process.pid, identity: 'another boot:1', since: '2020-01-01T00:00:00.000Z' };
  await writeFile(join(dataDir, 'lock.7'), JSON.stringify(claim));
  const lock = await lockDataDir(dataDir);
  expect(await readdir(dataDir)).toEqual(['lock.8']);
  await lock.release();
});

test('of several that find a stale claim at once, one gets in', async () => {
  await writeFile(join(dataDir, 'lock.1'), 'not a claim');
  const contenders = await Promise.all([contend(), contend(), contend(), contend()]);
  expect(contenders.map(({ said }) => said).toSorted()).toEqual([
    'data_dir_in_use',
    'data_dir_in_use',
    'data_dir_in_use',
    'held',
  ]);
});

test('the first API key is made once, for this user alone', async () => {
  const [one, two] = await Promise.all([bootstrapKey(dataDir), bootstrapKey(dataDir)]);
  expect(one.api_key).toBe(two.api_key);
  expect([one.made, two.made].filter(Boolean)).toHaveLength(1);
  expect(one.api_key).toMatch(/^dk_[\w-]{32}$/);
  expect((await stat(one.path)).mode & 0o777).toBe(0o600);
  expect(await bootstrapKey(dataDir)).toEqual({ ...one, made: false });
});

test('a key file without a key is an error that says what to do', async () => {
  await writeFile(join(dataDir, 'api-key'), '\n');
  await expect(bootstrapKey(dataDir)).rejects.toMatchObject({
    remedy: expect.stringContaining('DECKHAND_API_KEY') as string,
  });
});
