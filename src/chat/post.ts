import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import {
  type Connector,
  type ConversationKey,
  type Outgoing,
  type PostRef,
  PostRefusedError,
  RateLimitedError,
} from './connector.ts';
import type { Delivery, DeliveryStore } from './delivery-store.ts';

export interface PostDeps {
  store: DeliveryStore;
  connector: Connector;
  conversation: ConversationKey;
  workspace_id: string;
  session_id: string;
  logger: Logger;
  /** First wait after a failed call; doubled each time up to 30 s. */
  retry_ms: number;
  /** Fires when this gateway must stop or has lost the session to another. */
  signal: AbortSignal;
}

const LONGEST_WAIT_MS = 30_000;

/**
 * Bring one delivery into the conversation, exactly once where the platform allows it: claimed first, posted, confirmed;
 * whatever was claimed earlier and not confirmed, or got no answer, is looked up before it is posted again. A repeat of
 * something that stands there already only edits it. @throws PostRefusedError; anything else is tried until the signal.
 */
export async function deliver(deps: PostDeps, outgoing: Outgoing): Promise<PostRef> {
  const { store } = deps;
  const { workspace_id, session_id, conversation } = deps;
  const claim = { _id: outgoing.delivery_id, workspace_id, session_id, conversation, outgoing };
  const { delivery, first } = await store.claim(claim);
  const live = outgoing.kind === 'text' && outgoing.live;
  const state = live ? 'live' : 'posted';

  const left = delivery.ref === null ? await leftOver(deps, delivery) : null;
  const standing = delivery.ref ?? left?.ref ?? null;
  if (standing !== null) {
    await edit(deps, standing, outgoing);
    await store.record(delivery._id, { state, ref: standing, outgoing });
    if (left !== null) await store.record(left._id, { state: 'posted' });
    return standing;
  }
  const ref = await postOnce(deps, outgoing, first);
  await store.record(delivery._id, { state, ref, outgoing });
  return ref;
}

/** Edit until it is done. @throws PostRefusedError */
export async function edit(deps: PostDeps, ref: PostRef, outgoing: Outgoing): Promise<void> {
  await untilDone(deps, () => deps.connector.edit(deps.conversation, ref, outgoing, deps.signal));
}

async function postOnce(deps: PostDeps, outgoing: Outgoing, first: boolean): Promise<PostRef> {
  // Only an answer that never came makes a second look necessary.
  let lookFirst = !first;
  return untilDone(deps, async () => {
    if (lookFirst) {
      const found = await deps.connector.find(deps.conversation, outgoing.delivery_id, deps.signal);
      if (found !== null) {
        await deps.connector.edit(deps.conversation, found, outgoing, deps.signal);
        return found;
      }
      lookFirst = false;
    }
    try {
      return await deps.connector.post(deps.conversation, outgoing, deps.signal);
    } catch (error) {
      // A rate limit is an answer: nothing was posted.
      lookFirst = !(error instanceof RateLimitedError);
      throw error;
    }
  });
}

/** A live post of this session whose text never came (the request failed): the next text takes its place. */
async function leftOver(deps: PostDeps, delivery: Delivery): Promise<Delivery | null> {
  if (delivery.outgoing.kind !== 'text') return null;
  const left = await deps.store.live(deps.session_id);
  return left.find((other) => other._id !== delivery._id && other.ref !== null) ?? null;
}

async function untilDone<T>(deps: PostDeps, work: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    deps.signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      if (error instanceof PostRefusedError || deps.signal.aborted) throw error;
      const wait =
        error instanceof RateLimitedError
          ? error.retry_after_ms
          : Math.min(LONGEST_WAIT_MS, deps.retry_ms * 2 ** attempt);
      deps.logger.warn(
        { session_id: deps.session_id, attempt, wait_ms: wait, reason: messageOf(error) },
        'delivery waits',
      );
      await sleep(wait, undefined, { signal: deps.signal });
    }
  }
}
