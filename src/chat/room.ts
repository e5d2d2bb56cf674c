import { DeckhandError } from '../errors.ts';

/** A room for so much at once. The others wait before it, in their order. */
export interface Room {
  /**
   * Resolves when there is room for something of this weight (1); the result leaves it again. What is heavier than the whole
   * room gets in alone.
   * @throws DeckhandError at once when as much waits already as may
   */
  enter(weight?: number): Promise<() => void>;
  /** Who is inside stays. */
  resize(size: number): void;
}

/** `first_size` and `waiting` are weights: what may be inside, and what may wait; without `waiting`, however much. `what` stands in the refusal. */
export function createRoom(what: string, first_size: number, waiting = Number.POSITIVE_INFINITY): Room {
  const queue: Array<{ weight: number; letIn: () => void }> = [];
  let size = first_size;
  let inside = 0;
  let queued = 0;

  const fits = (weight: number) => inside === 0 || inside + weight <= size;

  /** In their order: whoever comes now gets in before nobody. */
  function letIn(): void {
    for (let next = queue[0]; next !== undefined && fits(next.weight); next = queue[0]) {
      queue.shift();
      queued -= next.weight;
      inside += next.weight;
      next.letIn();
    }
  }

  return {
    resize(to) {
      size = to;
      letIn();
    },
    async enter(weight = 1) {
      if (queue.length === 0 && fits(weight)) inside += weight;
      else if (queued < waiting) {
        queued += weight;
        await new Promise<void>((resolve) => queue.push({ weight, letIn: resolve }));
      } else {
        throw new DeckhandError('too_busy', `There are too many ${what} already.`, { remedy: 'Try again shortly.' });
      }
      let left = false;
      return () => {
        if (left) return;
        left = true;
        inside -= weight;
        letIn();
      };
    },
  };
}
