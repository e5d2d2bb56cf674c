import type { Approvals } from '../approvals/approvals.ts';
import { type Connector, PostRefusedError } from './connector.ts';
import type { Delivery } from './delivery-store.ts';
import type { ApprovalCard, Outgoing } from './outgoing.ts';
import { ANEW, deliver, type PostDeps, untilDone } from './post.ts';
import type { RenderContext } from './render-entries.ts';
import type { Roles } from './roles.ts';
import type { UnseenDeps } from './unseen.ts';

export interface ApprovalShowDeps extends UnseenDeps {
  /** All platforms: who may decide may be on another one. */
  connectors: ReadonlyMap<string, Connector>;
  approvals: Pick<Approvals, 'nobodyReached' | 'peek'>;
  roles: Pick<Roles, 'adminsOf' | 'roleOf'>;
  context: RenderContext;
}

/** A card of an approval as it stands somewhere, as it was last sent. */
export interface ShownCard extends Delivery {
  outgoing: Extract<Outgoing, { kind: 'approval' }>;
}

/** Where it was asked, and wherever else somebody was. */
export async function cardsOf(deps: ApprovalShowDeps, approval_id: string): Promise<ShownCard[]> {
  const cards = await deps.store.cards(deps.session_id, approval_id);
  // What was posted anew is known to the one that it stands for.
  return cards.filter(isCard).filter(({ state, _id }) => state !== 'failed' && !_id.endsWith(ANEW));
}

/** Its card in the conversation that it is about, also where that never took it: others are asked with it. */
export async function originalOf(deps: ApprovalShowDeps, approval_id: string): Promise<ShownCard | undefined> {
  const cards = await deps.store.cards(deps.session_id, approval_id);
  return cards.filter(isCard).find(({ outgoing, _id }) => isOriginal(outgoing.card) && !_id.endsWith(ANEW));
}

function isCard(delivery: Delivery): delivery is ShownCard {
  return delivery.outgoing.kind === 'approval';
}

/** It stands in the conversation that it is about. */
export function isOriginal(card: ApprovalCard): boolean {
  return card.about === undefined;
}

/** The address of a card; null where it has none. @throws as `untilDone` */
export async function linkTo(
  deps: ApprovalShowDeps,
  { conversation, ref }: Pick<Delivery, 'conversation' | 'ref'>,
): Promise<string | null> {
  const connector = deps.connectors.get(conversation.connector);
  if (ref === null) return null;
  return untilDone(deps, async () => (await connector?.permalinkOf?.(conversation, ref, deps.calls)) ?? null);
}

/** Something for another place than the session's own. True, or why the platform will never take it. */
export async function deliverOrNot(deps: PostDeps, outgoing: Outgoing): Promise<true | string> {
  try {
    await deliver(deps, outgoing);
    return true;
  } catch (error) {
    if (!(error instanceof PostRefusedError)) throw error;
    await deps.store.record(outgoing.delivery_id, { state: 'failed' });
    return error.reason;
  }
}
