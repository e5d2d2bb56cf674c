import { afterEach, expect, test, vi } from 'vitest';
import { createRoom, type RoomLimits } from '../../src/chat/room.ts';

afterEach(() => void vi.useRealTimers());

/** Who got in, in order, by lane and weight (`A`, `A6`); `leave` lets the first one of a lane out again, twice. */
function crowdBefore(limits: RoomLimits) {
  const room = createRoom('things', limits);
  const order: string[] = [];
  const inside: Array<{ lane: string; leave: () => void }> = [];
  return {
    room,
    order,
    async come(...names: string[]) {
      const refused: string[] = [];
      for (const name of names) {
        const lane = name.charAt(0);
        void room.enter(lane, name.length === 1 ? 1 : Number(name.slice(1))).then(
          (leave) => {
            order.push(name);
            inside.push({ lane, leave });
          },
          () => refused.push(name),
        );
      }
      await new Promise(setImmediate);
      return refused;
    },
    async leave(...lanes: string[]) {
      for (const lane of lanes) {
        const at = inside.findIndex((one) => one.lane === lane);
        if (at === -1) throw new Error(`Nobody of ${lane} is inside`);
        const [gone] = inside.splice(at, 1);
        gone?.leave();
        gone?.leave();
        await new Promise(setImmediate);
      }
    },
  };
}

test('lets in what fits, and the others in the order of their lane', async () => {
  const { come, leave, order } = crowdBefore({ size: 10 });
  // The last would fit, and has to wait for its turn all the same.
  await come('A6', 'A8', 'A1');
  expect(order).toEqual(['A6']);
  await leave('A');
  expect(order).toEqual(['A6', 'A8', 'A1']);
});

test('lets what is heavier than the room in alone', async () => {
  const { come, leave, order } = crowdBefore({ size: 10 });
  await come('A100', 'B1');
  expect(order).toEqual(['A100']);
  await leave('A');
  expect(order).toEqual(['A100', 'B1']);
});

test('is left once by each', async () => {
  const { come, leave, order } = crowdBefore({ size: 2 });
  await come('A', 'A', 'A', 'A');
  await leave('A');
  expect(order).toHaveLength(3);
});

test('what waits in thousands costs another lane a turn', async () => {
  const { come, leave, order } = crowdBefore({ size: 1 });
  await come(...Array.from({ length: 5_000 }, () => 'A'));
  await come('B', 'B', 'B', 'C');
  await leave('A', 'B', 'C', 'A', 'B', 'A', 'B', 'A');
  expect(order.join('')).toBe('ABCABABAA');
});

test('the lane that has the least inside is next, however long the others wait', async () => {
  const { come, leave, order } = crowdBefore({ size: 3 });
  await come('A', 'A', 'B', 'A', 'A', 'B', 'B', 'C');
  await leave('A');
  expect(order.join('')).toBe('AABC');
  // A has one inside for a shorter time than B.
  await leave('C');
  expect(order.join('')).toBe('AABCB');
});

test('a room that has become smaller is as fair', async () => {
  const { room, come, leave, order } = crowdBefore({ size: 4 });
  await come('A', 'A', 'A', 'A', 'A', 'A', 'A');
  room.resize(1);
  await come('B');
  await leave('A', 'A', 'A');
  expect(order.join('')).toBe('AAAA');
  await leave('A', 'B');
  expect(order.join('')).toBe('AAAABA');
  room.resize(3);
  await new Promise(setImmediate);
  expect(order.join('')).toBe('AAAABAAA');
});

test('keeps places free for lanes that have nothing inside', async () => {
  const { come, leave, order } = crowdBefore({ size: 3, size_for_first: 5 });
  await come('A', 'A', 'A', 'A', 'B', 'B', 'C', 'D');
  expect(order.join('')).toBe('AAABC');
  await leave('A');
  expect(order.join('')).toBe('AAABCD');
});

test('a lane that has as much inside as it may holds up no other', async () => {
  const { come, leave, order } = crowdBefore({ size: 10, of_lane: 5 });
  await come('A4', 'A4', 'A1', 'B5', 'C1');
  expect(order).toEqual(['A4', 'B5', 'C1']);
  await leave('A');
  expect(order).toEqual(['A4', 'B5', 'C1', 'A4']);
  await leave('B');
  expect(order).toEqual(['A4', 'B5', 'C1', 'A4', 'A1']);
});

test('what is heavier than its lane may have inside is let in as the only one of it', async () => {
  const { come, leave, order } = crowdBefore({ size: 10, of_lane: 5 });
  await come('A1', 'A8', 'B1');
  expect(order).toEqual(['A1', 'B1']);
  await leave('A');
  expect(order).toEqual(['A1', 'B1', 'A8']);
});

test('refuses what comes when as much waits as may, in all or of its lane', async () => {
  const { come, leave, order } = crowdBefore({ size: 1, waiting: 5, waiting_of_lane: 3 });
  expect(await come('A', 'A3', 'A', 'B', 'C', 'D')).toEqual(['A', 'D']);
  await leave('A', 'B', 'C');
  expect(await come('D')).toEqual([]);
  await leave('A');
  expect(order).toEqual(['A', 'B', 'C', 'A3', 'D']);
});

test('says what there is too much of', async () => {
  const { room } = crowdBefore({ size: 1, waiting: 0 });
  await expect(room.enter('A')).rejects.toThrow('too many things');
});

test('in waves, whoever comes after one waits for the next, the longer the more it had', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  const { order, come } = crowdBefore({ size: 10, in_waves: (entered) => entered * 10 });
  await come('A', 'B', 'C');
  expect(order.join('')).toBe('A');
  await vi.advanceTimersByTimeAsync(9);
  expect(order.join('')).toBe('A');
  await vi.advanceTimersByTimeAsync(1);
  expect(order.join('')).toBe('ABC');
  await come('D');
  await vi.advanceTimersByTimeAsync(19);
  expect(order.join('')).toBe('ABC');
  await vi.advanceTimersByTimeAsync(1);
  expect(order.join('')).toBe('ABCD');
});

test('in waves, whoever comes after a pause enters at once', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  const { order, come } = crowdBefore({ size: 10, in_waves: () => 50 });
  await come('A');
  await vi.advanceTimersByTimeAsync(50);
  expect(vi.getTimerCount()).toBe(0);
  await come('B');
  expect(order.join('')).toBe('AB');
});

test('in waves, lets nobody in until half of the room is left, beside whoever stays', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  const { order, come, leave } = crowdBefore({ size: 4, in_waves: () => 50 });
  await come('A', 'B', 'C', 'D', 'E', 'F', 'G');
  await vi.advanceTimersByTimeAsync(50);
  expect(order.join('')).toBe('ABCD');
  await vi.advanceTimersByTimeAsync(1_000);
  await leave('B');
  expect(order.join('')).toBe('ABCD');
  await leave('C');
  expect(order.join('')).toBe('ABCDEF');
  await leave('D', 'E');
  expect(order.join('')).toBe('ABCDEF');
  await vi.advanceTimersByTimeAsync(50);
  expect(order.join('')).toBe('ABCDEFG');
});
