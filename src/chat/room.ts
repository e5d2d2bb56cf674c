import { DeckhandError } from '../errors.ts';

/** A room for so much at once, shared fairly among lanes. Who finds no place waits before it, in the order of their lane. */
export interface Room {
  /**
   * Resolves when there is room for something of this weight (1); the result leaves it again. What is heavier than all that
   * its lane may have inside gets in when its lane has nothing there, and what is heavier than the room gets in alone.
   * @throws DeckhandError at once when as much waits already as may
   */
  enter(lane: string, weight?: number): Promise<() => void>;
  /** Who is inside stays. */
  resize(size: number): void;
}

/** Weights. */
export interface RoomLimits {
  /** What may be inside. */
  size: number;
  /** What may be inside when the next is of a lane that has nothing there; by default no more than else. */
  size_for_first?: number;
  /** What one lane may have inside. */
  of_lane?: number;
  /** What may wait, in all and of one lane; by default however much. */
  waiting?: number;
  waiting_of_lane?: number;
  /**
   * Those who wait enter together, and can do together what they are at: after each such wave nobody enters for so long, in ms
   * for the weight that it had, nor until half of the room is left. Whoever comes after a pause enters at once.
   */
  in_waves?: (weight: number) => number;
}

interface Lane {
  name: string;
  /** Weights. */
  inside: number;
  queued: number;
  queue: Array<{ weight: number; letIn: () => void }>;
}

/**
 * The next is of the lane that has the least inside, and among these of the one that has had no more than that for longest: a
 * lane with thousands waiting costs another at most a turn. Where the next does not fit yet, nobody behind it passes.
 *
 * `what` stands in the refusal.
 */
export function createRoom(what: string, limits: RoomLimits): Room {
  const { size_for_first = 0, of_lane = Infinity, waiting = Infinity, waiting_of_lane = Infinity } = limits;
  const { in_waves } = limits;
  /** A wave has entered, and whoever comes now waits for the next, which is not before then (`performance.now()`). */
  let closed = false;
  let opens_at = Number.NEGATIVE_INFINITY;
  let opening: NodeJS.Timeout | undefined;
  /** Those that have something inside or waiting. */
  const lanes = new Map<string, Lane>();
  /** Those that wait and may have more inside, by what they have there; each in the order in which it came to have that. */
  const turns = new Map<number, Set<Lane>>();
  let { size } = limits;
  let inside = 0;
  let queued = 0;

  function fits(lane: Lane, weight: number): boolean {
    const most = lane.inside === 0 ? Math.max(size, size_for_first) : size;
    return inside === 0 || inside + weight <= most;
  }

  function takeTurn(lane: Lane): void {
    const [first] = lane.queue;
    if (first === undefined || (lane.inside > 0 && lane.inside + first.weight > of_lane)) return;
    const same = turns.get(lane.inside);
    if (same === undefined) turns.set(lane.inside, new Set([lane]));
    else same.add(lane);
  }

  function giveUpTurn(lane: Lane): void {
    const same = turns.get(lane.inside);
    same?.delete(lane);
    if (same?.size === 0) turns.delete(lane.inside);
  }

  function carry(lane: Lane, weight: number): void {
    giveUpTurn(lane);
    lane.inside += weight;
    inside += weight;
    takeTurn(lane);
    if (lane.inside === 0 && lane.queue.length === 0) lanes.delete(lane.name);
  }

  function letIn(): void {
    if (closed && !mayOpen()) return;
    const before = queued;
    while (letOneIn());
    if (in_waves === undefined || queued === before) return;
    closed = true;
    opens_at = performance.now() + in_waves(before - queued);
  }

  function mayOpen(): boolean {
    if (queued === 0 || inside > size / 2) return false;
    const early_ms = opens_at - performance.now();
    closed = early_ms > 0;
    if (closed && opening === undefined) {
      opening = setTimeout(() => {
        opening = undefined;
        letIn();
      }, early_ms);
    }
    return !closed;
  }

  /** False when nobody waits who fits. */
  function letOneIn(): boolean {
    const [lane] = turns.get(Math.min(...turns.keys())) ?? [];
    const first = lane?.queue[0];
    if (lane === undefined || first === undefined || !fits(lane, first.weight)) return false;
    lane.queue.shift();
    lane.queued -= first.weight;
    queued -= first.weight;
    carry(lane, first.weight);
    first.letIn();
    return true;
  }

  return {
    resize(to) {
      size = to;
      letIn();
    },
    async enter(name, weight = 1) {
      const lane = lanes.get(name) ?? { name, inside: 0, queued: 0, queue: [] };
      if (queued >= waiting || lane.queued >= waiting_of_lane) {
        throw new DeckhandError('too_busy', `There are too many ${what} already.`, { remedy: 'Try again shortly.' });
      }
      await new Promise<void>((resolve) => {
        lanes.set(name, lane);
        lane.queue.push({ weight, letIn: resolve });
        lane.queued += weight;
        queued += weight;
        if (lane.queue.length === 1) takeTurn(lane);
        letIn();
      });
      let left = false;
      return () => {
        if (left) return;
        left = true;
        carry(lane, -weight);
        letIn();
      };
    },
  };
}
