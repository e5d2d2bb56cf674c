import { type Approval, approvalOf } from '../approvals/approval.ts';
import { isThrough } from '../approvals/policy.ts';
import type { EventOf, LogEntry } from '../session/event.ts';
import { type ApprovalNews, cardAfter, cardOf, namedIn } from './approval-card.ts';
import { askAt, askNamed, reminderText, remindOf } from './approval-elsewhere.ts';
import { mentionsOf, namesOf } from './names.ts';
import type { Called } from './outgoing.ts';
import { deliveryId, notice } from './render-entries.ts';
import { send } from './send.ts';
import { type ApprovalShowDeps, cardsOf, isOriginal, linkTo, type ShownCard } from './shown-cards.ts';

/**
 * The card of a question in the conversation that it is about, and one for everybody who is named to decide it and is not
 * there; then the first says who that is.
 */
export async function showQuestion(
  deps: ApprovalShowDeps,
  entry: LogEntry & { event: EventOf<'deckhand.approval_requested'> },
): Promise<void> {
  const approval = approvalOf(deps, entry);
  const nameOf = await namesOf(deps.connectors, namedIn(approval), deps.conversation);
  const card = cardOf(approval, { via: deps.connector.name, nameOf });
  const delivery_id = deliveryId(entry.event.id);
  const outgoing = { kind: 'approval' as const, delivery_id, card, agent_name: deps.context.agent_name };
  await send(deps, outgoing);
  const known = await deps.approvals.peek(deps.workspace_id, approval._id);
  const shown = await deps.store.get(delivery_id);
  // Decided before anybody elsewhere was asked: they need not be.
  if (isOver(known) || shown === null) return;
  const original: ShownCard = { ...shown, outgoing };
  const elsewhere = await askNamed(deps, { approval: known ?? approval, original, event_id: entry.event.id });
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
  for (const { conversation, outgoing } of await cardsOf(deps, event.approval_id)) {
    const connector = deps.connectors.get(conversation.connector);
    if (connector === undefined) continue;
    await send({ ...deps, connector, conversation }, { ...outgoing, card: cardAfter(outgoing.card, event) });
  }
}

/** Ask those whom the approval was escalated to where they are, and say so in the conversation. */
export async function showEscalation(
  deps: ApprovalShowDeps,
  event: EventOf<'deckhand.approval_escalated'>,
): Promise<void> {
  await redraw(deps, event);
  const approval = await deps.approvals.peek(deps.workspace_id, event.approval_id);
  if (isOver(approval)) return;
  await send(deps, notice(event.id, 'info', await escalationText(deps, event, approval), deps.context));
}

async function escalationText(
  deps: ApprovalShowDeps,
  event: EventOf<'deckhand.approval_escalated'>,
  approval: Approval | null,
): Promise<string> {
  const name = (await namesOf(deps.connectors, [event.to], deps.conversation))(event.to);
  const original = (await cardsOf(deps, event.approval_id)).find(({ outgoing }) => isOriginal(outgoing.card));
  const asked =
    original === undefined || approval === null
      ? { problem: 'the question is not shown here' }
      : await askAt(deps, { approval, original, event_id: event.id }, event.to);
  const problem =
    'problem' in asked ? asked.problem : asked.reached === 0 ? 'nobody of them has anything left to decide' : null;
  if ('problem' in asked || problem !== null) {
    const facts = { session_id: deps.session_id, to: event.to, reason: problem };
    deps.logger.error(facts, 'nobody was asked by an escalation');
    return `Nobody has decided about the approval above yet, and I could not ask ${name}: ${problem}.`;
  }
  const { left_out } = asked;
  const others =
    left_out === 0
      ? ''
      : ` That is a large group: ${left_out} more of it ${left_out === 1 ? 'has' : 'have'} no message of mine; they may decide all the same, here or by \`/approvals\`.`;
  return `Nobody has decided about the approval above yet, so I have asked ${name} as well.${others}`;
}
