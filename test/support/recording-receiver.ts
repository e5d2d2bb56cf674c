import type { Connector } from '../../src/chat/connector.ts';
import type {
  ApprovalDetails,
  InboundChange,
  InboundCommand,
  InboundDecision,
  InboundFeedback,
  InboundMessage,
  InboundStop,
  Kept,
  Overview,
  Receipt,
  Receiver,
  SessionFile,
  WaitingApprovals,
} from '../../src/chat/inbound.ts';
import type { ConversationKey, Person } from '../../src/chat/place.ts';
import { deferred } from './deferred.ts';

/** A receiver that keeps what it was given, with names in it, and answers as the test says. */
export interface RecordingReceiver extends Receiver {
  /** Who knows names and markup; until it is set, what came is kept as it is. */
  connector: Pick<Connector, 'nameOf' | 'readable'> | null;
  readonly messages: InboundMessage[];
  readonly changes: InboundChange[];
  readonly decisions: InboundDecision[];
  readonly stops: InboundStop[];
  /** What `details`, `waiting` and `overview` answer; null: they reject. */
  shows: { details: ApprovalDetails | null; waiting: WaitingApprovals | null; overview: Overview | null };
  /** Behind how many `waiting` was asked to look, each time. */
  readonly looks: number[];
  /** What `file` finds, by id. */
  readonly files: Map<string, SessionFile>;
  readonly feedbacks: InboundFeedback[];
  readonly commands: InboundCommand[];
  /** What the next calls answer, until set again. */
  answer(receipt: Receipt): void;
  /** The next `times` calls are kept and then reject, as when the database is away. */
  failNext(times: number): void;
  /** Calls wait here until `open()`: something is in flight. */
  hold(): { open(): void };
  /** Receipts wait until `open()`: something is kept and not applied. */
  holdReceipts(): { open(): void };
}

export function createRecordingReceiver(): RecordingReceiver {
  const messages: InboundMessage[] = [];
  const files = new Map<string, SessionFile>();
  const changes: InboundChange[] = [];
  const decisions: InboundDecision[] = [];
  const stops: InboundStop[] = [];
  const feedbacks: InboundFeedback[] = [];
  const commands: InboundCommand[] = [];
  let receipt: Receipt = { effect: 'accepted', text: null };
  let failures = 0;
  let gate: Promise<void> = Promise.resolve();
  let applied: Promise<void> = Promise.resolve();

  async function keep<T>(list: T[], item: T): Promise<Kept> {
    list.push(item);
    await gate;
    if (failures > 0) {
      failures -= 1;
      throw new Error('The receiver was told to fail');
    }
    return { receipt: applied.then(() => receipt) };
  }

  async function named(person: Person, { tenant }: Pick<ConversationKey, 'tenant'>): Promise<Person> {
    return { id: person.id, name: (await recorder.connector?.nameOf(person, tenant)) ?? person.name };
  }

  const recorder: RecordingReceiver = {
    connector: null,
    shows: { details: { summary: 'Something', why: null, detail: 'ls', closed: null }, waiting: null, overview: null },
    looks: [],
    files,
    file: async ({ file_id }) => files.get(file_id) ?? null,
    messages,
    changes,
    decisions,
    stops,
    feedbacks,
    commands,
    async message(message) {
      const { conversation } = message;
      const [sender, text] = await Promise.all([
        named(message.sender, conversation),
        recorder.connector?.readable(message.text, conversation.tenant),
      ]);
      return keep(messages, { ...message, sender, text: text ?? message.text });
    },
    change: async (change) => keep(changes, { ...change, sender: await named(change.sender, change.conversation) }),
    decision: async (decision) =>
      keep(decisions, { ...decision, person: await named(decision.person, decision.conversation) }),
    stop: async (stop) => keep(stops, { ...stop, person: await named(stop.person, stop.conversation) }),
    details: async () => recorder.shows.details ?? Promise.reject(new Error('There are no details')),
    async waiting({ before = 0 }) {
      recorder.looks.push(before);
      if (recorder.shows.waiting === null) throw new Error('There is no list');
      return recorder.shows.waiting;
    },
    feedback: async (feedback) =>
      keep(feedbacks, { ...feedback, person: await named(feedback.person, feedback.conversation) }),
    command: async (command) =>
      keep(commands, { ...command, person: await named(command.person, command.conversation) }),
    overview: async () => recorder.shows.overview ?? Promise.reject(new Error('There is no overview')),
    answer(next) {
      receipt = next;
    },
    failNext(times) {
      failures = times;
    },
    hold() {
      const { promise, resolve } = deferred<void>();
      gate = promise;
      return { open: () => resolve() };
    },
    holdReceipts() {
      const { promise, resolve } = deferred<void>();
      applied = promise;
      return { open: () => resolve() };
    },
  };
  return recorder;
}
