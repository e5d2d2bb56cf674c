import type { Benchmark } from '../benchmark.ts';
import { slope } from '../statistics.ts';
import { AT_ONCE, repeated, turnsOn } from './rounds.ts';

/** Turns between two looks at the heap. */
const BLOCK = 1000;
/** A megabyte in five thousand turns is what collections differ by. */
const FLAT = 200;

/** A day's turns in a few minutes: what the heap gains per turn, once its caches are full. */
export const memory: Benchmark = {
  name: 'memory',
  about: `the heap after a collection, every ${BLOCK} turns; each round is so many turns`,
  // The worker's cache of a thousand sessions is full after 16.
  rounds: 32,
  rows: {
    worker: { unit: 'bytes/turn', better: 'lower', target: FLAT },
    gateway: { unit: 'bytes/turn', better: 'lower', target: FLAT },
  },
  async run(stage, { rounds, say }) {
    await using house = await stage.house();
    const [gateway, worker] = await Promise.all([house.start('gateway'), house.start('worker')]);
    const prepare = turnsOn(stage, house, gateway);
    const errors: string[] = [];
    // One more: a slope needs two points at the least.
    const heaps = await repeated(rounds + 1, async (round) => {
      const result = await (await prepare(AT_ONCE, BLOCK))();
      errors.push(...result.errors);
      const heap = { worker: await worker.call('heapAfterGc'), gateway: await gateway.call('heapAfterGc') };
      say(`${(round + 1) * BLOCK} turns: worker ${mb(heap.worker)} MB, gateway ${mb(heap.gateway)} MB`);
      return heap;
    });
    // The first half fills the caches.
    const later = heaps.slice(Math.floor(heaps.length / 2) - 1);
    const row = (role: 'worker' | 'gateway') => ({
      rounds: [slope(later.map((heap, index) => ({ x: index * BLOCK, y: heap[role] })))],
      n: heaps.length * BLOCK,
      errors,
    });
    const course = (role: 'worker' | 'gateway') => heaps.map((heap) => mb(heap[role])).join(' ');
    return {
      rows: { worker: row('worker'), gateway: row('gateway') },
      notes: [
        `Heap after a collection, in MB, every ${BLOCK} turns:\n  worker  ${course('worker')}\n  gateway ${course('gateway')}`,
      ],
    };
  },
};

function mb(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
