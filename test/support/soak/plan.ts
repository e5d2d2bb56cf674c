import type { Job, JobKind } from './jobs.ts';
import { createRandom, type Random, seedOf } from './random.ts';

/** The processes of the house: two machines that work, two that receive and deliver. */
export type Member = 'worker-1' | 'worker-2' | 'gateway-1' | 'gateway-2';

export const MEMBERS = ['worker-1', 'worker-2', 'gateway-1', 'gateway-2'] as const;

export interface PlannedSession {
  id: string;
  /** In a channel's thread, in a direct message, or a client of the API. */
  via: 'channel' | 'dm' | 'api';
  /** Of an API session: its commands ask first. */
  careful: boolean;
}

/** What a person does. */
export type Deed =
  | { do: 'say'; session: string; job: Job }
  /** Words in the thread that are not for the bot. */
  | { do: 'chat'; session: string; id: string }
  /** The Stop button. */
  | { do: 'stop'; session: string };

/** What goes wrong. */
export type Fault =
  /** Its double is up at that moment; `alone` does not care, so that sometimes nobody is left. */
  | { do: 'kill'; member: Member; alone: boolean }
  /** SIGTERM, as at a rolling restart. */
  | { do: 'restart'; member: Member }
  /** SIGSTOP, and SIGCONT after `ms`: longer than a lease. */
  | { do: 'freeze'; member: Member; ms: number }
  | { do: 'kill_mongodb' }
  | { do: 'kill_redis'; keep_data: boolean }
  | { do: 'flush_redis' }
  /** No connection for `ms`. */
  | { do: 'cut'; service: 'mongodb' | 'redis'; ms: number }
  /** The next write is carried out and its answer lost. */
  | { do: 'lose_answer'; service: 'mongodb' | 'redis' }
  /** What befalls the next Web API call of a kind; `lost` is applied and not answered. */
  | { do: 'slack_answer'; of: 'posting' | 'editing' | 'reading'; answer: 'lost' | '429' | '500' }
  /** The next event comes twice at once, or the latest comes again. */
  | { do: 'event_again'; how: 'doubled' | 'redelivered' }
  /** Slack's sockets are cut or asked to come again (in Socket Mode). */
  | { do: 'sockets'; how: 'cut' | 'refresh' }
  /** Slack's clock moves by a minute: what was not acknowledged is delivered again. */
  | { do: 'minute' };

/** Waits for the next happening of this kind, then `delay_ms`, then it is done. */
export interface Step {
  when: Happening;
  delay_ms: number;
  act: Deed | Fault;
}

/** A model request arrives, a Web API call, an answer to an event of Slack's; or none is waited for. */
export type Happening = 'model' | 'slack' | 'event' | 'at_once';

export interface Plan {
  seed: number;
  /** How Slack reaches the gateways. */
  mode: 'socket' | 'http';
  /** How wrong each member's clock is, in milliseconds. */
  skew_ms: Record<Member, number>;
  sessions: PlannedSession[];
  steps: Step[];
}

export interface Size {
  sessions: number;
  /** SIGKILLs of workers and gateways. */
  kills: number;
}

/** Longest freeze, in milliseconds: three leases of a soak's house (LEASE_MS in crew.ts). */
const LONGEST_FREEZE_MS = 3_000;

/** The plan of a soak: the same seed and size always give the same one. What a machine makes of it is its own time. */
export function planOf(seed: number, size: Size): Plan {
  const random = createRandom(seedOf(seed, 'plan'));
  const sessions = Array.from({ length: size.sessions }, (_, index) => sessionOf(index, random));
  const deeds = sessions.flatMap((session) => deedsOf(session, random).map((deed) => ({ session, deed })));
  const faults = random.shuffle(faultsOf(size, random));
  return {
    seed,
    mode: random.pick(['socket', 'http']),
    skew_ms: {
      'worker-1': 0,
      'worker-2': random.pick([-1, 1]) * random.int(5_000, 120_000),
      'gateway-1': 0,
      'gateway-2': random.pick([-1, 1]) * random.int(1_000, 60_000),
    },
    sessions,
    steps: woven(inOrder(deeds, random), faults, random),
  };
}

function sessionOf(index: number, random: Random): PlannedSession {
  return {
    id: `s${index + 1}`,
    via: random.pick(['channel', 'channel', 'dm', 'api']),
    careful: random.chance(0.3),
  };
}

const KINDS: readonly [JobKind, ...JobKind[]] = ['say', 'long', 'long', 'steps', 'steps', 'batch', 'edit'];

function deedsOf(session: PlannedSession, random: Random): Deed[] {
  const said = Array.from({ length: random.int(1, 4) }, (_, index): Deed => {
    return { do: 'say', session: session.id, job: jobOf(`${session.id}m${index + 1}`, random) };
  });
  if (session.via === 'channel' && random.chance(0.3)) {
    said.splice(random.int(1, said.length), 0, { do: 'chat', session: session.id, id: `${session.id}c` });
  }
  if (random.chance(0.1)) said.splice(random.int(1, said.length), 0, { do: 'stop', session: session.id });
  return said;
}

function jobOf(id: string, random: Random): Job {
  const kind = random.pick(KINDS);
  // Six hundred lines are more than one post holds.
  if (kind === 'long') return { id, kind, size: random.chance(0.15) ? 600 : random.int(5, 40) };
  return { id, kind, size: random.int(1, 3) };
}

/** Each session's deeds in their order; the sessions one after another, overlapping. */
function inOrder(deeds: { session: PlannedSession; deed: Deed }[], random: Random): Deed[] {
  const starts = new Map<PlannedSession, number>();
  let started = 0;
  return deeds
    .map(({ session, deed }) => {
      if (!starts.has(session)) starts.set(session, started++);
      const place = (starts.get(session) ?? 0) + random.next() * 5;
      return { session, deed, place };
    })
    .reduce<{ session: PlannedSession; deed: Deed; place: number }[]>((placed, one) => {
      const before = placed.findLast((other) => other.session === one.session);
      return [...placed, { ...one, place: Math.max(one.place, (before?.place ?? -1) + 0.1) }];
    }, [])
    .sort((a, b) => a.place - b.place)
    .map(({ deed }) => deed);
}

function faultsOf({ kills, sessions }: Size, random: Random): Fault[] {
  const times = <T>(count: number, make: (index: number) => T): T[] =>
    Array.from({ length: Math.ceil(count) }, (_, index) => make(index));
  const member = (): Member => random.pick(MEMBERS);
  return [
    ...times(kills, (): Fault => {
      return { do: 'kill', member: random.pick([...MEMBERS, 'worker-1', 'worker-2']), alone: random.chance(0.08) };
    }),
    ...times(kills / 12, (): Fault => ({ do: 'restart', member: member() })),
    ...times(kills / 8, (): Fault => ({ do: 'freeze', member: member(), ms: random.int(1_200, LONGEST_FREEZE_MS) })),
    ...times(kills / 16, (): Fault => ({ do: 'kill_mongodb' })),
    ...times(kills / 16, (index): Fault => ({ do: 'kill_redis', keep_data: index % 2 === 0 })),
    ...times(kills / 12, (): Fault => ({ do: 'flush_redis' })),
    ...times(kills / 16, (index): Fault => {
      return { do: 'cut', service: index % 2 === 0 ? 'mongodb' : 'redis', ms: random.int(100, 2_000) };
    }),
    ...times(
      sessions,
      (): Fault => ({
        do: 'slack_answer',
        of: random.pick(['posting', 'posting', 'editing', 'reading']),
        answer: random.pick(['lost', '429', '500']),
      }),
    ),
    ...times(kills / 4, (index): Fault => ({ do: 'lose_answer', service: index % 3 === 0 ? 'redis' : 'mongodb' })),
    ...times(sessions, (): Fault => ({ do: 'event_again', how: random.pick(['doubled', 'redelivered']) })),
    ...times(kills / 10, (): Fault => ({ do: 'sockets', how: random.pick(['cut', 'refresh']) })),
    ...times(kills / 3, (): Fault => ({ do: 'minute' })),
  ];
}

/** Faults spread over the deeds, each kind of step with a moment of its own. */
function woven(deeds: readonly Deed[], faults: readonly Fault[], random: Random): Step[] {
  const step = (act: Deed | Fault): Step =>
    isFault(act)
      ? { when: random.pick(['model', 'slack', 'slack', 'event', 'at_once']), delay_ms: random.int(0, 60), act }
      : { when: random.pick(['model', 'slack', 'at_once', 'at_once']), delay_ms: random.int(0, 150), act };
  const weighed = [
    ...deeds.map((act, index) => ({ act, at: (index + random.next()) / deeds.length })),
    // The first fault comes a little after the first word, the last one with the last.
    ...faults.map((act, index) => ({ act, at: 0.02 + (0.98 * (index + random.next())) / faults.length })),
  ];
  return weighed.sort((a, b) => a.at - b.at).map(({ act }) => step(act));
}

export function isFault(act: Deed | Fault): act is Fault {
  return act.do !== 'say' && act.do !== 'chat' && act.do !== 'stop';
}

/** What befalls the n-th model request, whoever makes it. */
export type ModelFault = 'none' | '429' | '500' | '529' | 'cut' | 'slow';

export function modelFault(seed: number, request: number): { fault: ModelFault; word: number } {
  const random = createRandom(seedOf(seed, `model ${request}`));
  if (!random.chance(0.2)) return { fault: 'none', word: 0 };
  return { fault: random.pick(['429', '500', '529', 'cut', 'cut', 'slow', 'slow']), word: random.int(0, 6) };
}

/** What people decide about a job's approval: who is asked twice presses twice, and two may disagree at once. */
export function verdictOf(
  seed: number,
  job: string,
): { decision: 'allow' | 'deny'; contested: boolean; twice: boolean } {
  const random = createRandom(seedOf(seed, `verdict ${job}`));
  return {
    decision: random.chance(0.75) ? 'allow' : 'deny',
    contested: random.chance(0.25),
    twice: random.chance(0.25),
  };
}
