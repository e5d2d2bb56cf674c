import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Host, killSandbox, launch } from '../../sandbox/bubblewrap.ts';
import { PipeMaker } from '../../sandbox/pipes.ts';
import { childrenOf } from '../../sandbox/process-table.ts';
import { preparePaths } from '../../sandbox/session-paths.ts';
import { Shell } from '../../sandbox/shell.ts';

const asRoot = process.getuid?.() === 0;
const host: Host = { bwrap: '/usr/bin/bwrap', asRoot, seccompFile: null };
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'deckhand-killing-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function start(): ChildProcess {
  const { paths } = preparePaths(folder, 'sesn_killed', asRoot);
  const child = launch(host, {
    paths,
    cgroup: null,
    command: ['/bin/bash', '-c', 'sleep 60'],
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe', 'ignore', 'ignore'],
  });
  child.stdout?.resume();
  child.stderr?.resume();
  return child;
}

/** bwrap tells so of a sandbox whose first process was killed; bwrap killed itself would have a signal and no code. */
const ENDED_BY_BWRAP = [128 + 9, null];

it('ends a sandbox that has hardly begun by its first process, never by the death of bwrap before it', async () => {
  const child = start();
  killSandbox(child);
  expect(await once(child, 'close')).toEqual(ENDED_BY_BWRAP);
});

it('ends a sandbox in its first moment, and one that has ended already', async () => {
  const child = start();
  const { pid } = child;
  while (childrenOf(pid as number).length === 0) await nextTurn();
  killSandbox(child);
  killSandbox(child);
  expect(await once(child, 'close')).toEqual(ENDED_BY_BWRAP);
  killSandbox(child);
});

it.each([
  ['while it starts', () => AbortSignal.timeout(50)],
  ['before it starts', () => AbortSignal.abort(new DOMException('Stopped before', 'TimeoutError'))],
])('ends a shell whose start is stopped %s', async (_when, signal) => {
  const { paths } = preparePaths(folder, 'sesn_stuck', asRoot);
  const stuck = Shell.start(host, new PipeMaker(folder), { paths, cgroup: null }, '', 'sleep 60', signal());
  await expect(stuck).rejects.toMatchObject({ name: 'TimeoutError' });
});
