import { setTimeout as sleep } from 'node:timers/promises';
import type { ConversationDetail } from '../../connectors/web/wire.ts';
import { openThread, type ThreadState, threadReducer } from '../../console/src/thread-state.ts';
import type { EventReader, Heard, WebClient } from './web-client.ts';

/** How long the page waits before it opens a stream that has ended again. */
const REOPEN_MS = 500;

/** A conversation as the page shows it: kept by the page's own state, from its event stream alone. */
export interface OpenPage {
  shown(): ThreadState;
  /** Of every message event, in the order in which they came. */
  revisions: number[];
  /** How often more of a text came before the text was whole. */
  deltas: number;
  streams: number;
  close(): Promise<void>;
  /** Until it is closed. @throws if a stream cannot be opened */
  done: Promise<void>;
}

export function openPage(client: WebClient, detail: ConversationDetail): OpenPage {
  let state = openThread(detail, []);
  let reader: EventReader | null = null;
  let read = 0;
  let isOver = false;

  function hear({ event, data }: Heard): void {
    if (event === 'message') {
      page.revisions.push(data.revision);
      state = threadReducer(state, { type: 'message', message: data });
    }
    if (event === 'delta') {
      page.deltas += 1;
      state = threadReducer(state, { type: 'delta', delta: data });
    }
    if (event === 'conversation') state = threadReducer(state, { type: 'conversation', conversation: data });
  }
  function shown(): ThreadState {
    for (const one of reader?.heard.slice(read) ?? []) {
      hear(one);
      read += 1;
    }
    return state;
  }
  async function follow(): Promise<void> {
    while (!isOver) {
      reader = await client.events(detail.conversation.id, page.revisions.at(-1) ?? detail.cursor);
      page.streams += 1;
      await reader.closed;
      shown();
      read = 0;
      reader = null;
      if (!isOver) await sleep(REOPEN_MS);
    }
  }
  const page: OpenPage = {
    shown,
    revisions: [],
    deltas: 0,
    streams: 0,
    async close() {
      isOver = true;
      await reader?.[Symbol.asyncDispose]();
      await page.done;
    },
    done: Promise.resolve(),
  };
  page.done = follow();
  return page;
}
