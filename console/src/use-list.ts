import { useCallback, useEffect, useRef, useState } from 'react';
import type { ConversationSummary } from '../../connectors/web/wire.ts';
import { api } from './api.ts';

export interface ConversationList {
  items: ConversationSummary[];
  isLoading: boolean;
  search: string;
  setSearch: (search: string) => void;
  /** Where the next page begins; null when there is none. */
  next: string | null;
  more: () => void;
  /** Ask the server again. */
  refresh: () => void;
  /** The server told of a new or changed conversation. */
  put: (conversation: ConversationSummary) => void;
}

/** A person types faster than this (milliseconds) within a word. */
const TYPING_MS = 200;

/** The person's conversations, newest first, or those that match a search. */
export function useList(onError: (error: unknown) => void): ConversationList {
  const [items, setItems] = useState<ConversationSummary[]>([]);
  const [next, setNext] = useState<string | null>(null);
  const [search, setSearch] = useState('');
  const [isLoading, setLoading] = useState(true);
  const asked = useRef(0);

  const load = useCallback(
    async (words: string, before?: string) => {
      // Only the answer to the last question counts.
      asked.current += 1;
      const question = asked.current;
      try {
        const page = await api.conversations(words, before);
        if (question !== asked.current) return;
        setItems((known) => (before === undefined ? page.data : merge(known, page.data)));
        setNext(page.next);
        setLoading(false);
      } catch (error) {
        if (question === asked.current) onError(error);
      }
    },
    [onError],
  );

  useEffect(() => {
    const timer = setTimeout(() => void load(search), search === '' ? 0 : TYPING_MS);
    return () => clearTimeout(timer);
  }, [load, search]);

  const put = useCallback(
    (conversation: ConversationSummary) =>
      setItems((known) => {
        // A search shows what matched; news only changes entries already in it.
        const isShown = known.some(({ id }) => id === conversation.id);
        return isShown || search === '' ? merge(known, [conversation]) : known;
      }),
    [search],
  );

  return {
    items,
    isLoading,
    search,
    setSearch,
    next,
    more: () => void (next !== null && load(search, next)),
    refresh: useCallback(() => void load(search), [load, search]),
    put,
  };
}

function merge(known: ConversationSummary[], fresh: ConversationSummary[]): ConversationSummary[] {
  const newest = new Map(known.map((each) => [each.id, each]));
  for (const each of fresh) {
    if (each.revision >= (newest.get(each.id)?.revision ?? 0)) newest.set(each.id, each);
  }
  return [...newest.values()].toSorted((a, b) => b.updated_at.localeCompare(a.updated_at) || b.id.localeCompare(a.id));
}
