import { approvalOf } from '../approvals/approval.ts';
import type { EventOf, LogEntry } from '../session/event.ts';
import { type ApprovalNews, cardAfter, cardElsewhere, cardOf, namedIn } from './approval-card.ts';
import { type Connector, PostRefusedError, type Reached } from './connector.ts';
import type { Delivery } from './delivery-store.ts';
import { mentionsOf, namesOf, type Target, targetOf } from './names.ts';
import type { Called, Outgoing } from './outgoing.ts';
import { ANEW, deliver, type PostDeps, untilDone } from './post.ts';
import { deliveryId, notice, type RenderContext } from './render-entries.ts';
import { send } from './send.ts';
import type { UnseenDeps } from './unseen.ts';

export interface ApprovalShowDeps extends UnseenDeps {
  /** All platforms: who may decide may be on another one. */
  connectors: ReadonlyMap<string, Connector>;
  context: RenderContext;
}

/** The card of a question, for the conversation that it is about. */
export async function question(
  deps: ApprovalShowDeps,
  entry: LogEntry & { event: EventOf<'deckhand.approval_requested'> },
): Promise<Outgoing> {
  const approval = approvalOf(deps, entry);
  const nameOf = await namesOf(deps.connectors, namedIn(approval), deps.conversation);
  const card = cardOf(approval, { via: deps.connector.name, nameOf });
  return { kind: 'approval', delivery_id: deliveryId(entry.event.id), card, agent_name: deps.context.agent_name };
}

/** A reminder for those who may decide: whoever is on this platform is called by it. */
export async function reminder(
  deps: ApprovalShowDeps,
  { id, to = [] }: EventOf<'deckhand.approval_reminded'>,
): Promise<Outgoing> {
  const nameOf = await namesOf(deps.connectors, to, deps.conversation);
  const called = to.map((key): Called => {
    const [mention] = mentionsOf([key], deps.connector.name);
    return { name: nameOf(key), ...(mention !== undefined && { mention }) };
  });
  const text = 'A reminder: the approval above is still waiting.';
  return { ...notice(id, 'info', text, deps.context), ...(called.length > 0 && { called }) };
}

/** Let every card of the approval say what became of it, wherever it stands. */
export async function redraw(deps: ApprovalShowDeps, event: ApprovalNews): Promise<void> {
  for (const { conversation, outgoing } of await cardsOf(deps, event.approval_id)) {
    const connector = deps.connectors.get(conversation.connector);
    if (connector === undefined || outgoing.kind !== 'approval') continue;
    await send({ ...deps, connector, conversation }, { ...outgoing, card: cardAfter(outgoing.card, event) });
  }
}

/** Ask those whom the approval was escalated to where they are. Returns what there is to say about it here, in words. */
export async function askOthers(
  deps: ApprovalShowDeps,
  event: EventOf<'deckhand.approval_escalated'>,
): Promise<string> {
  const name = (await namesOf(deps.connectors, [event.to], deps.conversation))(event.to);
  const asked = await askAt(deps, event, targetOf(event.to));
  if ('problem' in asked)
    return `Nobody has decided about the approval above yet, and I could not ask ${name}: ${asked.problem}.`;
  const { left_out } = asked;
  const others =
    left_out === 0
      ? ''
      : ` That is a large group: ${left_out} more of it ${left_out === 1 ? 'has' : 'have'} no message of mine; they may decide all the same, here or by \`/approvals\`.`;
  return `Nobody has decided about the approval above yet, so I have asked ${name} as well.${others}`;
}

/** They were asked in one place at least, and so many were left out; or why not, in words. */
async function askAt(
  deps: ApprovalShowDeps,
  event: EventOf<'deckhand.approval_escalated'>,
  target: Target,
): Promise<{ left_out: number } | { problem: string }> {
  const connector = deps.connectors.get(target.via);
  if (connector?.reach === undefined) return { problem: `${target.via} reaches nobody outside of a conversation` };
  const shown = (await cardsOf(deps, event.approval_id)).find(isOriginal);
  if (shown === undefined || shown.outgoing.kind !== 'approval') return { problem: 'the question is not shown here' };
  // Whom the first card mentions has heard of it.
  const isNear = shown.conversation.connector === target.via;
  const about = { link: await linkTo(deps, shown), ...(isNear && { channel: shown.conversation.channel }) };
  const card = { ...cardElsewhere(shown.outgoing.card), mentions: [], about };
  let reached = 0;
  let left_out = 0;
  let problem = 'there is nobody';
  try {
    const found = await placesOf(deps, connector, target);
    left_out = found.left_out;
    for (const conversation of found.places) {
      const delivery_id = `${deliveryId(event.id)}.${conversation.channel}`;
      const isPosted = await deliverOrNot(
        { ...deps, connector, conversation },
        { ...shown.outgoing, delivery_id, card },
      );
      if (isPosted === true) reached += 1;
      else problem = isPosted;
    }
  } catch (error) {
    if (!(error instanceof PostRefusedError)) throw error;
    problem = error.reason;
  }
  if (reached > 0) return { left_out };
  deps.logger.error(
    { session_id: deps.session_id, to: event.to, reason: problem },
    'nobody was asked by an escalation',
  );
  return { problem };
}

/** True, or why the platform will never take it. */
async function deliverOrNot(deps: PostDeps, outgoing: Outgoing): Promise<true | string> {
  try {
    await deliver(deps, outgoing);
    return true;
  } catch (error) {
    if (!(error instanceof PostRefusedError)) throw error;
    await deps.store.record(outgoing.delivery_id, { state: 'failed' });
    return error.reason;
  }
}

/** It stands in the conversation that it is about. */
function isOriginal({ outgoing }: Delivery): boolean {
  return outgoing.kind === 'approval' && outgoing.card.about === undefined;
}

function placesOf(deps: ApprovalShowDeps, connector: Connector, target: Target): Promise<Reached> {
  const { connector: own, tenant } = deps.conversation;
  return untilDone(deps, async () => {
    const reached = await connector.reach?.(target, own === target.via ? tenant : null, deps.calls);
    return reached ?? { places: [], left_out: 0 };
  });
}

async function linkTo(deps: ApprovalShowDeps, { conversation, ref }: Delivery): Promise<string | null> {
  if (ref === null) return null;
  return untilDone(deps, async () => (await deps.connector.permalinkOf?.(conversation, ref, deps.calls)) ?? null);
}

async function cardsOf(deps: ApprovalShowDeps, approval_id: string): Promise<Delivery[]> {
  const cards = await deps.store.cards(deps.session_id, approval_id);
  // What was posted anew is known to the one that it stands for.
  return cards.filter((card) => card.state !== 'failed' && !card._id.endsWith(ANEW));
}
