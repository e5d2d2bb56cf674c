import { DeckhandError } from '../errors.ts';

/** A room for so many at once. The others wait before it, in their order. */
export interface Room {
  /**
   * Resolves when there is room; the result leaves it again.
   * @throws DeckhandError at once when as many wait already as may
   */
  enter(): Promise<() => void>;
}

/** `waiting` is how many may wait at once; without it, however many. `what` they are stands in the refusal. */
export function createRoom(what: string, size: number, waiting = Number.POSITIVE_INFINITY): Room {
  const queue: Array<() => void> = [];
  let inside = 0;

  function leave(): void {
    const next = queue.shift();
    // Whoever is next takes the place over: nobody who comes now gets in before.
    if (next === undefined) inside -= 1;
    else next();
  }

  return {
    async enter() {
      if (inside < size) inside += 1;
      else if (queue.length < waiting) await new Promise<void>((resolve) => queue.push(resolve));
      else {
        const most = (size + waiting).toLocaleString('en');
        throw new DeckhandError('too_busy', `There are ${most} ${what} already.`, { remedy: 'Try again shortly.' });
      }
      let left = false;
      return () => {
        if (!left) leave();
        left = true;
      };
    },
  };
}
