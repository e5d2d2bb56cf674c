import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { DiskWatch } from '../../sandbox/disk-watch.ts';

const MiB = 1024 * 1024;
const LIMIT = 64 * MiB;
/** Of the file system. */
let free: number;
/** Of the session. */
let used: number;
let measured: number;
let full: number[];
let watch: DiskWatch;

beforeEach(() => {
  vi.useFakeTimers();
  free = 1024 * MiB;
  used = 0;
  measured = 0;
  full = [];
  watch = new DiskWatch(() => free);
});

afterEach(() => {
  vi.useRealTimers();
});

async function start(): Promise<() => void> {
  return watch.watch({
    limit: LIMIT,
    measure: () => {
      measured += 1;
      return Promise.resolve(used);
    },
    onFull: (bytes) => full.push(bytes),
  });
}

function write(bytes: number): Promise<unknown> {
  used += bytes;
  free -= bytes;
  return vi.advanceTimersByTimeAsync(100);
}

it('measures only when a session may have passed its limit, and says when it has', async () => {
  const stop = await start();
  expect(measured).toBe(1);
  await write(40 * MiB);
  await write(20 * MiB);
  expect(measured).toBe(1);
  await write(8 * MiB);
  expect(measured).toBe(2);
  expect(full).toEqual([68 * MiB]);
  stop();
});

it('is not deceived by what others free meanwhile', async () => {
  const stop = await start();
  for (let second = 0; second < 7; second++) {
    await write(10 * MiB);
    free += 100 * MiB;
    await vi.advanceTimersByTimeAsync(100);
  }
  expect(full).toEqual([70 * MiB]);
  stop();
});

it('lets a session that is not at fault go on when others fill the disk', async () => {
  const stop = await start();
  free -= 500 * MiB;
  await vi.advanceTimersByTimeAsync(100);
  expect(measured).toBe(2);
  await vi.advanceTimersByTimeAsync(1000);
  expect(measured).toBe(2);
  expect(full).toEqual([]);
  stop();
});

it('looks no more once nobody is watched', async () => {
  const stop = await start();
  expect(vi.getTimerCount()).toBe(1);
  stop();
  expect(vi.getTimerCount()).toBe(0);
});
