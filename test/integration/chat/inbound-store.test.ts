import { type Collection, ObjectId } from 'mongodb';
import { describe, expect, it } from 'vitest';
import type { KeptInbound } from '../../../src/chat/inbound-document.ts';
import { createHolder } from '../../../src/chat/inbound-holder.ts';
import { createInboundStore, type InboundStore } from '../../../src/chat/inbound-store.ts';
import { said } from '../../support/chat-stage.ts';
import { useChatStage } from '../../support/use-chat-stage.ts';

const stage = useChatStage();
const LEASE_MS = 30_000;
const HOUR_MS = 3_600_000;

const gateway = () => createInboundStore(stage.db, LEASE_MS);
const event = (text: string) => ({ kind: 'message', message: said(text) }) as const;

async function keep(store: InboundStore, inbound = event('deploy')): Promise<KeptInbound> {
  const kept = await store.keep(inbound);
  if (kept === null) throw new Error('It was kept before');
  return kept;
}

/** What the sweep of this gateway takes first. */
async function sweeps(store: InboundStore): Promise<string | null> {
  await store.endAbandoned();
  return (await store.takeLost())?.id.toHexString() ?? null;
}

const holders = () => stage.db.collection('inbound_holders').countDocuments();

describe('what a gateway holds', () => {
  it('is another’s to take as soon as it has been silent for a lease, and not before', async () => {
    const [one, other] = [gateway(), gateway()];
    const { id } = await keep(one);
    await stage.silence(LEASE_MS / 2);
    expect(await sweeps(other)).toBeNull();
    await stage.silence(LEASE_MS);
    expect(await sweeps(other)).toBe(id.toHexString());
  });

  it('is found however long nobody was there to find it', async () => {
    const { id } = await keep(gateway());
    await stage.silence(48 * HOUR_MS);
    const other = gateway();
    expect(await sweeps(other)).toBe(id.toHexString());
    // Only then is nothing known of it any more; the other one has said that it lives.
    expect(await holders()).toBe(1);
  });

  it('is known of for an hour after its last word, although it holds nothing', async () => {
    const one = gateway();
    await one.applied(await keep(one));
    await stage.silence(LEASE_MS + HOUR_MS / 2);
    const other = gateway();
    await sweeps(other);
    expect(await holders()).toBe(1);
    await stage.silence(HOUR_MS);
    await sweeps(other);
    expect(await holders()).toBe(0);
  });

  it('is taken by one of two that sweep at the same time', async () => {
    await keep(gateway());
    await stage.silence(LEASE_MS + 1);
    const taken = await Promise.all([sweeps(gateway()), sweeps(gateway()), sweeps(gateway())]);
    expect(taken.filter((id) => id !== null)).toHaveLength(1);
  });

  it('is not given back by one that it was taken from meanwhile', async () => {
    const [one, other] = [gateway(), gateway()];
    const kept = await keep(one);
    await stage.silence(LEASE_MS + 1);
    expect(await sweeps(other)).toBe(kept.id.toHexString());
    await one.release(kept);
    await one.retryLater(kept);
    await one.putOff(kept, 0);
    expect(await gateway().takeLost()).toBeNull();
  });
});

/** A gateway that is slow to look for what it has met: `then` happens before it looks, or before it knows what it saw. */
function lateGateway(
  when: 'before' | 'after',
  then: (events: InboundStore) => Promise<void>,
  look: number = 1,
): InboundStore {
  let left = look;
  const late = <T extends object>(
    target: T,
    name: string,
    over: (own: (...args: unknown[]) => unknown) => unknown,
  ): T =>
    new Proxy(target, {
      get(_target, key) {
        const own: unknown = Reflect.get(target, key);
        if (typeof own !== 'function') return own;
        const bound = (...args: unknown[]): unknown => Reflect.apply(own, target, args);
        return key === name ? over(bound) : bound;
      },
    });
  async function meanwhile(): Promise<void> {
    left -= 1;
    if (left === 0) await then(store);
  }
  const found =
    (own: (...args: unknown[]) => unknown) =>
    async (...args: unknown[]) => {
      if (when === 'before') await meanwhile();
      const event = await own(...args);
      if (when === 'after') await meanwhile();
      return event;
    };
  const db = late(stage.db, 'collection', (own) => (...args: unknown[]) => {
    const collection = own(...args);
    return typeof collection === 'object' && collection !== null ? late(collection, 'findOne', found) : collection;
  });
  const store = createInboundStore(db, LEASE_MS);
  return store;
}

it('what was applied since its double was found is not the double’s to apply', async () => {
  const inbound = event('deploy');
  const kept: KeptInbound[] = [];
  const one = lateGateway('after', async (store) => {
    for (const first of kept) await store.applied(first);
  });
  kept.push(await keep(one, inbound));
  expect(await one.keep(inbound)).toBeNull();
});

it.each([1, 2])(
  'what was forgotten before a look (%i) for what its double met is the double’s to keep',
  async (look) => {
    const inbound = event('deploy');
    const first = gateway();
    const kept = await keep(first, inbound);
    const other = lateGateway('before', () => first.forget(kept), look);
    expect(await other.keep(inbound)).not.toBeNull();
    expect(await first.keep(inbound)).toBeNull();
  },
);

describe('a write that fails and may have happened', () => {
  it('leaves its person the word of what they did, where it said that this is done', async () => {
    let failures = 1;
    const write = (collection: Collection) =>
      new Proxy(collection, {
        get(target, name) {
          const own: unknown = Reflect.get(target, name);
          if (typeof own !== 'function') return own;
          if (name !== 'updateMany') return own.bind(target);
          return async (...args: unknown[]) => {
            const written: unknown = await Reflect.apply(own, target, args);
            if (failures-- > 0) throw new Error('The answer was lost');
            return written;
          };
        },
      });
    const db = new Proxy(stage.db, {
      get(target, name) {
        if (name === 'collection') {
          return (called: string, ...options: []) => {
            const collection = target.collection(called, ...options);
            return called === 'inbound' ? write(collection) : collection;
          };
        }
        const own: unknown = Reflect.get(target, name);
        return typeof own === 'function' ? own.bind(target) : own;
      },
    });
    const message = said('deploy');
    const one = stage.receiver({ db });
    expect(await one.message(message)).toEqual({ effect: 'accepted', text: null });
    expect(failures).toBeLessThan(1);
    expect((await one.message(message)).effect).toBe('duplicate');
    expect(await stage.entries('user.message')).toHaveLength(1);
  });

  it('leaves to the next sweep what nobody is at, and to nobody what somebody is', async () => {
    const one = gateway();
    const busy = event('in progress');
    const [kept, failed] = [await keep(one, busy), await keep(one)];
    // A double of what is being applied, while that goes on.
    expect(await one.keep(busy)).toBeNull();
    await expect(one.putOff(failed, Number.NaN)).rejects.toThrow();
    expect(await sweeps(one)).toBe(failed.id.toHexString());
    expect(await sweeps(gateway())).toBeNull();
    await one.applied(kept);
  });

  it('is made good by its redelivery to the same gateway', async () => {
    const one = gateway();
    const inbound = event('deploy');
    const failed = await keep(one, inbound);
    await expect(one.putOff(failed, Number.NaN)).rejects.toThrow();
    const given = await Promise.all([one.keep(inbound), one.keep(inbound)]);
    expect(given.flatMap((kept) => (kept === null ? [] : [kept.id]))).toEqual([failed.id]);
    expect(await one.keep(inbound)).toBeNull();
  });

  it('is looked for until that has gone well once after a lease', async () => {
    for (const [lease_ms, looks] of [
      [LEASE_MS, 4],
      [0, 2],
    ] as const) {
      const holder = createHolder(stage.db, lease_ms);
      await expect(holder.letGo(new ObjectId(), Promise.reject(new Error('away')))).rejects.toThrow('away');
      let count = 0;
      const look = async () => {
        count += 1;
        if (count === 1) throw new Error('still away');
      };
      await expect(holder.whereUnsure(look)).rejects.toThrow('still away');
      for (let n = 0; n < 3; n++) await holder.whereUnsure(look);
      expect(count).toBe(looks);
    }
  });
});
