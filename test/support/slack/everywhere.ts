import type { Acknowledgement, Envelope } from './socket-mode.ts';

/** One delivery, and what each of those who got it answered. */
export interface Copies {
  envelope: Envelope;
  answers: Acknowledgement[];
}

/** What Slack delivers to one, delivered to several gateways at the same moment. */
export interface Everywhere {
  /** Oldest first. */
  readonly delivered: Copies[];
  /** Resolves when all have answered. Which of their answers Slack would take is open: here it is each one's in turn. */
  send(this: void, envelope: Envelope): Promise<Acknowledgement>;
  /** Resolves when no delivery is under way. */
  idle(): Promise<void>;
}

/** @param deliver to each of them, the first of one delivery being the same as of any other */
export function createEverywhere(deliver: (envelope: Envelope) => Promise<Acknowledgement[]>): Everywhere {
  const delivered: Copies[] = [];
  const underway = new Set<Promise<unknown>>();

  async function sendToAll(envelope: Envelope): Promise<Acknowledgement> {
    const answers = await deliver(envelope);
    delivered.push({ envelope, answers });
    const refused = answers.find(({ acked }) => !acked);
    return refused ?? answers[delivered.length % answers.length] ?? { acked: false };
  }

  return {
    delivered,
    send(envelope) {
      const sending = sendToAll(envelope);
      underway.add(sending);
      return sending.finally(() => underway.delete(sending));
    },
    async idle() {
      while (underway.size > 0) await Promise.allSettled(underway);
    },
  };
}
