import { LRUCache } from 'lru-cache';
import type { InboundMessage } from '../../src/chat/inbound.ts';
import type { ConversationKey } from '../../src/chat/place.ts';
import { messageOf } from '../../src/errors.ts';
import type { Logger } from '../../src/logger.ts';
import { placeOf } from './conversation-id.ts';
import type { SlackClients } from './installations.ts';
import type { People } from './names.ts';

export interface Mentions {
  /** Somebody said this: they and whom they mentioned belong to the thread. */
  heard(message: InboundMessage): void;
  /**
   * Markdown with the thread's people as mentions where it calls them `@Name`. Code is left alone, and so is a name that
   * two of them have. Never rejects.
   */
  linked(conversation: ConversationKey, markdown: string, signal: AbortSignal): Promise<string>;
}

const MENTION = /<@([UW][A-Z0-9]+)(?:\|[^>]*)?>/g;
const CODE = /(`{3,}|~{3,})[\s\S]*?(?:\1|$)|`[^`\n]*`/g;
/** An `@` at the beginning of a word: not in an address, not in a path. */
const AT = String.raw`(?<![\p{L}\p{N}_./@<])@`;
const CALLED = new RegExp(String.raw`${AT}\p{L}`, 'u');
/** Of a thread that was begun before this process: so many of its messages are looked at. */
const LOOKED_AT = 200;
const THREADS = 2_000;

interface ThreadPeople {
  ids: Set<string>;
  /** Its earlier messages were read, or cannot be. */
  isRead: boolean;
}

/** Who may be mentioned in a thread: those who wrote there, and those whom they mentioned. */
export function createMentions(clients: SlackClients, names: People, logger: Logger): Mentions {
  const threads = new LRUCache<string, ThreadPeople>({ max: THREADS });

  function peopleOf(conversation: ConversationKey): ThreadPeople {
    const key = `${conversation.tenant}:${conversation.channel}:${conversation.thread}`;
    const known = threads.get(key) ?? { ids: new Set<string>(), isRead: false };
    threads.set(key, known);
    return known;
  }

  function learn(people: ThreadPeople, user: string | undefined, text: string): void {
    if (user !== undefined) people.ids.add(user);
    for (const [, id] of text.matchAll(MENTION)) if (id !== undefined) people.ids.add(id);
  }

  async function read(conversation: ConversationKey, people: ThreadPeople, signal: AbortSignal): Promise<void> {
    people.isRead = true;
    const { channel, thread_ts: ts } = placeOf(conversation);
    const client = clients.of(conversation.tenant);
    if (ts === undefined) return;
    try {
      const page = await client.call((web) => web.conversations.replies({ channel, ts, limit: LOOKED_AT }), signal);
      for (const { user, bot_id, text } of page.messages ?? []) {
        if (bot_id === undefined) learn(people, user, text ?? '');
      }
    } catch (error) {
      logger.info({ reason: messageOf(error) }, 'slack thread not read for its people, names stay names');
    }
  }

  /** Those of the thread with a name of their own. */
  async function idsByName({ tenant }: ConversationKey, { ids }: ThreadPeople): Promise<Map<string, string>> {
    const people = names.of(tenant);
    const named = await Promise.all([...ids].map(async (id) => ({ id, name: await people.user(id) })));
    const byName = new Map<string, string>();
    const twice = new Set<string>();
    for (const { id, name } of named) {
      if (byName.has(name)) twice.add(name);
      byName.set(name, id);
    }
    for (const name of twice) byName.delete(name);
    return byName;
  }

  return {
    heard(message) {
      learn(peopleOf(message.conversation), message.sender.id, message.text);
    },

    async linked(conversation, markdown, signal) {
      if (!CALLED.test(markdown)) return markdown;
      const people = peopleOf(conversation);
      const linked = link(markdown, await idsByName(conversation, people));
      // Somebody else may be meant, who was there before this process.
      if (people.isRead || !proseOf(linked).some((prose) => CALLED.test(prose))) return linked;
      await read(conversation, people, signal);
      return link(markdown, await idsByName(conversation, people));
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

function link(markdown: string, ids: ReadonlyMap<string, string>): string {
  if (ids.size === 0) return markdown;
  // The longest first: `@Ana Maria` is not Ana.
  const wanted = [...ids.keys()].sort((a, b) => b.length - a.length).map(escapeRegExp);
  const called = new RegExp(String.raw`${AT}(${wanted.join('|')})(?![\p{L}\p{N}_])`, 'gu');
  const mention = (all: string, name: string) => {
    const id = ids.get(name);
    return id === undefined ? all : `<@${id}>`;
  };
  return piecesOf(markdown)
    .map((piece, index) => (index % 2 === 0 ? piece.replace(called, mention) : piece))
    .join('');
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}
