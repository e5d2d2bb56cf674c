import { LRUCache } from 'lru-cache';
import type { PreviewEvent } from '../session/hints.ts';
import { tailOf } from '../session/text.ts';
import type { PostRef } from './connector.ts';

/** Text or output that is still being written, as far as its pieces have reached this gateway. */
export interface Live {
  /**
   * A piece arrived. True when there is something new to show. One of a worker whose lease another has taken since is late,
   * whenever it comes. @param token of the lease under which it was written
   */
  accept(event: PreviewEvent, token?: number): boolean;
  /** The message being written, when something of it is new since the last call. */
  takeText(): { message_id: string; text: string } | null;
  /** Output of running tools that is new since the last call. */
  takeOutputs(): Array<{ tool_use_id: string; output: string }>;
  /** Its event stands in the log: previews of it are over. */
  settle(id: string): void;
  readonly pending: boolean;
  /** Of the message being written nothing stands in the conversation yet. */
  readonly begins: boolean;
  /** What stands in the conversation of the message being written, by delivery id. */
  readonly posts: Map<string, LivePost>;
  /** Where it went on in another post before that one was full; known as soon as there are posts. */
  cuts: readonly number[];
}

export interface LivePost {
  ref: PostRef;
  markdown: string;
  live: boolean;
  /** When it was posted, in ms since the epoch. */
  since: number;
  /** When it was last stored (`performance.now()`); the pieces in between are only shown. */
  stored_at: number;
}

/** The latest output kept for watchers; the whole of it is in the log when the call ends. */
const OUTPUT_CHARS = 2000;
/** Messages and calls that are over and still recognised. */
const REMEMBERED = 256;

export function createLive(): Live {
  let message: { id: string; blocks: string[]; fresh: boolean } | null = null;
  const outputs = new Map<string, { text: string; fresh: boolean }>();
  const posts = new Map<string, LivePost>();
  /** The latest lease that was heard of. */
  let latest = 0;
  /** Messages whose event stood in the log, or that were dropped: a late piece must not bring them back. */
  const over = new LRUCache<string, true>({ max: REMEMBERED });

  function begin(id: string): { id: string; blocks: string[]; fresh: boolean } {
    posts.clear();
    message = { id, blocks: [], fresh: false };
    return message;
  }

  return {
    posts,
    cuts: [],
    accept(event, token = latest) {
      if (token < latest) return false;
      latest = token;
      switch (event.type) {
        case 'event_start':
          if (event.event.type === 'agent.message' && !over.has(event.event.id)) begin(event.event.id);
          return false;
        case 'event_delta': {
          // A text without its start makes no sense: who missed it waits for the whole of it.
          if (message?.id !== event.event_id) return false;
          const { index, content } = event.delta;
          message.blocks[index] = (message.blocks[index] ?? '') + content.text;
          message.fresh = true;
          return true;
        }
        case 'event_so_far': {
          if (over.has(event.event_id)) return false;
          const known = message?.id === event.event_id ? message : begin(event.event_id);
          if (textOfBlocks(known.blocks) === textOfBlocks(event.blocks)) return false;
          known.blocks = [...event.blocks];
          known.fresh = true;
          return true;
        }
        case 'preview_dropped':
          over.set(event.event_id, true);
          if (message?.id === event.event_id) message = null;
          return false;
        case 'tool_output': {
          if (over.has(event.tool_use_id)) return false;
          const before = outputs.get(event.tool_use_id)?.text ?? '';
          outputs.set(event.tool_use_id, { text: tailOf(before + event.text, OUTPUT_CHARS), fresh: true });
          return true;
        }
        default:
          return event satisfies never;
      }
    },
    takeText() {
      if (message === null || !message.fresh) return null;
      message.fresh = false;
      return { message_id: message.id, text: textOfBlocks(message.blocks) };
    },
    takeOutputs() {
      const fresh = [...outputs].filter(([, output]) => output.fresh);
      for (const [, output] of fresh) output.fresh = false;
      return fresh.map(([tool_use_id, output]) => ({ tool_use_id, output: output.text }));
    },
    settle(id) {
      over.set(id, true);
      if (message?.id === id) {
        message = null;
        posts.clear();
      }
      outputs.delete(id);
    },
    get begins() {
      return message?.fresh === true && posts.size === 0;
    },
    get pending() {
      return message?.fresh === true || [...outputs.values()].some((output) => output.fresh);
    },
  };
}

/** A message's text blocks as one text, the same while it grows and when it is whole. */
export function textOfBlocks(blocks: readonly (string | undefined)[]): string {
  return blocks.filter((text) => text !== undefined && text.trim() !== '').join('\n\n');
}
