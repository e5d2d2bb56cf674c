import type { ConversationsRepliesResponse } from '@slack/web-api';
import {
  type History,
  type HistoryRange,
  PostRefusedError,
  RateLimitedError,
  type SaidBefore,
} from '../../src/chat/connector.ts';
import type { ConversationKey } from '../../src/chat/place.ts';
import { platformErrorOf, type SlackClient } from './client.ts';
import { placeOf } from './conversation-id.ts';
import { type Names, readableText, shorten } from './mrkdwn.ts';
import type { Identity } from './parse.ts';
import { speakerOf, textOf, withFiles } from './said.ts';

/** Messages a page (Slack recommends at most 200, conversations.replies takes 1,000) and pages; a page is one call of about 50 a minute. */
const PAGE = 500;
const PAGES = 10;
const MOST = PAGE * PAGES;
/** How much of the end of a longer thread is looked at, in seconds: an hour to eight weeks, until there is enough of it. */
const BACK_S = [3_600, 6 * 3_600, 36 * 3_600, 9 * 86_400, 56 * 86_400];
/**
 * A wait that is over so soon is worth it. An app that is distributed outside of Slack's Marketplace has one page a minute, of
 * 15 messages (docs.slack.dev/changelog/2025/05/29/rate-limit-changes-for-non-marketplace-apps).
 */
const SOON_MS = 5_000;
/** Things said by somebody. Joins, topics and the like carry other subtypes; `tombstone` stands for a deleted root. */
const SAID = new Set([undefined, 'file_share', 'thread_broadcast', 'me_message', 'bot_message']);
/** The token may not read there: asking again changes nothing. */
const FORBIDDEN = new Set(['missing_scope', 'no_permission', 'not_allowed_token_type']);

/** A message as conversations.replies shows it. `subtype` and `username` are missing from the library's type. */
type Found = NonNullable<ConversationsRepliesResponse['messages']>[number] & { subtype?: string; username?: string };

interface HistoryParts {
  client: SlackClient;
  names: Names;
  identity: Identity;
}

/**
 * What was said in a thread. Slack tells it from the beginning on, so all of it is read; of a thread that is too long for that, its
 * end: the last hour, or as much more as it takes. Errors as `Connector.history`.
 */
export async function threadHistory(
  parts: HistoryParts,
  conversation: ConversationKey,
  range: HistoryRange,
  signal: AbortSignal,
): Promise<History> {
  const { all, missing = 0, ...rest } = await read(parts, conversation, range, signal);
  const latest = all.slice(-range.messages);
  const said = await Promise.all(latest.map((message) => saidBefore(parts, message, range.text)));
  const spoken = said.filter(({ text }) => text !== '');
  let characters = 0;
  const first = spoken.findLastIndex(({ text }) => {
    characters += text.length;
    return characters > range.characters;
  });
  const left_out = all.length - latest.length + first + 1 + missing;
  return { messages: spoken.slice(first + 1), left_out, ...(missing > 0 && { left_out_or_more: true }), ...rest };
}

interface Reading extends Pick<History, 'cut_short'> {
  all: Found[];
  /** So many older ones were not read, about. */
  missing?: number;
}

async function read(
  { client, identity }: HistoryParts,
  conversation: ConversationKey,
  range: HistoryRange,
  signal: AbortSignal,
): Promise<Reading> {
  const { channel, thread_ts: ts } = placeOf(conversation);
  if (ts === undefined) return { all: [] };
  const { after, before } = range;
  // Time stamps have one length, so their order is that of texts.
  const isBefore = (at: string) => before === null || at < before;
  const isWanted = (message: Found): message is Found & { ts: string } =>
    isSaid(message) &&
    isBefore(message.ts) &&
    // The root comes along whatever was asked for.
    (after === null || message.ts > after) &&
    (range.own || speakerOf(message, identity) !== 'self');
  const pages = async (oldest: string | null, isEnd: boolean): Promise<Pages> => {
    const options = { channel, ts, limit: PAGE, ...(oldest !== null && { oldest }) };
    return readPages((cursor) => repliesOf(client, { ...options, ...cursor }, signal), { isBefore, isEnd });
  };
  const whole = await pages(after, false);
  const wanted = whole.found.filter(isWanted);
  if (whole.end === 'reached') return { all: wanted };
  if (whole.end === 'put_off') return { all: wanted, cut_short: true };

  const { reply_count = 0, latest_reply } = whole.root;
  const ends = [before, latest_reply].flatMap((at) => (at == null ? [] : [Number(at)]));
  const end = ends.length === 0 ? Date.now() / 1_000 : Math.min(...ends);
  let best: Required<Pick<Reading, 'all' | 'missing'>> | null = null;
  for (const back_s of BACK_S) {
    const oldest = (end - back_s).toFixed(6);
    const isAll = after !== null && oldest <= after;
    const { found, end: how } = await pages(isAll ? after : oldest, true);
    if (how === 'put_off' && best === null) return { all: wanted, cut_short: true };
    if (how !== 'reached') break;
    // The root may be of another time.
    const all = found.filter((message) => isWanted(message) && (isAll || message.ts > oldest));
    if (isAll) return { all };
    const unread = wanted.filter((message) => message.ts <= oldest).length;
    if (all.length > 0) {
      best = { all, missing: Math.max(unread, after === null ? reply_count + 1 - all.length : 0) };
    }
    if (all.length >= range.messages) break;
  }
  if (best === null) throw new PostRefusedError(`the thread has more than ${MOST.toLocaleString('en')} messages`);
  return best;
}

interface Pages {
  found: Found[];
  root: Found;
  /** `too_long`: there is more than is read; `put_off`: Slack asks to wait for longer than is worth it. */
  end: 'reached' | 'too_long' | 'put_off';
}

/** @param isEnd only the end of a thread is asked for, whose beginning was read: a wait ends it at once */
async function readPages(
  next: (cursor: { cursor?: string }) => Promise<ConversationsRepliesResponse>,
  { isBefore, isEnd }: { isBefore: (ts: string) => boolean; isEnd: boolean },
): Promise<Pages> {
  const found: Found[] = [];
  let root: Found = {};
  let cursor: string | undefined;
  for (let page = 0; page < PAGES; page += 1) {
    const answer = await next(cursor === undefined ? {} : { cursor }).catch((error: unknown) => {
      const isLong = error instanceof RateLimitedError && error.retry_after_ms > SOON_MS;
      if (isLong && (isEnd || page > 0)) return null;
      throw error;
    });
    if (answer === null) return { found, root, end: 'put_off' };
    const { messages = [], response_metadata: metadata } = answer;
    if (page === 0) root = messages[0] ?? {};
    found.push(...messages);
    cursor = metadata?.next_cursor || undefined;
    if (cursor === undefined || messages.some(({ ts = '' }) => !isBefore(ts))) return { found, root, end: 'reached' };
    // It says at once how long it is: what would be read in vain is not.
    if (!isEnd && (root.reply_count ?? 0) > MOST) break;
  }
  return { found, root, end: 'too_long' };
}

async function repliesOf(
  client: SlackClient,
  options: { channel: string; ts: string; limit: number; oldest?: string; cursor?: string },
  signal: AbortSignal,
): Promise<ConversationsRepliesResponse> {
  try {
    return await client.call((web) => web.conversations.replies(options), signal);
  } catch (error) {
    const reason = platformErrorOf(error);
    if (reason === null || !FORBIDDEN.has(reason)) throw error;
    throw new PostRefusedError(reason, { cause: error });
  }
}

function isSaid(message: Found): message is Found & { ts: string } {
  return message.ts !== undefined && SAID.has(message.subtype);
}

async function saidBefore({ names, identity }: HistoryParts, message: Found, length: number): Promise<SaidBefore> {
  const from = speakerOf(message, identity);
  const markup = withFiles(textOf(message, from), message.files);
  const text = await readableText(markup, '', names);
  const ts = message.ts ?? '0';
  return {
    message_id: ts,
    from,
    name: await authorOf(message, names),
    text: shorten(text, length),
    ...(message.files !== undefined && { files: filesIn(message.files) }),
    at: new Date(Number(ts) * 1_000).toISOString(),
  };
}

function filesIn(files: NonNullable<Found['files']>): NonNullable<SaidBefore['files']> {
  return files.flatMap(({ id, name, title, size }) =>
    id === undefined ? [] : [{ id, name: name || title || 'a file', size_bytes: size ?? null }],
  );
}

async function authorOf({ user, bot_profile, username }: Found, names: Names): Promise<string> {
  return username ?? bot_profile?.name ?? (user === undefined ? 'a bot' : await names.user(user));
}
