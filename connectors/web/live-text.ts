import { LRUCache } from 'lru-cache';

/**
 * Text that is still being written. Every edit reaches open pages at once as a delta; the database gets the whole text
 * at most once per `STORE_INTERVAL_MS` and once more when the edits pause, so a reload is never more than that behind.
 * The state kept here is only a throttle: losing it costs one more write.
 */
export interface LiveText {
  /** Take the next state of a live message. Resolves when it was stored or handed on as a delta. */
  update(ref: string, conversationId: string, markdown: string): Promise<void>;
  /** The message is final or replaced: forget it. Resolves when no store of it is under way. */
  end(ref: string): Promise<void>;
  /** Store everything that is not yet stored. */
  flush(): Promise<void>;
}

interface LiveTextDeps {
  store: (ref: string, conversationId: string, markdown: string) => Promise<void>;
  publish: (ref: string, conversationId: string, from: number, text: string) => void;
  onError: (error: unknown) => void;
}

interface Entry {
  conversationId: string;
  shown: string;
  /** Set while something shown is not stored. */
  timer: NodeJS.Timeout | null;
  stored_at: number;
  storing: Promise<void>;
}

/** Milliseconds between two stores of one live text. */
const STORE_INTERVAL_MS = 1_000;
/** Live texts of one process; one more evicts the oldest, whose next edit is stored at once. */
const MOST_ENTRIES = 5_000;

export function createLiveText(deps: LiveTextDeps): LiveText {
  const entries = new LRUCache<string, Entry>({ max: MOST_ENTRIES });

  function store(ref: string, entry: Entry): Promise<void> {
    if (entry.timer) clearTimeout(entry.timer);
    entry.timer = null;
    entry.stored_at = Date.now();
    const { shown } = entry;
    entry.storing = entry.storing.catch(() => undefined).then(() => deps.store(ref, entry.conversationId, shown));
    // A text that could not be stored is unknown again: the next edit stores it, and its caller learns of the failure.
    entry.storing.catch(() => entries.delete(ref));
    return entry.storing;
  }

  return {
    async update(ref, conversationId, markdown) {
      const entry = entries.get(ref);
      if (entry === undefined || !markdown.startsWith(entry.shown)) {
        const fresh: Entry = entry ?? {
          conversationId,
          shown: '',
          timer: null,
          stored_at: 0,
          storing: Promise.resolve(),
        };
        fresh.shown = markdown;
        entries.set(ref, fresh);
        return store(ref, fresh);
      }
      const from = entry.shown.length;
      if (markdown.length > from) deps.publish(ref, conversationId, from, markdown.slice(from));
      entry.shown = markdown;
      const wait = entry.stored_at + STORE_INTERVAL_MS - Date.now();
      if (wait <= 0) return store(ref, entry);
      entry.timer ??= setTimeout(() => {
        store(ref, entry).catch(deps.onError);
      }, wait);
    },

    async end(ref) {
      const entry = entries.get(ref);
      if (entry === undefined) return;
      entries.delete(ref);
      if (entry.timer) clearTimeout(entry.timer);
      entry.timer = null;
      // A failed store of a text that is replaced now is of no interest.
      await entry.storing.catch(() => undefined);
    },

    async flush() {
      const owed = [...entries.entries()].filter(([, entry]) => entry.timer !== null);
      await Promise.all(owed.map(([ref, entry]) => store(ref, entry)));
    },
  };
}
