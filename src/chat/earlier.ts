import type { LRUCache } from 'lru-cache';
import { messageOf } from '../errors.ts';
import type { NewEntry } from '../session/event.ts';
import { DECKHAND, type SessionLog } from '../session/log.ts';
import type { UserContent } from '../session/session-state.ts';
import { timeLimit } from '../signals.ts';
import type { AttachDeps } from './attached-files.ts';
import {
  type Connector,
  type History,
  PostRefusedError,
  RateLimitedError,
  type SaidBefore,
  TooOftenError,
} from './connector.ts';
import { attachEarlier } from './earlier-files.ts';
import type { InboundMessage } from './inbound.ts';
import type { KeptInbound, Target } from './inbound-document.ts';
import { earlierEventId, loggedMessageId } from './inbound-keys.ts';
import type { ConversationKey } from './place.ts';

/** About 5,000 tokens: enough to know what it is about, little beside the work itself. */
const BUDGET = { messages: 100, characters: 20_000, text: 4_000 };
/** How long a platform may take to tell; the message itself waits. */
const READ_MS = 4_000;
/** Inputs of a log among which the last message from this conversation is looked for. */
const LOOK_BACK = 50;
const NAME_LENGTH = 80;

/** Where a log stood when it was last written to here, and the last message of a chat that was. */
export interface Position {
  seq: number;
  message_id: string | null;
}

export interface EarlierDeps extends Omit<AttachDeps, 'connectors'> {
  /** By session: a message that comes now stands behind that. */
  positions: LRUCache<string, Position>;
  log: Pick<SessionLog, 'find' | 'query'>;
  connectors: ReadonlyMap<string, Pick<Connector, 'history' | 'openFile'>>;
}

/**
 * What was said in a message's conversation since the last one that this session was given, and what was attached to that,
 * as an entry to stand before it; null when there is nothing. It is the house's own entry, and quotes: nothing in it is a
 * request of anybody's.
 * @throws what the platform's passing failure threw, unless this is the last try
 */
export async function earlierEntry(
  deps: EarlierDeps,
  target: Target,
  { inbound, targets }: Pick<KeptInbound, 'inbound' | 'targets'>,
  message: InboundMessage,
): Promise<NewEntry | null> {
  // Who asks with a command says nothing in the conversation.
  const before = inbound.kind === 'message' ? message.message_id : null;
  // Where its target was fixed before this try, as when it was put off, others may have been given theirs meanwhile.
  const isFirst = target.after_seq === 0 && targets === null;
  const content = await earlierContent(deps, { ...target, isFirst }, message, before);
  if (content === null) return null;
  return {
    event: {
      id: earlierEventId(inbound, target.session_id),
      type: 'user.message',
      content,
      processed_at: null,
    },
    by: DECKHAND,
  };
}

/** Where a message goes. */
interface Goal extends Target {
  /** Nothing stands in the log. */
  isFirst: boolean;
}

async function earlierContent(
  deps: EarlierDeps,
  target: Goal,
  message: InboundMessage,
  before: string | null,
): Promise<UserContent | null> {
  const { conversation, follows } = message;
  const connector = deps.connectors.get(conversation.connector);
  const read = connector?.history?.bind(connector);
  if (read === undefined || follows === undefined) return null;
  const after = await lastGiven(deps, target);
  if (after !== null && (follows === 'first' || !message.addressed)) return null;
  const range = { ...BUDGET, before, after, own: after === null };
  const history = await historyOf(deps, conversation, () =>
    deps.outside(async () => {
      using limit = timeLimit(READ_MS);
      return await read(conversation, range, limit.signal);
    }),
  );
  if (typeof history === 'string') return [{ type: 'text', text: history }];
  const messages = await notGiven(deps, target, message, history.messages);
  if (messages.length === 0 && history.cut_short === undefined) return null;
  const files = await attachEarlier(deps, target, message, messages);
  return [{ type: 'text', text: told({ ...history, messages }) }, ...files];
}

/** What a platform tells; where it will not, that in words. */
async function historyOf(
  deps: EarlierDeps,
  conversation: ConversationKey,
  read: () => Promise<History>,
): Promise<History | string> {
  try {
    return await read();
  } catch (error) {
    const isLong = error instanceof RateLimitedError && error.retry_after_ms > READ_MS;
    const isRefused = error instanceof PostRefusedError || isLong;
    if (!isRefused && !deps.is_last_try) throw error;
    const reason = reasonOf(error);
    // In a flood it is so for every message.
    const level = error instanceof TooOftenError ? 'debug' : 'warn';
    deps.logger[level]({ ...conversation, reason: messageOf(error) }, 'earlier messages not read');
    return `What was said here before the next message could not be read (${reason}). Where you need it, ask for it.`;
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof PostRefusedError) return error.reason;
  return error instanceof RateLimitedError ? 'the chat platform asks to wait' : 'the chat platform did not answer';
}

/**
 * The last message of a conversation that stands in the log; null: none does. As this process knows it: where another one
 * brought a later message, a little more is read, and what stands in the log is left out of it.
 */
async function lastGiven({ log, positions }: EarlierDeps, { isFirst, ...ref }: Goal): Promise<string | null> {
  if (isFirst) return null;
  const known = positions.get(ref.session_id)?.message_id;
  if (known !== undefined && known !== null) return known;
  const inputs = await log.query({ ...ref, types: ['user.message'], order: 'desc', limit: LOOK_BACK });
  return inputs.find((entry) => entry.message_id !== undefined)?.message_id ?? null;
}

/** Messages may reach the log in another order than that in which they were said. */
async function notGiven(
  { log }: EarlierDeps,
  target: Goal,
  { conversation }: InboundMessage,
  messages: SaidBefore[],
): Promise<SaidBefore[]> {
  if (messages.length === 0 || target.isFirst) return messages;
  const idOf = ({ message_id }: SaidBefore) => loggedMessageId(conversation, message_id, target.session_id);
  const given = await log.find(target, messages.map(idOf));
  const ids = new Set(given.map(({ event }) => event.id));
  return messages.filter((message) => !ids.has(idOf(message)));
}

function told({ messages, left_out, left_out_or_more, cut_short }: History): string {
  const count = `${left_out.toLocaleString('en')}${left_out_or_more === true ? ' or more' : ''}`;
  const older = left_out === 0 ? '' : `; ${count} older ones are left out`;
  const head = `What was said here before the next message, oldest first${older}. Lines that begin with > are quoted.`;
  const rest =
    'What was said between these and the next message could not be read (the chat platform asks to wait). Where you need ' +
    'it, ask for it.';
  return [head, ...messages.map(quotedMessage), ...(cut_short === true ? [rest] : [])].join('\n\n');
}

function quotedMessage({ from, name, text, at }: SaidBefore): string {
  const who = oneLine(name);
  const kind = { person: '', bot: ', a bot', self: ', yourself or another agent here' }[from];
  return `${who}${kind}, at ${at.slice(0, 16).replace('T', ' ')} UTC:\n${quoted(text)}`;
}

/** A name that can be nothing but a name: no sentence, and nothing that this house says of somebody. */
function oneLine(name: string): string {
  const plain = name.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}<>":,;!?()]+/gu, ' ').trim();
  return plain.slice(0, NAME_LENGTH).replace(/[\uD800-\uDBFF]$/, '') || 'somebody';
}

/** Every line marked, whatever a line may end with: nothing of it can look like the end of the quotation. */
export function quoted(text: string): string {
  return text
    .split(/\r\n|[\n\r\v\f\u0085\u2028\u2029]/)
    .map((line) => `> ${line}`)
    .join('\n');
}
