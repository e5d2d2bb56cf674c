import { expect, it } from 'vitest';
import { laneOf } from '../../../src/chat/conversation-store.ts';
import { place, said } from '../../support/chat-stage.ts';
import { deferred } from '../../support/deferred.ts';
import { useChatStage } from '../../support/use-chat-stage.ts';

/** Applied at once, at most. */
const PLACES = 16;
const elsewhere = { ...place, channel: 'C2' };

const stage = useChatStage();

it('a message waits for those that are being applied, and for none that another channel floods its gateway with', async () => {
  const inside = deferred<void>();
  const released = deferred<void>();
  const ended = deferred<void>();
  let begun = 0;
  const directory: typeof stage.directory = {
    ...stage.directory,
    async create(session) {
      if (session.lane === laneOf(place)) {
        begun += 1;
        inside.resolve();
        // Those that may have been let in before the other channel's message, and all that come after them.
        await (begun <= PLACES ? released.promise : ended.promise);
      }
      return stage.directory.create(session);
    },
  };
  const { service } = stage.receiver({ directory });
  const flood = await Promise.all(
    Array.from({ length: 200 }, (_, n) =>
      service.message(said('hi', { conversation: { ...place, thread: `1.${n}` } })),
    ),
  );
  const end = Promise.allSettled(flood.map(({ receipt }) => receipt));
  await inside.promise;
  const { receipt } = await service.message(said('deploy', { conversation: elsewhere }));
  released.resolve();
  expect((await receipt).effect).toBe('accepted');
  const stopped = service[Symbol.asyncDispose]();
  ended.resolve();
  await stopped;
  await end;
});

it('what one channel may not have kept holds up no other’s', async () => {
  const inside = deferred<void>();
  const released = deferred<void>();
  const directory: typeof stage.directory = {
    ...stage.directory,
    async create(session) {
      if (session.lane === laneOf(place)) {
        inside.resolve();
        await released.promise;
      }
      return stage.directory.create(session);
    },
  };
  // Each of them weighs a little over 4 KiB; half of it all is one channel's.
  const { service } = stage.receiver({ directory, room: { in_flight: 20 * 4_200, waiting: 20 * 4_000 } });
  const kept = await Promise.all(Array.from({ length: 10 }, () => service.message(said('hi'))));
  const waiting = Array.from({ length: 10 }, () => service.message(said('hi')));
  await inside.promise;
  await expect(service.message(said('hi'))).rejects.toThrow('too many chat events');
  const { receipt } = await service.message(said('deploy', { conversation: elsewhere }));
  expect((await receipt).effect).toBe('accepted');
  released.resolve();
  for (const one of [...kept, ...(await Promise.all(waiting))]) expect((await one.receipt).effect).toBe('accepted');
});
