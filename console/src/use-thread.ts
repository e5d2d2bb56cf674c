import { useCallback, useEffect, useReducer, useRef, useState } from 'react';
import type { ConversationDetail, ConversationSummary, Person } from '../../connectors/web/wire.ts';
import { ApiError, api, createClientId } from './api.ts';
import { openFeed } from './event-feed.ts';
import { readOutbox, writeOutbox } from './storage.ts';
import { openThread, type PendingMessage, type ThreadState, threadReducer } from './thread-state.ts';

export interface Thread {
  state: ThreadState;
  say: (text: string) => void;
  retry: (pending: PendingMessage) => void;
  discard: (pending: PendingMessage) => void;
  loadEarlier: () => Promise<void>;
}

interface ThreadEvents {
  onConnection: (isOpen: boolean) => void;
  onConversation: (conversation: ConversationSummary) => void;
  onReady: () => void;
  onSignedOut: () => void;
  onSay: (message: string) => void;
}

/** An opened conversation kept up to date by the server's events, and what the person does in it. */
export function useThread(detail: ConversationDetail, person: Person, events: ThreadEvents): Thread {
  const { id } = detail.conversation;
  const [state, dispatch] = useReducer(threadReducer, null, () => openThread(detail, readOutbox(person.id, id)));
  const handlers = useLatest(events);
  const pending = useLatest(state.pending);

  useEffect(() => writeOutbox(person.id, id, state.pending), [person.id, id, state.pending]);

  const underway = useRef(new Set<string>());

  const send = useCallback(
    async (client_id: string, text: string) => {
      if (underway.current.has(client_id)) return;
      underway.current.add(client_id);
      dispatch({ type: 'sending', client_id, text });
      try {
        const { message, receipt } = await api.say(id, client_id, text);
        dispatch({ type: 'message', message });
        if (receipt.text !== null && message.refusal === null) handlers.current.onSay(receipt.text);
      } catch (error) {
        dispatch({ type: 'failed', client_id, failure: error instanceof ApiError ? error.message : String(error) });
        if (error instanceof ApiError && error.code === 'signed_out') handlers.current.onSignedOut();
      } finally {
        underway.current.delete(client_id);
      }
    },
    [id, handlers],
  );

  const resend = useCallback(() => {
    for (const { client_id, text } of pending.current) void send(client_id, text);
  }, [pending, send]);

  // What a new conversation begins with, and what was on its way when the page was left: the server knows doubles.
  useEffect(resend, [resend]);

  useEffect(
    () =>
      openFeed(id, detail.cursor, {
        message: (message) => dispatch({ type: 'message', message }),
        delta: (delta) => dispatch({ type: 'delta', delta }),
        conversation: (conversation) => {
          dispatch({ type: 'conversation', conversation });
          handlers.current.onConversation(conversation);
        },
        ready: () => {
          handlers.current.onReady();
          // What could not be sent while the connection was down.
          resend();
        },
        signed_out: () => handlers.current.onSignedOut(),
        onConnection: (isOpen) => handlers.current.onConnection(isOpen),
      }),
    [id, detail.cursor, handlers, resend],
  );

  return {
    state,
    say: (text) => void send(createClientId(), text),
    retry: ({ client_id, text }) => void send(client_id, text),
    discard: ({ client_id }) => dispatch({ type: 'discarded', client_id }),
    loadEarlier: async () => {
      const first = state.messages[0];
      if (first === undefined) return;
      try {
        dispatch({ type: 'earlier', ...(await api.earlier(id, first.seq)) });
      } catch (error) {
        handlers.current.onSay(error instanceof ApiError ? error.message : String(error));
      }
    },
  };
}

/** The last value given, for callbacks that outlive a render. */
function useLatest<T>(value: T): { readonly current: T } {
  const latest = useRef(value);
  useEffect(() => {
    latest.current = value;
  });
  return latest;
}

/** What the address names: being read, there, or not there and why. */
export type Opened =
  | { status: 'loading' }
  | { status: 'open'; detail: ConversationDetail }
  | { status: 'failed'; error: ApiError };

/** Reads a conversation once; `again` tries anew. */
export function useConversation(id: string): { opened: Opened; again: () => void } {
  const [opened, setOpened] = useState<Opened>({ status: 'loading' });
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    let wanted = true;
    api.conversation(id).then(
      (detail) => wanted && setOpened({ status: 'open', detail }),
      (error: unknown) => wanted && setOpened({ status: 'failed', error: asApiError(error) }),
    );
    return () => {
      wanted = false;
    };
  }, [id, attempt]);
  const again = () => {
    setOpened({ status: 'loading' });
    setAttempt(attempt + 1);
  };
  return { opened, again };
}

function asApiError(error: unknown): ApiError {
  return error instanceof ApiError ? error : new ApiError('internal', 500, String(error), { cause: error });
}
