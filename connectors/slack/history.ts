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
import { textOf, withFiles } from './said.ts';

/** Messages a page (Slack recommends at most 200, conversations.replies takes 1,000) and pages; a page is one call of about 50 a minute. */
const PAGE = 500;
const PAGES = 10;
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

/** What was said in a thread: read from its beginning, because Slack tells it in that order only. Errors as `Connector.history`. */
export async function threadHistory(
  parts: HistoryParts,
  conversation: ConversationKey,
  range: HistoryRange,
  signal: AbortSignal,
): Promise<History> {
  const { all, ...rest } = await read(parts.client, conversation, range, signal);
  const counted = all.filter((message) => range.own || !isOwn(message, parts.identity));
  const latest = counted.slice(-range.messages);
  const said = await Promise.all(latest.map((message) => saidBefore(parts, message, range.text)));
  const spoken = said.filter(({ text }) => text !== '');
  let characters = 0;
  const first = spoken.findLastIndex(({ text }) => {
    characters += text.length;
    return characters > range.characters;
  });
  return { messages: spoken.slice(first + 1), left_out: counted.length - latest.length + first + 1, ...rest };
}

async function read(
  client: SlackClient,
  conversation: ConversationKey,
  { after, before }: HistoryRange,
  signal: AbortSignal,
): Promise<{ all: Found[] } & Pick<History, 'cut_short'>> {
  const { channel, thread_ts: ts } = placeOf(conversation);
  if (ts === undefined) return { all: [] };
  // Time stamps have one length, so their order is that of texts.
  const isBefore = (at: string) => before === null || at < before;
  const options = { channel, ts, limit: PAGE, ...(after !== null && { oldest: after }) };
  const found: Found[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < PAGES; page += 1) {
    const at = cursor === undefined ? options : { ...options, cursor };
    const answer = await repliesOf(client, at, signal).catch((error: unknown) => {
      const isLong = error instanceof RateLimitedError && error.retry_after_ms > SOON_MS;
      if (isLong && page > 0) return null;
      throw error;
    });
    if (answer === null) return { all: found, cut_short: true };
    const { messages = [], response_metadata: metadata } = answer;
    // The root comes along whatever was asked for.
    found.push(...messages.filter((m: Found) => isSaid(m) && isBefore(m.ts) && (after === null || m.ts > after)));
    cursor = metadata?.next_cursor || undefined;
    if (cursor === undefined || messages.some(({ ts: at = '' }) => !isBefore(at))) return { all: found };
  }
  throw new PostRefusedError(`the thread has more than ${(PAGE * PAGES).toLocaleString('en')} messages`);
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

function isOwn({ bot_id, user }: Found, { bot_id: own, bot_user_id }: Identity): boolean {
  return user === bot_user_id || (own !== undefined && bot_id === own);
}

async function saidBefore({ names, identity }: HistoryParts, message: Found, length: number): Promise<SaidBefore> {
  const markup = withFiles(textOf(message), message.files);
  const text = await readableText(markup, '', names);
  const ts = message.ts ?? '0';
  return {
    message_id: ts,
    ...(await authorOf(message, names, identity)),
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

async function authorOf(message: Found, names: Names, identity: Identity): Promise<Pick<SaidBefore, 'from' | 'name'>> {
  const { user, bot_id, bot_profile, username } = message;
  const known = username ?? bot_profile?.name ?? (user === undefined ? 'a bot' : await names.user(user));
  if (isOwn(message, identity)) return { from: 'self', name: known };
  return { from: bot_id === undefined ? 'person' : 'bot', name: known };
}
