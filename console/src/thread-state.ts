import type { ConversationDetail, ConversationSummary, StreamEvents, WebMessage } from '../../connectors/web/wire.ts';

/** A message this page has sent, or is about to, that the server has not shown back yet. */
export interface PendingMessage {
  client_id: string;
  text: string;
  /** Why it could not be sent; null while it is on its way. */
  failure: string | null;
}

/** One open conversation, as far as this page has heard. */
export interface ThreadState {
  conversation: ConversationSummary;
  /** By `seq`. */
  messages: WebMessage[];
  pending: PendingMessage[];
  earlier: boolean;
}

export type ThreadAction =
  | { type: 'message'; message: WebMessage }
  | { type: 'delta'; delta: StreamEvents['delta'] }
  | { type: 'conversation'; conversation: ConversationSummary }
  | { type: 'earlier'; messages: WebMessage[]; earlier: boolean }
  | { type: 'sending'; client_id: string; text: string }
  | { type: 'failed'; client_id: string; failure: string }
  | { type: 'discarded'; client_id: string };

export function openThread(detail: ConversationDetail, pending: PendingMessage[]): ThreadState {
  const { conversation, messages, earlier } = detail;
  return { conversation, messages, earlier, pending: stillPending(pending, messages) };
}

/** Pure: events may come twice, late or out of order, and the newest revision of each message wins. */
export function threadReducer(state: ThreadState, action: ThreadAction): ThreadState {
  switch (action.type) {
    case 'message': {
      const messages = withMessage(state.messages, action.message);
      return { ...state, messages, pending: stillPending(state.pending, [action.message]) };
    }
    case 'delta':
      return { ...state, messages: withDelta(state.messages, action.delta) };
    case 'conversation':
      return isNews(state.conversation, action.conversation) ? { ...state, conversation: action.conversation } : state;
    case 'earlier': {
      const messages = action.messages.reduce(withMessage, state.messages);
      return { ...state, messages, earlier: action.earlier };
    }
    case 'sending': {
      const { client_id, text } = action;
      const others = state.pending.filter((pending) => pending.client_id !== client_id);
      return { ...state, pending: [...others, { client_id, text, failure: null }] };
    }
    case 'failed':
      return {
        ...state,
        pending: state.pending.map((pending) =>
          pending.client_id === action.client_id ? { ...pending, failure: action.failure } : pending,
        ),
      };
    case 'discarded':
      return { ...state, pending: state.pending.filter((pending) => pending.client_id !== action.client_id) };
    default:
      return action satisfies never;
  }
}

/** The same conversation, and not older than what is known of it. */
function isNews(known: ConversationSummary, incoming: ConversationSummary): boolean {
  return known.id === incoming.id && known.revision <= incoming.revision;
}

/** The agent is doing something that Stop would end. */
export function isWorking(state: ThreadState): boolean {
  return state.conversation.status !== null || state.messages.some(({ body }) => body.kind === 'text' && body.live);
}

function withMessage(messages: WebMessage[], incoming: WebMessage): WebMessage[] {
  const at = messages.findIndex((message) => message.id === incoming.id);
  const known = messages[at];
  if (known === undefined) return [...messages, incoming].toSorted((a, b) => a.seq - b.seq);
  if (known.revision > incoming.revision) return messages;
  return messages.with(at, keepLongerText(known, incoming));
}

/** Deltas overtake the stored text they continue; taking it as it comes would make words vanish for a moment. */
function keepLongerText(known: WebMessage, incoming: WebMessage): WebMessage {
  if (known.body.kind !== 'text' || incoming.body.kind !== 'text' || !incoming.body.live) return incoming;
  return known.body.markdown.startsWith(incoming.body.markdown)
    ? { ...incoming, body: { ...incoming.body, markdown: known.body.markdown } }
    : incoming;
}

function withDelta(messages: WebMessage[], delta: StreamEvents['delta']): WebMessage[] {
  const at = messages.findIndex((message) => message.id === delta.message_id);
  const known = messages[at];
  if (known?.body.kind !== 'text' || !known.body.live || known.body.markdown.length !== delta.from) return messages;
  return messages.with(at, { ...known, body: { ...known.body, markdown: known.body.markdown + delta.text } });
}

function stillPending(pending: PendingMessage[], arrived: WebMessage[]): PendingMessage[] {
  const left = pending.filter(({ client_id }) => !arrived.some((message) => message.client_id === client_id));
  return left.length === pending.length ? pending : left;
}
