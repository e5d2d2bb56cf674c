import type { Gate } from '../gate/gate.ts';
import type { MongoCommand } from '../gate/mongo-wire.ts';
import type { Gates, Role, Victim } from './kill-stage.ts';

/** Processes that run already and stay out of everything, so that nothing is left for them but what a killed one leaves. */
export interface Standbys {
  has(role: Role): boolean;
  /** There is one from now on. */
  keep(role: Role): Promise<void>;
  /** Whoever stands by does so no longer, and goes on after this time with what it was about to say. Null: nobody does. */
  letIn(role: Role, after_ms: number): Victim | null;
  end(): Promise<void>;
}

/** @param launch starts one, after telling of its gates */
export function createStandbys(
  launch: (role: Role, before: (gates: Gates) => void) => Promise<Victim>,
  unfollow: (gate: Gate<MongoCommand>) => void,
): Standbys {
  const standing = new Map<Role, { victim: Victim; release(): void }>();
  return {
    has: (role) => standing.has(role),
    async keep(role) {
      if (standing.has(role)) return;
      const ends: Array<() => void> = [];
      const victim = await launch(role, (gates) => ends.push(holdJobs(gates)));
      ends.push(freeze(victim));
      standing.set(role, { victim, release: () => ends.forEach((end) => end()) });
    },
    letIn(role, after_ms) {
      const next = standing.get(role);
      if (next === undefined) return null;
      standing.delete(role);
      setTimeout(next.release, after_ms);
      return next.victim;
    },
    async end() {
      for (const { victim } of standing.values()) {
        unfollow(victim.mongo);
        await victim.kill();
        await Promise.all([victim.mongo, victim.redis].map((gate) => gate[Symbol.asyncDispose]()));
      }
      standing.clear();
    },
  };
}

/** What a driver says to know that its service is there. */
const GREETINGS = new Set(['hello', 'isMaster', 'ping']);

/** From before it starts: a worker that waits for jobs would be given one, and could not take it. Returns the end of it. */
function holdJobs({ redis }: Gates): () => void {
  return redis.holdRequest(({ name }) => name === 'BZPOPMIN').release;
}

/** It hears what it is told and says nothing. Returns the end of it. */
function freeze({ mongo, redis }: Gates): () => void {
  const held = [mongo.holdRequest(({ name }) => !GREETINGS.has(name)), redis.holdRequest(() => true)];
  return () => held.forEach(({ release }) => release());
}
