import { LRUCache } from 'lru-cache';
import type { InboundMessage } from '../../src/chat/inbound.ts';
import type { ConversationKey } from '../../src/chat/place.ts';
import { messageOf } from '../../src/errors.ts';
import type { Logger } from '../../src/logger.ts';
import { placeOf } from './conversation-id.ts';
import type { SlackClients } from './installations.ts';
import { type Names, quiet } from './mrkdwn.ts';

export interface Mentions {
  /** Somebody said this: they and whom they mentioned belong to the thread. */
  heard(message: InboundMessage): void;
  /**
   * Markdown with the thread's people and groups as mentions where it calls them `@Name`, and its channels where it says
   * `#name`. Code is left alone, and so is a name that two of them have. It rings no other bell: it is quiet but for these.
   * Never rejects.
   */
  linked(conversation: ConversationKey, markdown: string, signal: AbortSignal): Promise<string>;
}

const MENTION = /<(@[UW]|#[CG]|!subteam\^S)([A-Z0-9]+)(?:\|([^>]*))?>/g;
/** What somebody forwards or quotes mentions nobody. */
const QUOTED = /^&gt;.*$/gm;
const CODE = /(`{3,}|~{3,})[\s\S]*?(?:\1|$)|`[^`\n]*`/g;
/** An `@` or a `#` at the beginning of a word: not in an address, a path or markup, and not what a link leads to. */
const BEGINNING = String.raw`(?<![\p{L}\p{N}_./@#&<‹]|\]\()`;
const CALLED = new RegExp(String.raw`${BEGINNING}[@#]\p{L}`, 'u');
/** `#ops-alerts` is not #ops. */
const END = String.raw`(?![\p{L}\p{N}_]|-[\p{L}\p{N}])`;
/** Of a thread that was begun before this process: so many of its messages are looked at. */
const LOOKED_AT = 200;
const THREADS = 2_000;

interface ThreadNames {
  people: Set<string>;
  /** By id, as they were called; empty where they were not. */
  channels: Map<string, string>;
  groups: Map<string, string>;
  /** Its earlier messages were read, or cannot be. */
  isRead: boolean;
}

/** Who may be mentioned in a thread: those who wrote there, and whom and what they mentioned. */
export function createMentions(clients: SlackClients, names: (tenant: string) => Names, logger: Logger): Mentions {
  const threads = new LRUCache<string, ThreadNames>({ max: THREADS });

  function namesIn(conversation: ConversationKey): ThreadNames {
    const key = `${conversation.tenant}:${conversation.channel}:${conversation.thread}`;
    const known = threads.get(key) ?? { people: new Set(), channels: new Map(), groups: new Map(), isRead: false };
    threads.set(key, known);
    return known;
  }

  function learn({ people, channels, groups }: ThreadNames, user: string | undefined, text: string): void {
    if (user !== undefined) people.add(user);
    for (const [, kind = '', rest = '', label = ''] of text.replaceAll(QUOTED, '').matchAll(MENTION)) {
      const id = `${kind.at(-1)}${rest}`;
      if (kind.startsWith('@')) people.add(id);
      else if (kind.startsWith('#')) channels.set(id, label || (channels.get(id) ?? ''));
      else groups.set(id, label.replace(/^@/, '') || (groups.get(id) ?? ''));
    }
  }

  async function read(conversation: ConversationKey, known: ThreadNames, signal: AbortSignal): Promise<void> {
    known.isRead = true;
    const { channel, thread_ts: ts } = placeOf(conversation);
    const client = clients.of(conversation.tenant);
    if (ts === undefined) return;
    try {
      const page = await client.call((web) => web.conversations.replies({ channel, ts, limit: LOOKED_AT }), signal);
      for (const { user, bot_id, text } of page.messages ?? []) {
        if (bot_id === undefined) learn(known, user, text ?? '');
      }
    } catch (error) {
      logger.info({ reason: messageOf(error) }, 'slack thread not read for its people, names stay names');
    }
  }

  /** Those of the thread with a name of their own: `@Ana`, and Slack's mention of her. */
  async function mentionsByName({ tenant }: ConversationKey, known: ThreadNames): Promise<Map<string, string>> {
    const { user, group, channel } = names(tenant);
    const named = await Promise.all([
      ...[...known.people].map(async (id) => [`@${await user(id)}`, `<@${id}>`] as const),
      ...[...known.groups].map(async ([id, name]) => [`@${name || (await group(id))}`, `<!subteam^${id}>`] as const),
      ...[...known.channels].map(async ([id, name]) => [`#${name || (await channel(id))}`, `<#${id}>`] as const),
    ]);
    const byName = new Map<string, string>();
    const twice = new Set<string>();
    for (const [name, mention] of named) {
      if (byName.has(name)) twice.add(name);
      byName.set(name, mention);
    }
    for (const name of twice) byName.delete(name);
    return byName;
  }

  return {
    heard(message) {
      learn(namesIn(message.conversation), message.sender.id, message.text);
    },

    async linked(conversation, markdown, signal) {
      const text = quiet(markdown);
      if (!CALLED.test(text)) return text;
      const known = namesIn(conversation);
      const linked = link(text, await mentionsByName(conversation, known));
      // Somebody else may be meant, who was there before this process.
      if (known.isRead || !proseOf(linked).some((prose) => CALLED.test(prose))) return linked;
      await read(conversation, known, signal);
      return link(text, await mentionsByName(conversation, known));
    },
  };
}

/** The pieces of a text, code and prose in turns, beginning with prose. */
function piecesOf(markdown: string): string[] {
  const pieces: string[] = [];
  let at = 0;
  for (const match of markdown.matchAll(CODE)) {
    pieces.push(markdown.slice(at, match.index), match[0]);
    at = match.index + match[0].length;
  }
  return [...pieces, markdown.slice(at)];
}

function proseOf(markdown: string): string[] {
  return piecesOf(markdown).filter((_piece, index) => index % 2 === 0);
}

/** @param mentions by name, sign included */
function link(markdown: string, mentions: ReadonlyMap<string, string>): string {
  if (mentions.size === 0) return markdown;
  // The longest first: `@Ana Maria` is not Ana.
  const wanted = [...mentions.keys()].sort((a, b) => b.length - a.length).map(escapeRegExp);
  const called = new RegExp(`${BEGINNING}(?:${wanted.join('|')})${END}`, 'gu');
  return piecesOf(markdown)
    .map((piece, index) => (index % 2 === 0 ? piece.replace(called, (name) => mentions.get(name) ?? name) : piece))
    .join('');
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}
