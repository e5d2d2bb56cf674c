import type { DeliveryStore } from './delivery-store.ts';
import type { Live } from './live.ts';
import { deliveryId, partsOf, type RenderContext } from './render-entries.ts';
import { cutsToGoOn } from './split.ts';

/*
 * A platform may let a message grow for some minutes only (`Connector.growsFor`; Slack ends its streams). A text that is
 * written for longer goes on in another message: it is cut where its last paragraph begins. Where it was cut stands in its
 * first delivery before anything is shown so, and holds from then on: for whoever goes on after a crash, and for the whole
 * text once it is in the log. So no word of it stands twice, and none is missing.
 */

/** As many messages as an hour needs. */
const MOST_CUTS = 10;

interface CutDeps {
  store: Pick<DeliveryStore, 'get'>;
  context: Pick<RenderContext, 'grows_for_ms'>;
}

interface GrowDeps extends CutDeps {
  store: Pick<DeliveryStore, 'get' | 'record'>;
  context: Pick<RenderContext, 'grows_for_ms' | 'text_limit' | 'posts_before_file'>;
  live: Pick<Live, 'posts' | 'cuts'>;
  /** Milliseconds since the epoch. */
  now: () => number;
}

/** Where a message's text was cut as it grew. */
export async function cutsOf({ store, context }: CutDeps, message_id: string): Promise<readonly number[]> {
  if (context.grows_for_ms === undefined) return [];
  return (await store.get(deliveryId(message_id)))?.cuts ?? [];
}

/** The same of one that is growing, and one more where its last message has grown for long enough. */
export async function growingCuts(
  deps: GrowDeps,
  { message_id, text }: { message_id: string; text: string },
): Promise<readonly number[]> {
  const { context, live, store } = deps;
  const { grows_for_ms, text_limit } = context;
  if (grows_for_ms === undefined) return [];
  if (live.posts.size === 0) live.cuts = await cutsOf(deps, message_id);
  const last = partsOf(text, context, live.cuts).parts.length - 1;
  const since = live.posts.get(deliveryId(message_id, last))?.since;
  if (since === undefined || deps.now() - since < grows_for_ms || live.cuts.length >= MOST_CUTS) return live.cuts;
  const cuts = cutsToGoOn(text, text_limit, live.cuts);
  if (cuts === null) return live.cuts;
  await store.record(deliveryId(message_id), { cuts });
  live.cuts = cuts;
  return cuts;
}
