import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Host, killSandbox, launch } from '../../sandbox/bubblewrap.ts';
import { makeHelperSlot } from '../../sandbox/helper.ts';
import { PipeMaker } from '../../sandbox/pipes.ts';
import { childrenOf } from '../../sandbox/process-table.ts';
import { preparePaths } from '../../sandbox/session-paths.ts';
import { makeShellSlot, Shell } from '../../sandbox/shell.ts';
import type { Slot, SlotDeps } from '../../sandbox/slots.ts';

const asRoot = process.getuid?.() === 0;
const host: Host = { bwrap: '/usr/bin/bwrap', asRoot, seccompFile: null };
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'deckhand-killing-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const deps: SlotDeps = { host, cgroups: null, nextName: () => 'unused' };

async function start(): Promise<Slot> {
  const { paths } = preparePaths(folder, 'sesn_killed', asRoot);
  const slot = await makeHelperSlot(deps);
  slot.child.stdout?.resume();
  slot.child.stderr?.resume();
  launch(host, slot.child, { paths, command: ['/bin/bash', '-c', 'sleep 60'], cwd: '/' });
  return slot;
}

/** bwrap tells so of a sandbox whose first process was killed; bwrap killed itself would have a signal and no code. */
const ENDED_BY_BWRAP = { code: 128 + 9, signal: null };

it('ends a sandbox that has hardly begun by its first process, never by the death of bwrap before it', async () => {
  const slot = await start();
  killSandbox(slot.child);
  expect(await slot.ended).toEqual(ENDED_BY_BWRAP);
  await slot.closed;
});

it('ends a sandbox in its first moment, and one that has ended already', async () => {
  const { child, ended, closed } = await start();
  while (childrenOf(child.pid as number).length === 0) await nextTurn();
  killSandbox(child);
  killSandbox(child);
  expect(await ended).toEqual(ENDED_BY_BWRAP);
  await closed;
  killSandbox(child);
});

it.each([
  ['while it starts', () => AbortSignal.timeout(50)],
  ['before it starts', () => AbortSignal.abort(new DOMException('Stopped before', 'TimeoutError'))],
])('ends a shell whose start is stopped %s', async (_when, signal) => {
  const { paths } = preparePaths(folder, 'sesn_stuck', asRoot);
  const slot = await makeShellSlot(deps, new PipeMaker(folder));
  const stuck = Shell.start(host, slot, paths, '', 'sleep 60', signal());
  await expect(stuck).rejects.toMatchObject({ name: 'TimeoutError' });
});
