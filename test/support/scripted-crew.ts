import { Readable } from 'node:stream';
import type { Connector, PostRef } from '../../src/chat/connector.ts';
import type {
  ApprovalDetails,
  InboundDecision,
  InboundMessage,
  InboundStop,
  Kept,
  Receipt,
  Receiver,
  SessionFile,
} from '../../src/chat/inbound.ts';
import type { ApprovalCard, Outgoing, ToolActivity } from '../../src/chat/outgoing.ts';
import type { ConversationKey } from '../../src/chat/place.ts';
import { REMOVAL } from './cards.ts';

/**
 * Stands in for the rest of the house behind a connector: it hears what people say and posts what an agent would, step
 * by step as the test tells it. Every post and edit goes through the connector, as deliveries do.
 */
export interface Crew extends Receiver {
  readonly messages: InboundMessage[];
  readonly decisions: InboundDecision[];
  readonly stops: InboundStop[];
  /** Set once the connector exists; it needs the receiver first. */
  connector: Connector | null;
  /** What `message`, `decision` and `stop` answer until set again. */
  answers: Receipt;
  /** What `details` answers. */
  shown: ApprovalDetails;
  /** Called with each message that is not a double. */
  onMessage: (message: InboundMessage) => void;
  onDecision: (decision: InboundDecision) => void;
  onStop: (stop: InboundStop) => void;

  say(key: ConversationKey, markdown: string, agentName?: string): Promise<PostRef>;
  status(key: ConversationKey, text: string | null): Promise<void>;
  /** A text that grows with `more` until `end`. */
  stream(key: ConversationKey, markdown: string): Promise<LiveMessage>;
  activity(
    key: ConversationKey,
    activity: Partial<ToolActivity>,
  ): Promise<(over: Partial<ToolActivity>) => Promise<void>>;
  approval(key: ConversationKey, card: Partial<ApprovalCard>): Promise<(over: Partial<ApprovalCard>) => Promise<void>>;
  /** A file that the agent made. */
  share(key: ConversationKey, name: string, mime_type: string, bytes: Buffer): Promise<PostRef>;
}

export interface LiveMessage {
  more(markdown: string): Promise<void>;
  end(markdown?: string): Promise<void>;
}

const ACCEPTED: Receipt = { effect: 'accepted', text: null };
let deliveries = 0;

function kept(receipt: Receipt): Kept {
  return { receipt: Promise.resolve(receipt) };
}

export function createCrew(): Crew {
  const seen = new Set<string>();
  const files = new Map<string, SessionFile>();
  const signal = new AbortController().signal;
  const agent_name = 'Deckhand';

  function nextDelivery(): string {
    deliveries += 1;
    return `dlv_${process.pid}_${deliveries}`;
  }

  const crew: Crew = {
    messages: [],
    decisions: [],
    stops: [],
    connector: null,
    answers: ACCEPTED,
    shown: { refused: 'There are no details.' },
    onMessage: () => undefined,
    onDecision: () => undefined,
    onStop: () => undefined,

    async message(message) {
      if (seen.has(message.event_id)) return kept({ effect: 'duplicate', text: null });
      seen.add(message.event_id);
      crew.messages.push(message);
      crew.onMessage(message);
      return kept(crew.answers);
    },
    change: async () => kept(crew.answers),
    async decision(decision) {
      crew.decisions.push(decision);
      crew.onDecision(decision);
      return kept(crew.answers);
    },
    command: async () => kept(crew.answers),
    overview: () => Promise.reject(new Error('This crew has no overview')),
    async stop(stop) {
      crew.stops.push(stop);
      crew.onStop(stop);
      return kept(crew.answers);
    },
    details: async () => crew.shown,
    waiting: async () => ({ approvals: [], more: 0 }),
    file: async ({ file_id }) => files.get(file_id) ?? null,
    feedback: async () => kept(crew.answers),

    say: (key, markdown, name = agent_name) =>
      post(key, { kind: 'text', delivery_id: nextDelivery(), markdown, live: false, agent_name: name }),

    status: (key, text) =>
      connector().setStatus(key, text === null ? { state: 'resting' } : { state: 'working', text }, signal),

    async stream(key, markdown) {
      let shown = markdown;
      const delivery_id = nextDelivery();
      const body = (live: boolean): Outgoing => ({ kind: 'text', delivery_id, markdown: shown, live, agent_name });
      const ref = await post(key, body(true));
      return {
        async more(text) {
          shown += text;
          await connector().edit(key, ref, body(true), signal);
        },
        async end(text = '') {
          shown += text;
          await connector().edit(key, ref, body(false), signal);
        },
      };
    },

    async activity(key, first) {
      let activity: ToolActivity = {
        tool_use_id: nextDelivery(),
        tool_name: 'bash',
        title: 'Run a command',
        detail: 'ls',
        status: 'running',
        output: '',
        ...first,
      };
      const delivery_id = nextDelivery();
      const ref = await post(key, { kind: 'activity', delivery_id, activity, agent_name });
      return async (over) => {
        activity = { ...activity, ...over };
        await connector().edit(key, ref, { kind: 'activity', delivery_id, activity, agent_name }, signal);
      };
    },

    share(key, name, mime_type, bytes) {
      const file_id = `file_${nextDelivery()}`;
      const size_bytes = bytes.length;
      files.set(file_id, { filename: name, mime_type, size_bytes, content: () => Readable.from([bytes]) });
      const content = { file_id, mime_type, size_bytes };
      return post(key, { kind: 'file', delivery_id: nextDelivery(), name, content, markdown: '', agent_name });
    },

    async approval(key, first) {
      let card: ApprovalCard = {
        approval_id: `appr_${nextDelivery()}`,
        tool_name: 'bash',
        summary: REMOVAL.summary,
        detail: REMOVAL.detail,
        requested_by: null,
        approvers: 'members in this conversation',
        expires_at: null,
        state: { status: 'pending', reminded: 0 },
        ...first,
      };
      const delivery_id = nextDelivery();
      const ref = await post(key, { kind: 'approval', delivery_id, card, agent_name });
      return async (over) => {
        card = { ...card, ...over };
        await connector().edit(key, ref, { kind: 'approval', delivery_id, card, agent_name }, signal);
      };
    },
  };

  function connector(): Connector {
    if (crew.connector === null) throw new Error('The crew has no connector yet');
    return crew.connector;
  }

  function post(key: ConversationKey, outgoing: Outgoing): Promise<PostRef> {
    return connector().post(key, outgoing, signal);
  }

  return crew;
}
