import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Host, launch } from '../../sandbox/bubblewrap.ts';
import { detectCgroups, listCgroups } from '../../sandbox/cgroup.ts';
import { makeHelperSlot, runHelper } from '../../sandbox/helper.ts';
import { groupNames } from '../../sandbox/orphans.ts';
import { childrenOf } from '../../sandbox/process-table.ts';
import { preparePaths } from '../../sandbox/session-paths.ts';
import { discard, makeSlot, type Slot, type SlotDeps, Slots } from '../../sandbox/slots.ts';

const asRoot = process.getuid?.() === 0;
const host: Host = { bwrap: '/usr/bin/bwrap', asRoot, seccompFile: null };
const cgroups = detectCgroups();
const deps: SlotDeps = { host, cgroups, nextName: groupNames() };
const NEVER = new AbortController().signal;
let folder: string;
let slots: Slots<Slot>;
/** What the clock of `slots` says. */
let now: number;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'deckhand-slots-'));
  now = 0;
  slots = new Slots(
    () => makeHelperSlot(deps),
    () => now,
  );
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

/** Those that wait to be taken, once so many are there. */
async function readyBeside(taken: Slot[], count = 1): Promise<number[]> {
  const others = () => waiting().filter((pid) => !taken.some(({ child }) => child.pid === pid));
  await expect.poll(others, { timeout: 5_000 }).toHaveLength(count);
  return others();
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
  const ready = await readyBeside([first]);
  const second = await slots.take();
  expect([second.child.pid]).toEqual(ready);
  await Promise.all([discard(first), discard(second)]);
});

it('has more ready where they are used up soon, up to eight, and then gives those', async () => {
  const taken = [await slots.take()];
  for (const count of [1, 2, 4, 8, 8]) {
    const ready = await readyBeside(taken, count);
    const next = await Promise.all(ready.map(() => slots.take()));
    expect(new Set(next.map(({ child }) => child.pid))).toEqual(new Set(ready));
    taken.push(...next);
  }
  await Promise.all(taken.map(discard));
});

it('has one ready again where nobody was in a hurry', async () => {
  const taken = [await slots.take()];
  await readyBeside(taken);
  taken.push(await slots.take());
  await readyBeside(taken, 2);
  now += 1_000;
  taken.push(await slots.take(), await slots.take());
  await readyBeside(taken);
  await Promise.all(taken.map(discard));
});

it('gives another where the one that was ready has ended meanwhile', async () => {
  const first = await slots.take();
  for (const pid of await readyBeside([first])) process.kill(pid, 'SIGKILL');
  await expect.poll(() => waiting().filter((pid) => pid !== first.child.pid)).toEqual([]);
  expect(await echo('answers')).toEqual({ code: 0, output: 'answers' });
  await discard(first);
});

it('makes as many at once as are asked for', async () => {
  const words = ['a', 'b', '', '$HOME\n"quoted"', 'x'.repeat(40_000)];
  expect(await Promise.all(words.map(echo))).toEqual(words.map((output) => ({ code: 0, output })));
});

/** Control groups that this process has made. */
function groups(): string[] {
  if (cgroups === null) return [];
  return listCgroups(cgroups).filter((name) => name.startsWith(`deckhand-${process.pid}-`));
}

it('leaves no process and no control group when it is closed', async () => {
  const before = groups();
  const first = await slots.take();
  await readyBeside([first]);
  await slots.close();
  expect(waiting()).toEqual([first.child.pid]);
  await discard(first);
  expect(waiting()).toEqual([]);
  expect(groups()).toEqual(before);
});

it('leaves none of several either', async () => {
  const before = groups();
  const taken = [await slots.take()];
  await readyBeside(taken);
  taken.push(await slots.take());
  await readyBeside(taken, 2);
  await slots.close();
  expect(new Set(waiting())).toEqual(new Set(taken.map(({ child }) => child.pid)));
  await Promise.all(taken.map(discard));
  expect(groups()).toEqual(before);
});

it('does not go on making those that end at once', async () => {
  let made = 0;
  let now = 0;
  const broken = new Slots(
    async () => {
      const slot = await makeHelperSlot(deps);
      made++;
      slot.child.kill('SIGKILL');
      await slot.ended;
      return slot;
    },
    () => now,
  );
  const taken: Slot[] = [];
  // Each soon after the last, so that ever more would be made.
  for (let n = 0; n < 5; n++) {
    taken.push(await broken.take());
    now += 10;
    await delay(200);
  }
  // One for whoever asked and eight more, each time.
  expect(made).toBeGreaterThan(5);
  expect(made).toBeLessThanOrEqual(5 * 9);
  await broken.close();
  await Promise.all(taken.map(discard));
});

it('leaves none when it is closed while one is made', async () => {
  const before = groups();
  const steps = new EventEmitter();
  let made = 0;
  const slow = new Slots(async () => {
    const slot = await makeHelperSlot(deps);
    if (++made === 2) {
      steps.emit('begun');
      await once(steps, 'go on');
    }
    return slot;
  });
  const begun = once(steps, 'begun');
  const first = await slow.take();
  await begun;
  const closing = slow.close();
  steps.emit('go on');
  await closing;
  expect(waiting()).toEqual([first.child.pid]);
  await discard(first);
  expect(groups()).toEqual(before);
});

it('leaves nothing of one that ended while it was ready', async () => {
  const before = groups();
  const first = await slots.take();
  for (const pid of await readyBeside([first])) process.kill(pid, 'SIGKILL');
  await discard(first);
  await expect.poll(groups).toEqual(before);
});

it('leaves nothing where a control group cannot be limited', async () => {
  const before = groups();
  const refused = makeSlot(deps, {
    stdio: ['ignore', 'ignore', 'ignore', 'ignore', 'ignore'],
    limits: { processes: -1, memory_bytes: 1, cpus: 1 },
  });
  if (cgroups?.parents.has('pids') === true) await expect(refused).rejects.toThrow('EINVAL');
  else await discard(await refused);
  expect(waiting()).toEqual([]);
  expect(groups()).toEqual(before);
});

/** A process of its own that opens a workspace and does this with it. */
async function inAnother(work: string): Promise<string> {
  const script = `
    import { createBubblewrapProvider } from '${join(import.meta.dirname, '../../sandbox/index.ts')}';
    const quiet = { info() {}, warn() {} };
    const provider = createBubblewrapProvider({ data_dir: ${JSON.stringify(folder)}, worker_id: 'w', logger: quiet });
    const workspace = await provider.open({ workspace_id: 'default', session_id: 'sesn_a' });
    ${work}
  `;
  const node = [process.execPath, '--import', 'tsx', '--input-type=module', '-e', script];
  const child = spawn('/bin/bash', ['-c', 'exec 251>/dev/null; exec "$@"', 'bash', ...node], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  expect(await once(child, 'close')).toEqual([0, null]);
  return said;
}

it('keeps nobody from coming to an end', async () => {
  const said = await inAnother(`
    await workspace.writeFile('a', 'a');
    await new Promise((resolve) => setTimeout(resolve, 100));
    process.stdout.write('done');
  `);
  expect(said).toBe('done');
});

it('gives a sandbox no descriptor that its worker was started with', async () => {
  const said = await inAnother(`
    const { output } = await workspace.exec({ command: 'ls /proc/self/fd /proc/$$/fd' }, new AbortController().signal);
    process.stdout.write(output);
    await provider.close();
  `);
  expect(said).toContain('/proc/self/fd:\n0\n1\n2\n3\n');
  expect(said).not.toContain('251');
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
  await expect(echo('x'.repeat(131_072))).rejects.toThrow('more than 131071 bytes');
});

it('tells whoever needs one why none can be made', async () => {
  const broken = new Slots<Slot>(() => Promise.reject(new Error('no process left')));
  await expect(broken.take()).rejects.toThrow('no process left');
  await broken.close();
});
