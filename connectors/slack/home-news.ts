import type { Connector } from '../../src/chat/connector.ts';
import type { Mention } from '../../src/chat/place.ts';
import { messageOf } from '../../src/errors.ts';
import type { Logger } from '../../src/logger.ts';
import { createAllowance } from './allowance.ts';
import { withoutSecrets } from './bolt-logger.ts';
import type { HomeDrawing } from './draw-home.ts';
import type { SlackGroups } from './groups.ts';
import { type Home, type Homes, REST_MS } from './homes.ts';
import type { InFlight } from './in-flight.ts';

/** What changes within so long is looked at together. */
const GATHER_MS = 500;
/** How often each gateway looks for what another one owes. */
const LOOK_MS = 15_000;
/** views.publish takes 100 calls a minute and more (Tier 4); the rest is for those who open and press. */
const DRAWS_PER_MINUTE = 60;
/** What is beyond that waits for so long. */
const CROWDED_MS = 10_000;
/** Tabs that one gateway draws side by side: a slow workspace holds up no other for long. */
const LANES = 4;

export interface HomeNewsParts {
  homes: Homes;
  draw: HomeDrawing['draw'];
  groups: Pick<SlackGroups, 'peopleOf'>;
  inFlight: InFlight;
  logger: Logger;
  now: () => number;
  /** Run it after `ms`, unless cancelled. */
  after: (ms: number, run: () => void) => () => void;
}

export interface HomeNews {
  /** As `Connector.changed`. @param tenant null: not known */
  changed: NonNullable<Connector['changed']>;
  start(): void;
  /** What is owed is left to the other gateways. */
  stop(): void;
}

/** Draws the Home tabs of those again whom something concerns, if they have opened theirs. */
export function createHomeNews({ homes, draw, groups, inFlight, logger, now, after }: HomeNewsParts): HomeNews {
  const allowance = createAllowance(DRAWS_PER_MINUTE, now);
  /** Until when a workspace takes none, in ms since the epoch. */
  const held = new Map<string, number>();
  const cancels = new Set<() => void>();
  /** By tenant; of each the same ones are told once. */
  let changes = new Map<string | null, Map<string, Mention>>();
  let isRunning = false;
  let looks: Promise<void> | null = null;

  function later(ms: number, run: () => Promise<void>): void {
    if (!isRunning) return;
    const cancel = after(ms, () => {
      cancels.delete(cancel);
      follow(run());
    });
    cancels.add(cancel);
  }

  function follow(work: Promise<void>): void {
    inFlight.follow(work, (error) => {
      logger.warn(
        { reason: withoutSecrets(messageOf(error)) },
        'home tabs are not up to date; they are looked at again',
      );
    });
  }

  function note(concerned: Iterable<Mention>, tenant: string | null): void {
    const known = changes.get(tenant) ?? new Map<string, Mention>();
    for (const one of concerned) known.set(`${one.kind}:${one.id}`, one);
    changes.set(tenant, known);
  }

  async function tell(): Promise<void> {
    const told = changes;
    changes = new Map();
    const failed: unknown[] = [];
    for (const [tenant, concerned] of told) {
      try {
        const people = await Promise.all([...concerned.values()].map((one) => peopleOf(one, tenant)));
        await homes.outdate(tenant, people.flat());
      } catch (error) {
        failed.push(error);
        note(concerned.values(), tenant);
      }
    }
    if (failed.length > 0) {
      later(LOOK_MS, tell);
      throw failed[0];
    }
    await look();
    // What was drawn a moment ago rests first.
    later(REST_MS, look);
  }

  async function peopleOf({ kind, id }: Mention, tenant: string | null): Promise<string[]> {
    if (kind === 'person') return [id];
    return kind === 'group' && tenant !== null ? [...(await groups.peopleOf(id, tenant))] : [];
  }

  /** Draw all that are due. One look at a time: it takes along what falls due meanwhile. */
  async function look(): Promise<void> {
    looks ??= Promise.all(Array.from({ length: LANES }, lane))
      .then(() => undefined)
      .finally(() => {
        looks = null;
      });
    await looks;
  }

  async function lane(): Promise<void> {
    while (isRunning) {
      const home = await homes.claim();
      if (home === null) return;
      await drawInTurn(home);
    }
  }

  async function drawInTurn(home: Home): Promise<void> {
    const wait_ms = (held.get(home.tenant) ?? 0) - now();
    if (wait_ms > 0) return homes.putOff(home, wait_ms);
    held.delete(home.tenant);
    if (!allowance.take(home.tenant)) return homes.putOff(home, CROWDED_MS);
    const asked_ms = await draw(home);
    if (asked_ms !== null) held.set(home.tenant, now() + asked_ms);
  }

  async function lookAgain(): Promise<void> {
    later(LOOK_MS, lookAgain);
    await look();
  }

  return {
    changed(concerned, tenant) {
      if (!isRunning) return;
      if (changes.size === 0) later(GATHER_MS, tell);
      note(concerned, tenant);
    },
    start() {
      isRunning = true;
      follow(lookAgain());
    },
    stop() {
      isRunning = false;
      for (const cancel of cancels) cancel();
      cancels.clear();
    },
  };
}
