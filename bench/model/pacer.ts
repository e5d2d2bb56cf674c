/** A stream that speaks so many words a second until none are left. */
interface Speaker {
  rate: number;
  left: number;
  /** Say so many words; false: nobody listens any more. */
  next(words: number): boolean;
  done(): void;
}

/** One timer for all streams: a thousand of their own would cost more than what they write. */
const TICK_MS = 5;

export function createPacer(): { add(speaker: Speaker): void } {
  const speakers = new Map<Speaker, { started: number; said: number }>();
  let timer: NodeJS.Timeout | null = null;

  function tick(): void {
    const now = performance.now();
    for (const [speaker, progress] of speakers) {
      const due = Math.min(speaker.left, Math.floor(((now - progress.started) * speaker.rate) / 1000));
      const words = due - progress.said;
      if (words <= 0) continue;
      progress.said = due;
      const heard = speaker.next(words);
      if (heard && due < speaker.left) continue;
      speakers.delete(speaker);
      if (heard) speaker.done();
    }
    if (speakers.size > 0 || timer === null) return;
    clearInterval(timer);
    timer = null;
  }

  return {
    add(speaker) {
      speakers.set(speaker, { started: performance.now(), said: 0 });
      timer ??= setInterval(tick, TICK_MS);
    },
  };
}
