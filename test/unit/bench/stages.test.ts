import { expect, test } from 'vitest';
import { stagesInWords, stagesOf } from '../../../bench/stages.ts';

const turns = { started: [1000, 2000, 3000], total_ms: [20, 30, 40] };

/** The same step in each turn, so long after its start. */
const always = (name: string, after: number, takes: number) =>
  turns.started.map((started) => ({ name, from: started + after, to: started + after + takes }));

test('steps are named by process, numbered when they repeat, and stand in the order of time', () => {
  const worker = { role: 'worker', spans: [...always('write', 9, 2), ...always('write', 4, 1)] };
  const gateway = { role: 'gateway', spans: always('write', 1, 2) };
  expect(stagesOf([worker, gateway], turns)).toEqual([
    { name: 'gateway write', at: 1, takes: 2, turns: 3 },
    { name: 'worker write', at: 4, takes: 1, turns: 3 },
    { name: 'worker write (2)', at: 9, takes: 2, turns: 3 },
  ]);
});

test('what begins between two turns belongs to none, and what few turns have is left out', () => {
  const between = { name: 'sweep', from: 1500, to: 1501 };
  const once = { name: 'renewal', from: 2001, to: 2002 };
  expect(stagesOf([{ role: 'worker', spans: [between, once] }], turns)).toEqual([]);
});

test('a person reads when each step begins and how long it takes', () => {
  const words = stagesInWords([{ role: 'worker', spans: always('asks', 4, 1.5) }], turns);
  expect(words.split('\n')).toEqual([
    'A turn alone, step by step: ms after the message was sent, ms that it takes (medians of 3 turns)',
    '     4.00     1.50  worker asks',
    '    30.00           the client has its session.status_idle',
  ]);
});
