import { MongoNetworkError } from 'mongodb';
import { LeaseLostError, LogMovedError } from '../../../src/errors.ts';
import { openTurnLog, processedEvent, runningEvents, stamp, type TurnLog } from '../../../src/harness/turn-log.ts';
import { silentLogger } from '../../../src/logger.ts';
import { appendOnce } from '../../../src/session/append-once.ts';
import type { LogEntry, SessionEvent } from '../../../src/session/event.ts';
import { newId } from '../../../src/session/id.ts';
import type { Claimed, Lease } from '../../../src/session/log.ts';
import { nextStep } from '../../../src/session/next-step.ts';
import type { SessionState } from '../../../src/session/session-state.ts';
import { fold } from '../../../src/session/state.ts';
import { askedCall, note, usage, userMessage } from '../entries.ts';
import { assert, RUN_OUT } from './watcher.ts';
import { LEASE_MS, type LogWorld, type WorldProcess } from './world.ts';

/** Something that somebody in a process does. Each move of a turn is a write or a look. */
export type Action =
  | { do: 'say'; count: number; interrupt: boolean; text: string }
  | { do: 'note'; count: number; text: string }
  | { do: 'say_once'; key: number }
  | { do: 'turn'; opens: boolean; moves: Move[]; end: TurnEnd }
  | { do: 'read'; after: number; limit: number | undefined }
  | { do: 'list'; order: 'asc' | 'desc'; limit: number }
  | { do: 'follow'; from: number | undefined }
  | { do: 'deliver' }
  | { do: 'sweep' }
  | { do: 'run_out' };
export type Move = 'answer' | 'note' | 'ask' | 'renew' | 'refresh' | 'rest';
export type TurnEnd = 'rest' | 'hand_over' | 'release' | 'walk_away';

/** Failed requests are told to the caller, who tries again this often before giving up. */
const TRIES = 4;

/** Do it. A broken connection ends the action as it ends a request; a death ends everything in its process. */
export async function act(world: LogWorld, process: WorldProcess, action: Action): Promise<void> {
  try {
    await perform(world, process, action);
  } catch (error) {
    const expected = [MongoNetworkError, LogMovedError, LeaseLostError];
    if (!expected.some((kind) => error instanceof kind)) throw error;
  }
}

async function perform(world: LogWorld, process: WorldProcess, action: Action): Promise<void> {
  const { ref, watcher } = world;
  const { log } = process;
  switch (action.do) {
    case 'say': {
      const entries = Array.from({ length: action.count }, () => userMessage(action.text));
      if (action.interrupt) entries.push({ event: { id: newId('sevt'), type: 'user.interrupt', processed_at: null } });
      const batch = watcher.expects(entries.map((entry) => entry.event.id));
      await world.attempt(batch, () => log.appendInputs(ref, entries));
      return;
    }
    case 'note': {
      const { seq } = await log.head(ref);
      const entries = Array.from({ length: action.count }, () => note(action.text));
      const batch = watcher.expects(entries.map((entry) => entry.event.id));
      await world.attempt(batch, () => log.append({ ...ref, after: seq, entries }));
      return;
    }
    case 'say_once':
      return sayOnce(world, process, action.key);
    case 'turn':
      return takeTurn(world, process, action);
    case 'read': {
      const told = world.acknowledged();
      const found =
        action.limit === undefined
          ? await log.read(ref, action.after)
          : (await log.readPage(ref, action.after, action.limit)).entries;
      world.checkRead(found, action.after);
      const most = action.limit ?? Infinity;
      assert(found.length >= Math.min(most, told - action.after), 'a reader missed what was acknowledged before');
      return;
    }
    case 'list': {
      const told = world.acknowledged();
      const { order, limit } = action;
      const found = await log.query({ ...ref, order, limit, include_internal: true });
      const sorted = order === 'asc' ? found : found.toReversed();
      world.checkRead(sorted, order === 'asc' ? 0 : (sorted[0]?.seq ?? 1) - 1);
      const upTo = order === 'asc' ? Math.min(told, limit) : told;
      assert((sorted.at(-1)?.seq ?? 0) >= upTo, 'a list missed what was acknowledged before');
      return;
    }
    case 'follow': {
      let seen: number | undefined = action.from;
      const onEntries = (entries: readonly LogEntry[]) => {
        world.checkRead(entries, seen ?? (entries[0]?.seq ?? 1) - 1);
        seen = entries.at(-1)?.seq;
        followed.set(onEntries, seen ?? 0);
        return undefined;
      };
      const followed = followersOf(process);
      await process.feeds.open(ref, { onEntries }, action.from);
      followed.set(onEntries, seen ?? 0);
      return;
    }
    case 'deliver': {
      const { seq } = await log.head(ref);
      watcher.showing(seq);
      await log.delivered(ref, seq);
      return;
    }
    case 'sweep': {
      const found = await log.owed(1_000);
      const { owed, lease } = watcher.log;
      const free = lease.until === null || lease.until <= RUN_OUT;
      assert(found.length === (owed && free ? 1 : 0), 'the sweep found a turn that is not owed, or missed one that is');
      return;
    }
    case 'run_out':
      return world.runOut();
    default:
      action satisfies never;
  }
}

/** The last place that each follower of a process was given. */
const followers = new WeakMap<WorldProcess, Map<object, number>>();
export function followersOf(process: WorldProcess): Map<object, number> {
  const known = followers.get(process) ?? new Map<object, number>();
  followers.set(process, known);
  return known;
}

/** A chat event that is delivered to several gateways, each of which tries until it has an answer. */
const places = new WeakMap<LogWorld, Map<number, number>>();
async function sayOnce(world: LogWorld, process: WorldProcess, key: number): Promise<void> {
  const { ref, watcher } = world;
  const known = places.get(world) ?? new Map<number, number>();
  places.set(world, known);
  const message = userMessage(`once ${key}`);
  message.event.id = `sevt_once_${key}_${ref.session_id}`;
  const { id } = message.event;
  const batch = watcher.batches.find((one) => one.ids[0] === id) ?? watcher.expects([id]);
  if (!known.has(key)) {
    const { seq } = await process.log.head(ref);
    // Fixed by the first, for all who come after.
    if (!known.has(key)) known.set(key, seq);
  }
  const request = {
    after_seq: known.get(key) ?? 0,
    entries: [message],
    isThere: (entry: LogEntry) => entry.event.id === id,
    owed: true,
  };
  for (let attempt = 1; attempt <= TRIES; attempt++) {
    try {
      await appendOnce(process.log, ref, request);
      batch.outcome = 'landed';
      assert(
        watcher.entries.some((entry) => entry.event.id === id),
        'what must be said once was not said',
      );
      return;
    } catch (error) {
      if (!(error instanceof MongoNetworkError)) throw error;
    }
  }
}

type TurnAction = Extract<Action, { do: 'turn' }>;

/** What a turn does to the log, by the turn's own means; `moves` is what it happens to do. */
async function takeTurn(world: LogWorld, process: WorldProcess, { opens, moves, end }: TurnAction): Promise<void> {
  const claimed = opens
    ? await claimAndOpen(world, process)
    : await process.log.claim(world.ref, process.name, LEASE_MS);
  if (claimed === null) return;
  const turn = await openTurn(world, process, claimed);
  for (const move of moves) await makeMove(world, process, claimed.lease, turn, move);
  switch (end) {
    case 'rest':
      await makeMove(world, process, claimed.lease, turn, 'rest');
      return;
    case 'hand_over':
      world.watcher.givingBack(claimed.lease.token);
      await turn.append(() => [], { release: true });
      return;
    case 'release':
      world.watcher.givingBack(claimed.lease.token);
      return process.log.release(claimed.lease);
    case 'walk_away':
      return;
    default:
      end satisfies never;
  }
}

/** With an opening that fits what this process knows of the session, which by now may be old. */
async function claimAndOpen({ ref, watcher, landed }: LogWorld, process: WorldProcess): Promise<Claimed | null> {
  const { seq } = await process.log.head(ref);
  const knows = Math.min(seq, process.states.peek(ref)?.seq ?? 0);
  const entries = [note('opening'), note('opened')];
  const batch = watcher.expects(entries.map((entry) => entry.event.id));
  const opening = { after: seq, knows, entries, where: {} };
  const claimed = await process.log.claim(ref, process.name, LEASE_MS, opening);
  if (claimed?.opened !== true) {
    batch.outcome = 'refused';
    return claimed;
  }
  const opened = claimed.latest.slice(-entries.length);
  landed(batch, opened);
  assert(opened[0]?.seq === seq + 1, 'an opening landed although the log had moved on');
  return claimed;
}

interface OpenTurn {
  state(): SessionState;
  refresh(): Promise<unknown>;
  append: TurnLog['append'];
}

export async function openTurn(world: LogWorld, process: WorldProcess, claimed: Claimed): Promise<OpenTurn> {
  const { lease } = claimed;
  const state = await process.states.load(process.log, world.ref, claimed);
  // Every attempt is known before it is made: the turn log may make several, of what it then sees.
  const log = {
    ...process.log,
    append: async (request: Parameters<typeof process.log.append>[0]) => {
      const ids = request.entries.map((entry) => entry.event.id);
      if (ids.length === 0) return process.log.append(request);
      const batch = world.watcher.expects(ids, lease.token);
      return (await world.attempt(batch, () => process.log.append(request))) ?? [];
    },
  };
  const turnLog = openTurnLog({ log, states: process.states, logger: silentLogger }, lease, state);
  const checked = async <T>(work: Promise<T>): Promise<T> => {
    const done = await work;
    const { seq } = turnLog.state;
    const whole = fold(world.watcher.entries.slice(0, seq));
    assert(JSON.stringify(whole) === JSON.stringify(turnLog.state), 'a turn’s state is not the fold of its log');
    return done;
  };
  return {
    state: () => turnLog.state,
    refresh: () => checked(turnLog.refresh()),
    append: (build, options) => checked(turnLog.append(build, options)),
  };
}

export async function makeMove(
  world: LogWorld,
  process: WorldProcess,
  lease: Lease,
  turn: OpenTurn,
  move: Move,
): Promise<void> {
  switch (move) {
    case 'answer':
      await turn.append((state) => answerTo(state));
      return;
    case 'note':
      await turn.append(() => [note('t').event, note('t').event]);
      return;
    case 'ask':
      // A question has to be found by its id alone.
      await turn.append(() => askedCall(newId('sevt')).flatMap(({ event }) => (isQuestion(event) ? [event] : [])));
      return;
    case 'renew': {
      const { token } = world.watcher.log.lease;
      const head = await process.log.renew(lease, LEASE_MS);
      // Nobody else runs between the two lines but while the renewal waits for its turn.
      assert(head === null || head.lease_token === lease.token, 'a lease was renewed that is another’s');
      assert(head !== null || world.watcher.log.lease.token >= token, 'a token went back');
      return;
    }
    case 'refresh':
      await turn.refresh();
      return;
    case 'rest':
      world.watcher.givingBack(lease.token);
      await turn.append((state) => (nextStep(state).do === 'rest' ? [idle()] : null), {
        owed: () => false,
        release: true,
      });
      return;
    default:
      move satisfies never;
  }
}

function isQuestion(event: SessionEvent): boolean {
  return event.type === 'deckhand.approval_requested';
}

/** What an answer of Claude's puts into the log: it takes up what waits. */
function answerTo(state: SessionState): SessionEvent[] {
  const taken = [
    ...state.queued.map((message) => message.event_id),
    ...state.interrupts.map((interrupt) => interrupt.event_id),
    ...state.unmarked,
  ];
  return [
    ...runningEvents(state, Date.now),
    ...(taken.length === 0 ? [] : [processedEvent(taken, Date.now)]),
    {
      ...stamp(Date.now),
      type: 'deckhand.model_reply',
      model: 'claude-sonnet-5-5',
      content: [{ type: 'text', text: 'a', citations: null }],
      stop_reason: 'end_turn',
      tool_use_events: {},
      cost_micro_usd: 1,
    },
    usage(String(state.seq)).event,
  ];
}

function idle(): SessionEvent {
  return { ...stamp(Date.now), type: 'session.status_idle', stop_details: null, stop_reason: { type: 'end_turn' } };
}
