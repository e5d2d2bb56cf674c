import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { type Connector, type PostRef, PostRefusedError, RateLimitedError } from './connector.ts';
import type { Delivery, DeliveryStore } from './delivery-store.ts';
import { placeFor } from './leftovers.ts';
import type { Outgoing } from './outgoing.ts';
import { LONGEST_WAIT_MS, type Pace, type Place } from './pace.ts';
import type { ConversationKey } from './place.ts';

export interface PostDeps {
  store: DeliveryStore;
  connector: Connector;
  pace: Pace;
  conversation: ConversationKey;
  workspace_id: string;
  session_id: string;
  logger: Logger;
  /** First wait after a failed call; doubled each time. */
  retry_ms: number;
  /** Until then a request of whoever showed the session before may be on its way to the platform (`performance.now()`). */
  settled_at: number;
  /** Fires when this gateway must stop or has lost the session to another: nothing new is begun. */
  signal: AbortSignal;
  /** Fires later, or never: ends the call that is under way. Its outcome is then unknown. */
  calls: AbortSignal;
  /** Asked before each call: a gateway that was stopped for a while is not the one that shows the session any more. */
  isHeld(): boolean;
}

/** What a delivery is once it stands: `live` for a part of a text that is not in the log yet. */
type Standing = 'live' | 'posted';

/** So much of the time to settle passes in any case: both gateways may have been stopped together, and go on together. */
const SETTLE_LEAST = 1 / 3;

/** Failed attempts of one call in a row before the session makes room and is put off. Rate limits are not counted. */
const MAX_TRIES = 6;

/** The platform keeps failing, or asks for a long wait: the session is shown later, from where it stands. */
export class PlatformFailedError extends Error {
  /** What the platform asked for; 0 when it said nothing. */
  readonly retry_after_ms: number;

  constructor(cause: unknown) {
    super(`The platform did not take a message: ${messageOf(cause)}`, { cause });
    this.name = 'PlatformFailedError';
    this.retry_after_ms = cause instanceof RateLimitedError ? cause.retry_after_ms : 0;
  }
}

/**
 * Bring one delivery into the conversation, exactly once where the platform allows it: claimed first, posted, confirmed;
 * whatever was claimed earlier and not confirmed, or got no answer, is looked up before it is posted again. A repeat of
 * something that stands there already only edits it. @throws PostRefusedError, PlatformFailedError
 */
export async function deliver(deps: PostDeps, outgoing: Outgoing): Promise<PostRef> {
  return bring(deps, outgoing, await claim(deps, outgoing, 'claimed'), 'posted');
}

/**
 * The same for a part of a text that is not in the log yet, and since when (ms since the epoch) it is shown. Null: the whole
 * of it stands there, or another text in its place, and what is only heard of it now is late.
 */
export async function deliverLive(deps: PostDeps, outgoing: Outgoing): Promise<{ ref: PostRef; since: number } | null> {
  const claimed = await claim(deps, outgoing, 'live');
  if (claimed.delivery.state === 'posted') return null;
  const since = claimed.delivery.claimed_at.getTime();
  return { ref: await bring(deps, outgoing, claimed, 'live'), since };
}

type Claim = Awaited<ReturnType<DeliveryStore['claim']>>;

function claim(deps: PostDeps, outgoing: Outgoing, state: 'claimed' | 'live'): Promise<Claim> {
  const { workspace_id, session_id, conversation } = deps;
  return deps.store.claim({ _id: outgoing.delivery_id, workspace_id, session_id, conversation, outgoing, state });
}

async function bring(deps: PostDeps, outgoing: Outgoing, { delivery, first }: Claim, as: Standing): Promise<PostRef> {
  const { store, session_id } = deps;
  if (delivery.ref !== null) return restate(deps, delivery.ref, outgoing, as);

  const found = first ? null : await findSettled(deps, delivery);
  if (found !== null) return restate(deps, found, outgoing, as);
  const left = outgoing.kind === 'text' ? placeFor(delivery._id, await store.live(session_id)) : null;
  if (left !== null) {
    // On record before the edit: whoever goes on after a crash must not take it for a leftover of the old text.
    await store.record(delivery._id, { ref: left });
    return restate(deps, left, outgoing, as);
  }
  const ref = await postOnce(deps, outgoing, delivery);
  await store.record(delivery._id, { state: as, ref, outgoing });
  return ref;
}

/** Edit until it is done. @throws PostRefusedError */
export async function edit(deps: PostDeps, ref: PostRef, outgoing: Outgoing): Promise<void> {
  const { connector, conversation } = deps;
  await untilDone(deps, () => paced(deps, edits(deps), () => connector.edit(conversation, ref, outgoing, deps.calls)));
}

/** Platforms count posts by channel, and edits by workspace. */
function posts({ connector, conversation }: PostDeps): Place {
  return {
    name: `posts:${conversation.connector}/${conversation.channel}`,
    interval_ms: connector.limits.post_interval_ms,
  };
}

function edits({ connector, conversation }: PostDeps): Place {
  return {
    name: `edits:${conversation.connector}/${conversation.tenant}`,
    interval_ms: connector.limits.edit_interval_ms,
  };
}

function paced<T>(deps: PostDeps, place: Place, call: () => Promise<T>): Promise<T> {
  const callIfHeld = () => {
    refuseUnlessHeld(deps);
    return call();
  };
  return deps.pace.run(place, callIfHeld, deps.signal);
}

/** It may have waited for a long time. */
function refuseUnlessHeld(deps: PostDeps): void {
  if (!deps.isHeld()) throw new Error('Another gateway may show this session by now');
}

/**
 * When nothing of whoever showed the session before is on its way any more (`performance.now()`), told in the moment in which
 * it is taken. A gateway begins no post after its lease, so it is counted from there (of a post of several requests: docs/reliability.md,
 * Known limits).
 * @param lapsed_ms for how long its lease had run out; null: it was given back, perhaps just now
 * @param settle_ms how long a request may be on its way after that
 */
export function settledAt(lapsed_ms: number | null, settle_ms: number): number {
  return performance.now() + Math.max(settle_ms * SETTLE_LEAST, settle_ms - (lapsed_ms ?? 0));
}

type Claimed = Pick<Delivery, '_id' | 'claimed_at'>;

export function find(deps: PostDeps, { _id, claimed_at }: Claimed): Promise<PostRef | null> {
  return deps.connector.find(deps.conversation, _id, deps.calls, claimed_at);
}

/**
 * A message that was claimed before and not confirmed. The request of a gateway that lost the session while it posted may
 * still be on its way, so it is waited for, and looked for once: a platform may let an app look only once a minute.
 */
async function findSettled(deps: PostDeps, claimed: Claimed): Promise<PostRef | null> {
  await sleep(Math.max(0, deps.settled_at - performance.now()), undefined, { signal: deps.signal });
  return untilDone(deps, () => find(deps, claimed));
}

/** What stands for a delivery whose message could not be edited has its id with this behind it. */
export const ANEW = '.anew';

/** Let a standing message say this. One that cannot be edited (somebody deleted it) is posted anew. */
async function restate(deps: PostDeps, ref: PostRef, outgoing: Outgoing, as: Standing): Promise<PostRef> {
  const { store } = deps;
  const id = outgoing.delivery_id;
  for (const other of await store.live(deps.session_id)) {
    if (other.ref === ref && other._id !== id) await store.record(other._id, { state: 'posted' });
  }
  let standing = ref;
  try {
    await edit(deps, ref, outgoing);
  } catch (error) {
    if (!(error instanceof PostRefusedError) || as === 'live' || !isWorthRepeating(outgoing)) throw error;
    standing = await deliver(deps, { ...outgoing, delivery_id: id + ANEW });
  }
  await store.record(id, { state: as, ref: standing, outgoing });
  return standing;
}

function isWorthRepeating(outgoing: Outgoing): boolean {
  return !outgoing.delivery_id.endsWith(ANEW) && outgoing.kind !== 'activity' && outgoing.kind !== 'plan';
}

async function postOnce(deps: PostDeps, outgoing: Outgoing, claimed: Claimed): Promise<PostRef> {
  // Only an answer that never came makes a look necessary.
  let lookFirst = false;
  return untilDone(deps, async () => {
    if (lookFirst) {
      const found = await find(deps, claimed);
      if (found !== null) return found;
      lookFirst = false;
    }
    try {
      return await paced(deps, posts(deps), () => deps.connector.post(deps.conversation, outgoing, deps.calls));
    } catch (error) {
      // A rate limit is an answer: nothing was posted.
      lookFirst = !(error instanceof RateLimitedError);
      throw error;
    }
  });
}

/** Try until the platform has answered. @throws PostRefusedError, PlatformFailedError */
export async function untilDone<T>(deps: PostDeps, work: () => Promise<T>): Promise<T> {
  for (let failures = 0; ; ) {
    refuseUnlessHeld(deps);
    deps.signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      if (error instanceof PostRefusedError || deps.signal.aborted) throw error;
      const limited = error instanceof RateLimitedError;
      const wait = limited ? error.retry_after_ms : deps.retry_ms * 2 ** failures;
      if (!limited) failures += 1;
      if (failures === MAX_TRIES || wait > LONGEST_WAIT_MS) throw new PlatformFailedError(error);
      const facts = { session_id: deps.session_id, failures, wait_ms: wait, reason: messageOf(error) };
      deps.logger.debug(facts, 'delivery waits');
      await sleep(wait, undefined, { signal: deps.signal });
    }
  }
}
