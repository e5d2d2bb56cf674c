import { LeaseLostError } from '../errors.ts';
import type { SessionEvent } from '../session/event.ts';
import { tailOf } from '../session/text.ts';
import { stamp } from './turn-log.ts';
import type { Turn } from './turn-parts.ts';

/** Between two records of what running calls print. Watchers see it sooner, as previews; this is for whoever comes later. */
const EVERY_MS = 1_000;
/** Most of one call's output in one record, in characters: the latest. */
const RECORD_CHARS = 4_000;

/** Output of running calls, on its way into the log. */
export interface Progress extends AsyncDisposable {
  add(tool_use_id: string, text: string): void;
}

/**
 * Put what running calls print into the log now and then, so that a reload shows it and, should this worker be lost,
 * the next one knows how far the call had come. Disposing waits for the record under way; what is not recorded by then
 * is in the call's result.
 */
export function recordProgress(turn: Turn, every_ms: number = EVERY_MS): Progress {
  const { deps } = turn;
  let gathered = new Map<string, string>();
  let recording: Promise<void> | null = null;

  async function record(): Promise<void> {
    const events: SessionEvent[] = [...gathered].map(([tool_use_id, text]) => ({
      ...stamp(deps.now),
      type: 'deckhand.tool_progress',
      tool_use_id,
      text,
    }));
    gathered = new Map();
    try {
      await turn.log.append(() => events);
    } catch (err) {
      // The turn itself meets a lost lease at its next append.
      if (!(err instanceof LeaseLostError)) deps.logger.warn({ err, ...turn.ref }, 'progress was not recorded');
    }
  }

  const timer = setInterval(() => {
    if (recording !== null || gathered.size === 0) return;
    recording = record().finally(() => {
      recording = null;
    });
  }, every_ms);

  return {
    add(tool_use_id, text) {
      gathered.set(tool_use_id, tailOf((gathered.get(tool_use_id) ?? '') + text, RECORD_CHARS));
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await recording;
    },
  };
}
