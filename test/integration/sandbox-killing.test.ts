import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Host, killSandbox, launch } from '../../sandbox/bubblewrap.ts';
import { detectCgroups } from '../../sandbox/cgroup.ts';
import { makeHelperSlot, runHelper } from '../../sandbox/helper.ts';
import { groupNames } from '../../sandbox/orphans.ts';
import { PipeMaker } from '../../sandbox/pipes.ts';
import { childrenOf } from '../../sandbox/process-table.ts';
import { preparePaths } from '../../sandbox/session-paths.ts';
import { makeShellSlot, Shell } from '../../sandbox/shell.ts';
import { makeSlot, type Slot, type SlotDeps, Slots } from '../../sandbox/slots.ts';

const asRoot = process.getuid?.() === 0;
const host: Host = { bwrap: '/usr/bin/bwrap', asRoot, seccompFile: null };
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'deckhand-killing-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const cgroups = detectCgroups();
const deps: SlotDeps = { host, cgroups: null, nextName: groupNames() };

async function start(of = deps): Promise<Slot> {
  const { paths } = preparePaths(folder, 'sesn_killed', asRoot);
  const slot = await makeHelperSlot(of);
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

describe('when somebody else kills bwrap', () => {
  async function killAtFirstChild(slot: Slot): Promise<void> {
    const pid = slot.child.pid as number;
    while (childrenOf(pid).length === 0 && slot.child.exitCode === null) await nextTurn();
    process.kill(pid, 'SIGKILL');
  }

  it.skipIf(cgroups === null)('what it leaves of a file tool is ended, and the tool with it', async () => {
    for (let attempt = 0; attempt < 8; attempt++) {
      const slot = await start({ ...deps, cgroups });
      await killAtFirstChild(slot);
      expect(await slot.closed).toBe('read');
      expect(slot.cgroup?.procs.map((path) => readFileSync(path, 'latin1')).join('')).toBe('');
      await slot.cgroup?.remove();
    }
  });

  it.skipIf(cgroups === null)('what it leaves of a shell is ended, which may have begun or not', async () => {
    const { paths } = preparePaths(folder, 'sesn_orphan', asRoot);
    for (let attempt = 0; attempt < 8; attempt++) {
      const slot = await makeShellSlot({ ...deps, cgroups }, new PipeMaker(folder));
      const starting = Shell.start(host, slot, paths, '', '', new AbortController().signal);
      const [started] = await Promise.allSettled([starting, killAtFirstChild(slot)]);
      expect(await slot.closed).toBe('read');
      if (started.status === 'fulfilled') expect(started.value.alive).toBe(false);
      else expect(String(started.reason)).toContain('The sandbox ended at its start with SIGKILL');
      await slot.cgroup?.remove();
    }
  });

  it('whoever waits for it does not wait for ever, also where nothing can end what it leaves', async () => {
    const holder = spawn('/bin/sleep', ['60'], { stdio: ['ignore', 'pipe', 'ignore'] });
    const pipe = holder.stdout as Socket;
    const slot = await makeSlot(deps, { stdio: ['ignore', 'ignore', 'ignore', 'ignore', 'ignore'], pipes: [pipe] });
    slot.child.kill('SIGKILL');
    expect(await slot.closed).toBe('given up');
    expect(pipe.destroyed).toBe(true);
    expect(holder.exitCode).toBeNull();
    holder.kill('SIGKILL');
  });
});

it('loses nothing of what a program has written, however long its reader takes', async () => {
  const { paths } = preparePaths(folder, 'sesn_slow', asRoot);
  const slots = new Slots(() => makeHelperSlot(deps));
  let size = 0;
  let waits = 1;
  const end = await runHelper({ host, helpers: slots, rlimits: '' }, paths, {
    script: 'head -c 300000 /dev/zero',
    args: [],
    signal: new AbortController().signal,
    async onOutput(chunk) {
      size += chunk.length;
      // Longer than pipes of which nothing comes are kept.
      if (waits-- > 0) await delay(6_000);
      return true;
    },
  });
  expect({ size, end }).toMatchObject({ size: 300_000, end: { code: 0 } });
  await slots.close();
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
