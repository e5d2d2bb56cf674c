import { anySignal } from '../signals.ts';

/** What ends the work of a turn early. A Stop ends what runs now; what is begun after it was dealt with has new signals. */
export interface TurnSignals extends Disposable {
  /** Aborts on a Stop, a shutdown and the loss of the lease. */
  readonly signal: AbortSignal;
  /** The same but for a shutdown. */
  readonly storing: AbortSignal;
  /** Somebody pressed Stop. */
  readonly isInterrupted: boolean;
  interrupt(): void;
  /** The Stop was dealt with. */
  goOn(): void;
}

export function createTurnSignals(lost: AbortSignal, stopping: AbortSignal): TurnSignals {
  function begin() {
    const interrupt = new AbortController();
    return {
      interrupt,
      running: anySignal([interrupt.signal, lost, stopping]),
      storing: anySignal([interrupt.signal, lost]),
    };
  }

  function end(): void {
    now.running[Symbol.dispose]();
    now.storing[Symbol.dispose]();
  }

  let now = begin();
  return {
    get signal() {
      return now.running.signal;
    },
    get storing() {
      return now.storing.signal;
    },
    get isInterrupted() {
      return now.interrupt.signal.aborted;
    },
    interrupt: () => now.interrupt.abort(new Error('Interrupted')),
    goOn() {
      end();
      now = begin();
    },
    [Symbol.dispose]: end,
  };
}
