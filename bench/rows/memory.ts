import type { Benchmark } from '../benchmark.ts';
import { slope } from '../statistics.ts';
import { AT_ONCE, repeated, turnsOn, until } from './rounds.ts';
import { running, slackSettings, startSlack } from './slack-side.ts';

/** Turns through `/v1` between two looks at the heap; besides, turns with a command, and mentions in Slack. */
const BLOCK = 1000;
const COMMANDS = 50;
const MENTIONS = 20;
const EACH = BLOCK + COMMANDS + MENTIONS;
const PATIENCE_MS = 180_000;
/** A megabyte in five thousand turns is what collections differ by. */
const FLAT = 200;

/** A day's turns in a few minutes, one for every 2.5 s of it: what the heap gains per turn, once its caches are full. */
export const memory: Benchmark = {
  name: 'memory',
  about: `the heap after a collection, every ${EACH} turns, some with commands and some in Slack; each round is so many`,
  // The worker's cache of a thousand sessions is full after 16.
  rounds: 32,
  rows: {
    worker: { unit: 'bytes/turn', better: 'lower', target: FLAT },
    gateway: { unit: 'bytes/turn', better: 'lower', target: FLAT },
  },
  async run(stage, { rounds, say }) {
    await using slack = startSlack();
    const { api_url, tokens } = await slack.call('access');
    await using house = await stage.house(slackSettings('http', api_url, tokens));
    const [gateway, worker] = await Promise.all([house.start('gateway'), house.start('worker')]);
    await slack.call('deliverTo', `${gateway.url}/slack/events`);
    const prepare = turnsOn(stage, house, gateway);
    const errors: string[] = [];
    // One more: a slope needs two points at the least.
    const heaps = await repeated(rounds + 1, async (round) => {
      const turns = await (await prepare(AT_ONCE, BLOCK))();
      const commands = await (await prepare(10, COMMANDS, { directives: [{ calls: 1 }] }))();
      errors.push(...turns.errors, ...commands.errors);
      await slack.call('mention', MENTIONS, {});
      await until('all have their answers', PATIENCE_MS, async () => (await running(house)) === 0);
      const heap = { worker: await worker.call('heapAfterGc'), gateway: await gateway.call('heapAfterGc') };
      say(`${(round + 1) * EACH} turns: worker ${mb(heap.worker)} MB, gateway ${mb(heap.gateway)} MB`);
      return heap;
    });
    // The first half fills the caches.
    const later = heaps.slice(Math.floor(heaps.length / 2) - 1);
    const row = (role: 'worker' | 'gateway') => ({
      rounds: [slope(later.map((heap, index) => ({ x: index * EACH, y: heap[role] })))],
      n: heaps.length * EACH,
      errors,
    });
    const course = (role: 'worker' | 'gateway') => heaps.map((heap) => mb(heap[role])).join(' ');
    return {
      rows: { worker: row('worker'), gateway: row('gateway') },
      notes: [
        `Heap after a collection, in MB, every ${EACH} turns:\n  worker  ${course('worker')}\n  gateway ${course('gateway')}`,
      ],
    };
  },
};

function mb(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
