import { expect, test } from 'vitest';
import { createFetchRoom } from '../../src/chat/fetch-room.ts';

/** Who got in, in order; `leave` lets the first one of a workspace out again. */
function crowdBefore(room: ReturnType<typeof createFetchRoom>) {
  const order: string[] = [];
  const inside: Array<{ workspace: string; leave: () => void }> = [];
  return {
    order,
    async come(...workspaces: string[]) {
      for (const workspace of workspaces) {
        void room.enter(workspace).then((leave) => {
          order.push(workspace);
          inside.push({ workspace, leave });
        });
      }
      await new Promise(setImmediate);
    },
    async leave(workspace: string) {
      const at = inside.findIndex((one) => one.workspace === workspace);
      const [gone] = inside.splice(at, 1);
      gone?.leave();
      gone?.leave();
      await new Promise(setImmediate);
    },
  };
}

test('takes so many at once, also of one workspace alone', async () => {
  const { come, leave, order } = crowdBefore(createFetchRoom(3, 5));
  await come('A', 'A', 'A', 'A', 'A');
  expect(order).toEqual(['A', 'A', 'A']);
  await leave('A');
  expect(order).toEqual(['A', 'A', 'A', 'A']);
});

test('lets one of each other workspace in beyond that, up to the most', async () => {
  const { come, leave, order } = crowdBefore(createFetchRoom(3, 5));
  await come('A', 'A', 'A', 'A', 'B', 'B', 'C', 'D');
  expect(order).toEqual(['A', 'A', 'A', 'B', 'C']);
  await leave('A');
  expect(order.slice(5)).toEqual(['D']);
});

test('lets the workspaces that wait in by turns, and first whoever has the fewest inside', async () => {
  const { come, leave, order } = crowdBefore(createFetchRoom(2, 2));
  await come('A', 'A', 'A', 'A', 'A', 'B', 'B', 'C');
  expect(order).toEqual(['A', 'A']);
  for (const gone of ['A', 'A', 'B', 'C', 'A', 'B']) await leave(gone);
  expect(order.slice(2)).toEqual(['B', 'C', 'A', 'B', 'A', 'A']);
});
