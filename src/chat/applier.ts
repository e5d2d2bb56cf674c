import { setTimeout as delay } from 'node:timers/promises';
import { DeckhandError, messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { type ApplyDeps, conclude, effectOf, withNames } from './apply-inbound.ts';
import type { ApplyRoom } from './apply-room.ts';
import { laneOf } from './conversation-store.ts';
import type { EventRoom } from './event-room.ts';
import { IGNORED, type InboundMessage, type Receipt } from './inbound.ts';
import type { KeptInbound } from './inbound-document.ts';
import type { Inbound } from './inbound-keys.ts';
import type { InboundStore } from './inbound-store.ts';
import { delayAfter, LONGEST_WAIT_MS, mayBePutOff, PutOffError, waitAfter } from './later.ts';
import { createLines } from './lines.ts';
import { lineOf, needsRoom, originOf } from './origin.ts';
import { stayIn } from './stay.ts';

/** How often one is tried before its conversation goes on without it; then it is the sweep's. */
const TRIES = 3;
/** Events of dead processes finished per sweep. */
const BATCH = 200;
const WHISPER_MS = 5_000;
/** The code of the error with which a process that stops leaves an event to others. */
const LEFT = 'stopping';

const DOUBLE: Receipt = { effect: 'duplicate', text: null };

export interface ApplierDeps extends Omit<ApplyDeps, 'inbound' | 'outside' | 'is_last_try' | 'mayWait' | 'say'> {
  inbound: InboundStore;
  logger: Logger;
  /** How long a silent process keeps an event. One that is only slow comes to no harm. */
  lost_after_ms: number;
  /** First wait after an event could not be applied; doubled after each. */
  retry_ms: number;
  /** What is in flight, lost events that were found included. */
  inFlight: EventRoom;
  applying: Pick<ApplyRoom, 'enter' | 'hurry'>;
}

/** What became of an event that came: `unwanted` is not kept at all, and null a double of one that was. */
export type Keeping = KeptInbound | 'unwanted' | null;

/** Gives events that are kept their effect: what this process keeps, and by its sweep what others that died left undone. */
export interface Applier extends AsyncDisposable {
  /**
   * Apply an event that is being kept, after all that joined its line before: its place there is that of its arrival, also
   * when a later one is kept before it.
   * @throws what the last try threw, or what `keeping` did; in the first case it is anybody's by then
   */
  apply(event: Inbound, keeping: Promise<Keeping>): Promise<Receipt>;
  /** Some other event is in the line that this one would join. */
  isBefore(event: Inbound): boolean;
  /** Finish, every `interval_ms`, what processes that died left undone, and keep what is this one's from others. */
  startSweep(interval_ms: number): void;
  sweepNow(): Promise<number>;
}

/** What has not begun when it is disposed of is left to other processes; what has is finished. */
export function createApplier(deps: ApplierDeps): Applier {
  const { logger, inbound, inFlight, applying, lost_after_ms, retry_ms } = deps;
  const lines = createLines();
  const stopping = new AbortController();
  /** What sweeps began. */
  const finishing = new Set<Promise<void>>();
  let sweeping: Promise<Promise<void>[]> | null = null;
  let timer: NodeJS.Timeout | undefined;
  let beating: NodeJS.Timeout | undefined;

  function beat(): void {
    inbound.beat().catch((err: unknown) => logger.debug({ err }, 'not said that chat events are held here'));
  }

  /** @param became told what its effect was, before that is kept */
  async function applyOnce(
    kept: KeptInbound,
    is_last_try: boolean,
    became: (receipt: Receipt) => void = () => undefined,
  ): Promise<Receipt> {
    const named = await withNames(deps, kept.inbound, is_last_try);
    const lane = laneOf(originOf(kept.inbound).conversation);
    const stay = await stayIn(async () => (needsRoom(kept.inbound) ? applying.enter(lane) : () => undefined));
    if (stopping.signal.aborted) {
      stay.leave();
      return leaveToOthers(kept);
    }
    const { outside } = stay;
    const say = (message: InboundMessage) => outside(() => applyBeside(message, is_last_try));
    const own = { outside, is_last_try, mayWait: (ms: number) => mayWait(kept, ms), say };
    let receipt: Receipt;
    try {
      receipt = await effectOf({ ...deps, ...own }, kept, named);
    } finally {
      stay.leave();
    }
    became(receipt);
    // Outside of the room: such writes wait for others, and its place is for another event meanwhile.
    await conclude(inbound, kept, receipt);
    return receipt;
  }

  /** Once: whoever brought it tries it again with its own. */
  async function applyBeside(message: InboundMessage, is_last_try: boolean): Promise<Receipt | null> {
    const kept = await inbound.keep({ kind: 'message', message });
    if (kept === null) return null;
    try {
      return await applyOnce(kept, is_last_try).catch((error: unknown) => {
        if (error instanceof PutOffError) return putOff(kept, error);
        throw error;
      });
    } catch (error) {
      await release(kept);
      throw error;
    }
  }

  const mayWait = ({ put_off }: KeptInbound, ms: number) => mayBePutOff(put_off, delayAfter(put_off, ms, retry_ms));

  /** @throws the delay itself when there were enough of them */
  async function putOff(kept: KeptInbound, delayed: PutOffError): Promise<Receipt> {
    const { put_off, inbound: event } = kept;
    if (!mayWait(kept, delayed.wait_ms)) throw delayed;
    const wait_ms = delayAfter(put_off, delayed.wait_ms, retry_ms);
    await inbound.putOff(kept, wait_ms);
    logger.info({ kind: event.kind, wait_ms, times: put_off.times + 1 }, 'chat event put off');
    return { effect: 'accepted', text: put_off.times === 0 ? delayed.text : null };
  }

  /** To whoever takes it. */
  async function release(kept: KeptInbound): Promise<void> {
    await inbound.release(kept).catch((err: unknown) => logger.debug({ err }, 'chat event not released'));
  }

  /** @throws what the last try threw */
  async function applyHeld(kept: KeptInbound, tries: number): Promise<Receipt> {
    let current: KeptInbound | null = kept;
    // Where the word that it is applied was kept and its answer lost, the effect was this one's all the same.
    let receipt: Receipt = DOUBLE;
    const became = (effect: Receipt): void => {
      receipt = effect;
    };
    for (let attempt = 1; current !== null; attempt++) {
      try {
        return await applyOnce(current, attempt === tries, became);
      } catch (err) {
        const isLast = attempt === tries;
        const leaves = err instanceof PutOffError && (isLast || err.behind || err.wait_ms > LONGEST_WAIT_MS);
        if (leaves) return await putOff(current, err);
        if (isLast || stopping.signal.aborted) throw err;
        logger.warn({ err, kind: kept.inbound.kind, attempt }, 'chat event not applied, trying again');
        const wait_ms = waitAfter(err, retry_ms * 2 ** (attempt - 1));
        await delay(wait_ms, undefined, { signal: stopping.signal }).catch(() => {
          throw err;
        });
      }
      current = await inbound.reread(kept);
    }
    return receipt;
  }

  function apply(event: Inbound, keeping: Promise<Keeping>): Promise<Receipt> {
    // What it rejects with is thrown when its turn in the line has come.
    keeping.catch(() => undefined);
    return lines.join(lineOf(event), async () => {
      const kept = await keeping;
      if (kept === 'unwanted') return IGNORED;
      if (kept === null) return doubleOf(event);
      if (stopping.signal.aborted) return leaveToOthers(kept);
      try {
        return await applyHeld(kept, TRIES);
      } catch (error) {
        if (!isLeft(error)) {
          logger.error({ err: error, kind: event.kind }, 'chat event not applied; it is tried again later');
        }
        await release(kept);
        throw error;
      }
    });
  }

  /** A form that nothing comes of is not kept, and its double is then as good as itself. */
  async function doubleOf(event: Inbound): Promise<Receipt> {
    const isForm = event.kind === 'command' && event.command.fields !== undefined;
    return isForm && !(await inbound.isApplied(event)) ? { ...DOUBLE, unsettled: true } : DOUBLE;
  }

  /** What has not begun when this process stops is somebody else's, or its own when it is back. */
  async function leaveToOthers(kept: KeptInbound): Promise<never> {
    await release(kept);
    throw new DeckhandError(LEFT, 'This process stops.', { remedy: 'The event is applied by another one.' });
  }

  /** What it begins goes into `begun`. False when nothing was lost. */
  async function finishLost(begun: Promise<void>[]): Promise<boolean> {
    const leave = await inFlight.enter(null);
    const lost = await inbound.takeLost().catch((error: unknown) => {
      leave();
      throw error;
    });
    if (lost === null) {
      leave();
      return false;
    }
    const finished = lines
      .join(lineOf(lost.inbound), async () => {
        // Where this process was away for so long that its own event counted as lost, that came first in the line.
        const current = await inbound.reread(lost);
        if (current === null) return DOUBLE;
        // What was put off had no try at what it waited for.
        return applyHeld(current, current.put_off.times > 0 ? TRIES : 1);
      })
      .then((receipt) => tell(lost.inbound, receipt))
      .catch(async (err: unknown) => {
        // It was left to others by then.
        if (isLeft(err)) return;
        logger.error({ err, kind: lost.inbound.kind }, 'chat event not applied; it is tried again later');
        await inbound
          .retryLater(lost)
          .catch((error: unknown) => logger.debug({ err: error }, 'chat event not put off'));
      })
      .finally(() => {
        finishing.delete(finished);
        leave();
      });
    finishing.add(finished);
    begun.push(finished);
    return true;
  }

  /** Resolves when everything that was lost is begun: nobody waits for what one of them waits for. */
  async function beginLost(): Promise<Promise<void>[]> {
    const begun: Promise<void>[] = [];
    await inbound.endAbandoned();
    while (begun.length < BATCH && !stopping.signal.aborted && (await finishLost(begun)));
    if (begun.length > 0) logger.info({ count: begun.length }, 'sweep found chat events that were not applied');
    return begun;
  }

  /** One at a time. */
  function sweep(): Promise<Promise<void>[]> {
    sweeping ??= beginLost().finally(() => {
      sweeping = null;
    });
    return sweeping;
  }

  /** Their connector may have been told that it was kept, and nothing since. */
  async function tell(event: Inbound, { text }: Receipt): Promise<void> {
    if (text === null) return;
    const { conversation, person } = originOf(event);
    const connector = deps.connectors.get(conversation.connector);
    try {
      await connector?.whisper(conversation, person, text, AbortSignal.timeout(WHISPER_MS));
    } catch (error) {
      logger.warn({ reason: messageOf(error), connector: conversation.connector }, 'feedback failed');
    }
  }

  return {
    apply,
    isBefore: (event) => lines.has(lineOf(event)),
    startSweep(interval_ms) {
      timer ??= setInterval(() => {
        sweep().catch((err: unknown) => logger.warn({ err }, 'inbound sweep failed; the next one tries again'));
      }, interval_ms);
      beating ??= setInterval(beat, lost_after_ms / 3);
    },
    async sweepNow() {
      const begun = await sweep();
      await Promise.all(begun);
      return begun.length;
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      stopping.abort();
      applying.hurry();
      await sweeping?.then(() => undefined).catch(() => undefined);
      await lines.empty();
      await Promise.all(finishing);
      clearInterval(beating);
      await inbound.leave().catch((err: unknown) => logger.debug({ err }, 'chat events not left to others'));
    },
  };
}

function isLeft(error: unknown): boolean {
  return error instanceof DeckhandError && error.code === LEFT;
}
