import type { InboundDecision, InboundMessage, InboundStop, Receipt, Receiver } from '../../src/chat/connector.ts';

/** A receiver that keeps what it was given and answers as the test says. */
export interface RecordingReceiver extends Receiver {
  readonly messages: InboundMessage[];
  readonly decisions: InboundDecision[];
  readonly stops: InboundStop[];
  /** What the next calls answer, until set again. */
  answer(receipt: Receipt): void;
  /** The next `times` calls are kept and then reject, as when the database is away. */
  failNext(times: number): void;
  /** Calls wait here until `open()`: something is in flight. */
  hold(): { open(): void };
}

export function createRecordingReceiver(): RecordingReceiver {
  const messages: InboundMessage[] = [];
  const decisions: InboundDecision[] = [];
  const stops: InboundStop[] = [];
  let receipt: Receipt = { effect: 'accepted', text: null };
  let failures = 0;
  let gate: Promise<void> = Promise.resolve();

  async function keep<T>(list: T[], item: T): Promise<Receipt> {
    list.push(item);
    await gate;
    if (failures > 0) {
      failures -= 1;
      throw new Error('The receiver was told to fail');
    }
    return receipt;
  }

  return {
    messages,
    decisions,
    stops,
    message: (message) => keep(messages, message),
    decision: (decision) => keep(decisions, decision),
    stop: (stop) => keep(stops, stop),
    answer(next) {
      receipt = next;
    },
    failNext(times) {
      failures = times;
    },
    hold() {
      let open: () => void = () => undefined;
      gate = new Promise((resolve) => {
        open = resolve;
      });
      return { open };
    },
  };
}
