import { expect, test } from 'vitest';
import { type Allocations, allocatedBy, ownTime } from '../../../bench/profile.ts';

const frame = (functionName: string, url: string) => ({ functionName, url });

test('own time is summed by package, by file of ours, and by function; idle time is left out', () => {
  const profile = {
    nodes: [
      { id: 1, callFrame: frame('(idle)', '') },
      { id: 2, callFrame: frame('serialize', 'file:///house/node_modules/bson/lib/bson.cjs') },
      { id: 3, callFrame: frame('', 'file:///house/node_modules/@slack/bolt/dist/App.js') },
      { id: 4, callFrame: frame('fold', 'file:///house/dist/src/session/state.js') },
      { id: 5, callFrame: frame('(garbage collector)', '') },
      { id: 6, callFrame: frame('emit', 'node:events') },
    ],
    samples: [1, 2, 2, 3, 4, 5, 6],
    timeDeltas: [9000, 1000, 2000, 500, 4000, 300, 200],
  };
  const { busy_ms, packages, functions } = ownTime(profile);
  expect(busy_ms).toBeCloseTo(8);
  expect(packages).toEqual([
    { place: 'src/session/state.js', ms: 4 },
    { place: 'bson', ms: 3 },
    { place: '@slack/bolt', ms: 0.5 },
    { place: '(garbage collector)', ms: 0.3 },
    { place: 'node', ms: 0.2 },
  ]);
  expect(functions[0]).toEqual({ place: 'fold src/session/state.js', ms: 4 });
});

test('what is allocated is summed by package or file, whoever called it', () => {
  const node = (url: string, selfSize: number, children: Allocations[] = []): Allocations => ({
    callFrame: frame('f', url),
    selfSize,
    children,
  });
  const bson = 'file:///house/node_modules/bson/lib/bson.cjs';
  const head = node('', 0, [node('file:///house/dist/src/session/state.js', 10, [node(bson, 30)]), node(bson, 5)]);
  expect(allocatedBy(head)).toEqual({
    bytes: 45,
    places: [
      { place: 'bson', bytes: 35 },
      { place: 'src/session/state.js', bytes: 10 },
      { place: '(native)', bytes: 0 },
    ],
  });
});
