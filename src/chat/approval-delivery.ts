import { type Approval, approvalOf, escalationDue } from '../approvals/approval.ts';
import { isThrough } from '../approvals/policy.ts';
import type { EventOf, LogEntry } from '../session/event.ts';
import { type ApprovalNews, cardAfter, cardOf, namedIn } from './approval-card.ts';
import { type Asked, askAdmins, askAt, askNamed, reminderText, remindOf } from './approval-elsewhere.ts';
import { mentionsOf, namesOf } from './names.ts';
import type { ApprovalCard, Called } from './outgoing.ts';
import { deliveryId, notice } from './render-entries.ts';
import { send } from './send.ts';
import { shorthanded } from './shorthanded.ts';
import { type ApprovalShowDeps, cardsOf, isOriginal, linkTo, originalOf, type ShownCard } from './shown-cards.ts';

/**
 * The card of a question in the conversation that it is about, and one for everybody who is named to decide it and is not
 * there, or for admins where those who are there cannot decide it by themselves; then the first says who that is.
 */
export async function showQuestion(
  deps: ApprovalShowDeps,
  entry: LogEntry & { event: EventOf<'deckhand.approval_requested'> },
): Promise<void> {
  const approval = approvalOf(deps, entry);
  const nameOf = await namesOf(deps.connectors, namedIn(approval), deps.conversation);
  const shortage = await shorthanded(deps, approval, deps.conversation);
  const card = cardOf(approval, { via: deps.connector.name, nameOf, admins: shortage !== null });
  const delivery_id = deliveryId(entry.event.id);
  const outgoing = { kind: 'approval' as const, delivery_id, card, agent_name: deps.context.agent_name };
  await send(deps, outgoing);
  const known = await deps.approvals.peek(deps.workspace_id, approval._id);
  const shown = await deps.store.get(delivery_id);
  // Decided before anybody elsewhere was asked: they need not be.
  if (isOver(known) || shown === null) return;
  const original: ShownCard = { ...shown, outgoing };
  const asking = { approval: known ?? approval, original, event_id: entry.event.id };
  const elsewhere = shortage === null ? await askNamed(deps, asking) : await askAdmins(deps, asking, shortage);
  if (elsewhere !== undefined && shown.state !== 'failed') {
    await send(deps, { ...outgoing, card: { ...card, elsewhere } });
  }
}

function isOver(approval: Approval | null): boolean {
  return approval !== null && approval.status !== 'pending';
}

/**
 * A reminder for those who may decide, below each card: in the conversation whoever is on its platform is called by it, and
 * elsewhere whoever was asked there and has more to say.
 */
export async function showReminder(
  deps: ApprovalShowDeps,
  event: EventOf<'deckhand.approval_reminded'>,
): Promise<void> {
  await redraw(deps, event);
  const { id, to = [], approval_id } = event;
  const approval = await deps.approvals.peek(deps.workspace_id, approval_id);
  if (isOver(approval)) return;
  const cards = await cardsOf(deps, approval_id);
  const original = cards.find(({ outgoing }) => isOriginal(outgoing.card));
  const nameOf = await namesOf(deps.connectors, to, deps.conversation);
  const called = to.map((key): Called => {
    const [mention] = mentionsOf([key], deps.connector.name);
    return { name: nameOf(key), ...(mention !== undefined && { mention }) };
  });
  const text = reminderText(original === undefined ? null : await linkTo(deps, original));
  await send(deps, { ...notice(id, 'info', text, deps.context), ...(called.length > 0 && { called }) });
  for (const card of cards) {
    const { about } = card.outgoing.card;
    if (about === undefined) continue;
    const person = { via: card.conversation.connector, id: about.person ?? '' };
    if (approval !== null && isThrough(approval, person)) continue;
    await remindOf(deps, card, `${deliveryId(id)}.${card.conversation.channel}`);
  }
}

/** Let every card of the approval say what became of it, wherever it stands. */
export async function redraw(deps: ApprovalShowDeps, event: ApprovalNews): Promise<void> {
  await changeCards(deps, event.approval_id, (card) => cardAfter(card, event));
}

/** What becomes of each card, wherever it stands; of the original it is kept also where that stands nowhere. */
async function changeCards(
  deps: ApprovalShowDeps,
  approval_id: string,
  change: (card: ApprovalCard) => ApprovalCard,
): Promise<void> {
  for (const { conversation, outgoing } of await cardsOf(deps, approval_id)) {
    const connector = deps.connectors.get(conversation.connector);
    if (connector === undefined) continue;
    await send({ ...deps, connector, conversation }, { ...outgoing, card: change(outgoing.card) });
  }
  const original = await originalOf(deps, approval_id);
  if (original?.state !== 'failed') return;
  const { _id, outgoing } = original;
  await deps.store.record(_id, { outgoing: { ...outgoing, card: change(outgoing.card) } });
}

/**
 * Ask those whom the approval was escalated to where they are, and say so in the conversation. Where that is nobody, the next
 * in the list is due at once.
 */
export async function showEscalation(
  deps: ApprovalShowDeps,
  event: EventOf<'deckhand.approval_escalated'>,
): Promise<void> {
  await redraw(deps, event);
  const approval = await deps.approvals.peek(deps.workspace_id, event.approval_id);
  if (isOver(approval)) return;
  // The conversation may not have taken it: then all the more it is asked elsewhere.
  const original = await originalOf(deps, event.approval_id);
  const asked =
    original === undefined || approval === null
      ? { problem: 'the question is not shown here' }
      : await askAt(deps, { approval, original, event_id: event.id }, event.to);
  const name = (await namesOf(deps.connectors, [event.to], deps.conversation))(event.to);
  const problem = problemOf(asked);
  if (problem === null) {
    const left_out = 'left_out' in asked ? asked.left_out : 0;
    return send(deps, notice(event.id, 'info', askedText(name, left_out), deps.context));
  }
  deps.logger.error(
    { session_id: deps.session_id, to: event.to, reason: problem },
    'nobody was asked by an escalation',
  );
  // Where the question itself is not shown, nobody in the list can be asked.
  const moved = original === undefined ? null : await deps.approvals.nobodyReached(deps.ref, event);
  if (moved !== null) await retime(deps, moved);
  const next = original?.outgoing.card.escalations?.[event.step];
  const then = next === undefined ? '' : ` I ask ${next.to} instead.`;
  const text = `${UNDECIDED}, and I could not ask ${name}: ${problem}.${then}`;
  return send(deps, notice(event.id, 'info', text, deps.context));
}

const UNDECIDED = 'Nobody has decided about the approval above yet';

/** Why nobody was asked, as the end of a sentence; null: somebody was. */
function problemOf(asked: Asked): string | null {
  if ('problem' in asked) return asked.problem;
  return asked.reached === 0 ? 'nobody of them has anything left to decide' : null;
}

function askedText(name: string, left_out: number): string {
  const others =
    left_out === 0
      ? ''
      : ` That is a large group: ${left_out} more of it ${left_out === 1 ? 'has' : 'have'} no message of mine; they may decide all the same, here or by \`/approvals\`.`;
  return `${UNDECIDED}, so I have asked ${name} as well.${others}`;
}

/** Let every card say when the next are asked by now. */
async function retime(deps: ApprovalShowDeps, approval: Approval): Promise<void> {
  await changeCards(deps, approval._id, (card) => {
    if (card.escalations === undefined) return card;
    const escalations = card.escalations.map(({ to, at }, index) => ({
      to,
      at: escalationDue(approval, index + 1)?.toISOString() ?? at,
    }));
    return { ...card, escalations };
  });
}
