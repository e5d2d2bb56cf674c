import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Host, launch } from '../../sandbox/bubblewrap.ts';
import { detectCgroups, listCgroups } from '../../sandbox/cgroup.ts';
import { makeHelperSlot, runHelper } from '../../sandbox/helper.ts';
import { groupNames } from '../../sandbox/orphans.ts';
import { childrenOf } from '../../sandbox/process-table.ts';
import { preparePaths } from '../../sandbox/session-paths.ts';
import { discard, type Slot, type SlotDeps, Slots } from '../../sandbox/slots.ts';

const asRoot = process.getuid?.() === 0;
const host: Host = { bwrap: '/usr/bin/bwrap', asRoot, seccompFile: null };
const cgroups = detectCgroups();
const deps: SlotDeps = { host, cgroups, nextName: groupNames() };
const NEVER = new AbortController().signal;
let folder: string;
let slots: Slots<Slot>;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'deckhand-slots-'));
  slots = new Slots(() => makeHelperSlot(deps));
});

afterEach(async () => {
  await slots.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Processes of ours that wait to be told what to become. */
function waiting(): number[] {
  return childrenOf(process.pid).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('mapfile');
    } catch {
      return false;
    }
  });
}

async function readyBeside(taken: Slot): Promise<number> {
  const others = () => waiting().filter((pid) => pid !== taken.child.pid);
  await expect.poll(others).toHaveLength(1);
  return others()[0] as number;
}

function echo(word: string) {
  const { paths } = preparePaths(folder, 'sesn_slots', asRoot);
  let output = '';
  const onOutput = (chunk: Buffer) => {
    output += chunk.toString();
    return true;
  };
  const run = { script: 'printf %s "$1"', args: [word], signal: NEVER, onOutput };
  return runHelper({ host, helpers: slots, rlimits: '' }, paths, run).then(({ code }) => ({ code, output }));
}

it('has the next one ready once one was taken, and gives that', async () => {
  const first = await slots.take();
  const ready = await readyBeside(first);
  const second = await slots.take();
  expect(second.child.pid).toBe(ready);
  await Promise.all([discard(first), discard(second)]);
});

it('gives another where the one that was ready has ended meanwhile', async () => {
  const first = await slots.take();
  process.kill(await readyBeside(first), 'SIGKILL');
  await expect.poll(() => waiting().filter((pid) => pid !== first.child.pid)).toEqual([]);
  expect(await echo('answers')).toEqual({ code: 0, output: 'answers' });
  await discard(first);
});

it('makes as many at once as are asked for', async () => {
  const words = ['a', 'b', '', '$HOME\n"quoted"', 'x'.repeat(40_000)];
  expect(await Promise.all(words.map(echo))).toEqual(words.map((output) => ({ code: 0, output })));
});

it('leaves no process and no control group when it is closed, whenever that is', async () => {
  const first = await slots.take();
  await readyBeside(first);
  await slots.close();
  expect(waiting()).toEqual([first.child.pid]);
  await discard(first);
  expect(waiting()).toEqual([]);
  if (cgroups !== null) expect(listCgroups(cgroups)).not.toContain(first.cgroup?.name);
});

it('a process that waits ends when whoever would have told it is gone', async () => {
  const slot = await makeHelperSlot(deps);
  (slot.child.stdio as ReadonlyArray<unknown> as Duplex[])[7]?.destroy();
  expect(await slot.ended).toEqual({ code: 0, signal: null });
  await slot.cgroup?.remove();
});

it('is not in the process group that Ctrl-C at the terminal ends', async () => {
  const slot = await makeHelperSlot(deps);
  const stat = readFileSync(`/proc/${slot.child.pid}/stat`, 'latin1');
  const [, , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  expect(group).toBe(String(slot.child.pid));
  await discard(slot);
});

it('a word with a NUL character is refused, where it would be two', async () => {
  await expect(echo('one\0two')).rejects.toThrow(TypeError);
  const slot = await makeHelperSlot(deps);
  const { paths } = preparePaths(folder, 'sesn_slots', asRoot);
  expect(() => launch(host, slot.child, { paths, cwd: '/', command: ['/bin/echo', '\0'] })).toThrow('NUL');
  expect(await slot.ended).toEqual({ code: null, signal: 'SIGKILL' });
  await slot.cgroup?.remove();
});

it('tells whoever needs one why none can be made', async () => {
  const broken = new Slots<Slot>(() => Promise.reject(new Error('no process left')));
  await expect(broken.take()).rejects.toThrow('no process left');
  await broken.close();
});
