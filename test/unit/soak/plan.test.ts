import { expect, test } from 'vitest';
import { isFault, modelFault, planOf, verdictOf } from '../../support/soak/plan.ts';
import { createRandom } from '../../support/soak/random.ts';

const SIZE = { sessions: 100, kills: 200 };

test('a seed gives the same plan every time, and another seed another', () => {
  expect(planOf(7, SIZE)).toEqual(planOf(7, SIZE));
  expect(planOf(7, SIZE).steps).not.toEqual(planOf(8, SIZE).steps);
  expect(modelFault(7, 12)).toEqual(modelFault(7, 12));
  expect(verdictOf(7, 's1m1')).toEqual(verdictOf(7, 's1m1'));
});

test('a long plan has everything that a soak is about', () => {
  for (const seed of [1, 2, 3]) {
    const { steps, sessions } = planOf(seed, SIZE);
    const kills = steps.flatMap(({ act }) => (act.do === 'kill' ? [act.member] : []));
    expect(kills).toHaveLength(200);
    expect(new Set(kills).size).toBe(4);
    expect(sessions).toHaveLength(100);
    expect(new Set(sessions.map(({ via }) => via))).toEqual(new Set(['channel', 'dm', 'api']));
    const faults = new Set(steps.flatMap(({ act }) => (isFault(act) ? [act.do] : [])));
    for (const fault of ['restart', 'freeze', 'kill_mongodb', 'kill_redis', 'flush_redis', 'cut', 'lose_answer'])
      expect(faults).toContain(fault);
    for (const fault of ['slack_answer', 'event_again', 'sockets', 'minute']) expect(faults).toContain(fault);
  }
});

test('each session says its words in their order, and every one of them', () => {
  const { steps, sessions } = planOf(4, { sessions: 30, kills: 10 });
  for (const { id } of sessions) {
    const said = steps.flatMap(({ act }) => (act.do === 'say' && act.session === id ? [act.job.id] : []));
    expect(said.length).toBeGreaterThan(0);
    expect(said).toEqual(said.map((_, index) => `${id}m${index + 1}`));
    const [first] = steps.filter(({ act }) => 'session' in act && act.session === id);
    expect(first?.act.do).toBe('say');
  }
});

test('the last word is not said before the last faults begin', () => {
  const { steps } = planOf(5, { sessions: 25, kills: 30 });
  const last = steps.findLastIndex(({ act }) => act.do === 'say');
  expect(last / steps.length).toBeGreaterThan(0.8);
});

test('numbers are spread as they should be', () => {
  const random = createRandom(3);
  const drawn = Array.from({ length: 4_000 }, () => random.int(1, 4));
  for (const value of [1, 2, 3, 4]) {
    const times = drawn.filter((one) => one === value).length;
    expect(times).toBeGreaterThan(900);
    expect(times).toBeLessThan(1_100);
  }
  expect(new Set(random.shuffle([1, 2, 3, 4]))).toEqual(new Set([1, 2, 3, 4]));
});
