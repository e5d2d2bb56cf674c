import { type Approval, quorumOf } from '../approvals/approval.ts';
import { isRequester, isThrough } from '../approvals/policy.ts';
import { cardElsewhere } from './approval-card.ts';
import { type Audience, type Connector, PostRefusedError, type Reached } from './connector.ts';
import { namesOf, type Target, targetOf } from './names.ts';
import type { ApprovalCard, AskedElsewhere } from './outgoing.ts';
import type { ConversationKey } from './place.ts';
import { untilDone } from './post.ts';
import { deliveryId, notice } from './render-entries.ts';
import type { Shortage } from './shorthanded.ts';
import { type ApprovalShowDeps, cardsOf, deliverOrNot, linkTo, type ShownCard } from './shown-cards.ts';

/** A question that somebody is asked outside of the conversation that it is about. */
export interface Asking {
  approval: Approval;
  /** Its card there. */
  original: ShownCard;
  /** By which they are asked: the ids of their cards follow from it. */
  event_id: string;
  /** They are asked with the question: who is in its conversation hears of it there. */
  audience?: Audience;
}

/** More at once would be a broadcast. */
const MOST_ADMINS = 20;
const NO_ADMIN = 'there is none (at first by `DECKHAND_ADMINS`, or who installed the app)';

/**
 * In how many places they were asked, and how many members of a group were left out; none where nobody need be, because they
 * are in the conversation or have no more to say. Or why nobody was, as the end of a sentence.
 */
export type Asked = { reached: number; left_out: number } | { problem: string };

/** Ask everybody whom the policy names and who is not in the conversation, where they are. Undefined: nobody need be. */
export async function askNamed(deps: ApprovalShowDeps, asking: Asking): Promise<AskedElsewhere | undefined> {
  const { approval } = asking;
  const { conversation } = deps;
  const audience = deps.connectors.get(conversation.connector)?.audienceOf?.(conversation) ?? nobodyIn(conversation);
  // Whoever asked for it is in the conversation.
  const others = approval.policy.approvers.filter((to) => !isRequester(approval, targetOf(to)));
  const found = await askEach(deps, { ...asking, audience }, others);
  return found.asked.length + found.not_asked.length === 0 ? undefined : found;
}

/**
 * Ask admins, where those in the conversation cannot decide it by themselves: in their own places, because nothing calls them in
 * that. Who could not be asked is said where nobody could be, or too few.
 */
export async function askAdmins(deps: ApprovalShowDeps, asking: Asking, { there }: Shortage): Promise<AskedElsewhere> {
  const { approval } = asking;
  const admins = await deps.roles.adminsOf(deps.workspace_id);
  const others = admins.filter((to) => !isRequester(approval, targetOf(to)));
  const audience = nobodyIn(deps.conversation);
  const found = await askEach(deps, { ...asking, audience }, others.slice(0, MOST_ADMINS));
  const left_out = Math.max(0, others.length - MOST_ADMINS);
  if (admins.length === 0) found.not_asked.push({ name: 'an admin', why: NO_ADMIN });
  if (found.asked.length === 0) return found;
  const all = (there ?? quorumOf(approval)) + found.asked.length + left_out;
  const why = `it takes ${quorumOf(approval)} to approve, and there are ${all}`;
  return { ...found, left_out, not_asked: all < quorumOf(approval) ? [{ name: 'enough people', why }] : [] };
}

async function askEach(deps: ApprovalShowDeps, asking: Asking, ids: readonly string[]): Promise<AskedElsewhere> {
  const nameOf = await namesOf(deps.connectors, ids, deps.conversation);
  const found: AskedElsewhere = { asked: [], not_asked: [], left_out: 0 };
  for (const to of ids) {
    const asked = await askAt(deps, asking, to);
    if ('problem' in asked) found.not_asked.push({ name: nameOf(to), why: asked.problem });
    else if (asked.reached > 0) found.asked.push(nameOf(to));
    if ('left_out' in asked) found.left_out += asked.left_out;
  }
  return found;
}

function nobodyIn(conversation: ConversationKey): Audience {
  return { conversation, among: async () => new Set() };
}

/** Ask whom a policy names so where they are, each once. @throws PlatformFailedError */
export async function askAt(deps: ApprovalShowDeps, asking: Asking, to: string): Promise<Asked> {
  const target = targetOf(to);
  const connector = deps.connectors.get(target.via);
  if (connector?.reach === undefined) return { problem: `${target.via} reaches nobody outside of a conversation` };
  const inWords = (reason: string) => connector.inWords?.(reason) ?? reason;
  try {
    const { places, left_out, present } = await placesOf(deps, connector, target, asking.audience);
    const theirs = places.filter(
      ({ person }) => person === undefined || !isThrough(asking.approval, { via: target.via, id: person }),
    );
    if (theirs.length === 0) {
      return places.length > 0 || present === true ? { reached: 0, left_out } : { problem: 'there is nobody' };
    }
    const card = await cardFrom(deps, asking, target.via);
    const refusals: string[] = [];
    for (const place of theirs) {
      const isTaken = await showAt(deps, { ...asking, connector, card }, place);
      if (isTaken !== true) refusals.push(isTaken);
    }
    const [refusal] = refusals;
    const reached = theirs.length - refusals.length;
    return reached > 0 || refusal === undefined ? { reached, left_out } : { problem: inWords(refusal) };
  } catch (error) {
    if (!(error instanceof PostRefusedError)) throw error;
    return { problem: inWords(error.reason) };
  }
}

/** The card for one place; where one stands already, a reminder of it. True, or why the platform will never take it. */
async function showAt(
  deps: ApprovalShowDeps,
  { approval, original, event_id, connector, card }: Asking & { connector: Connector; card: ApprovalCard },
  { conversation, person }: Reached['places'][number],
): Promise<true | string> {
  const delivery_id = `${deliveryId(event_id)}.${conversation.channel}`;
  const there = { ...deps, connector, conversation };
  const standing = (await cardsOf(deps, approval._id)).find(
    (other) => other._id !== delivery_id && isSamePlace(other.conversation, conversation),
  );
  if (standing !== undefined) return remindOf(deps, standing, delivery_id);
  const about = { link: null, ...card.about, ...(person !== undefined && { person }) };
  return deliverOrNot(there, { ...original.outgoing, delivery_id, card: { ...card, about } });
}

/** A reminder below a card that stands outside of the conversation. True, or why the platform will never take it. */
export async function remindOf(deps: ApprovalShowDeps, card: ShownCard, delivery_id: string): Promise<true | string> {
  const connector = deps.connectors.get(card.conversation.connector);
  if (connector === undefined) return 'it is not connected';
  const text = reminderText(await linkTo(deps, card));
  return deliverOrNot(
    { ...deps, connector, conversation: card.conversation },
    { ...notice(card._id, 'info', text, deps.context), delivery_id },
  );
}

/** @param link to the card that it reminds of */
export function reminderText(link: string | null): string {
  return `A reminder: ${link === null ? 'the approval above' : `[the approval above](${link})`} is still waiting.`;
}

/** The card as it stands in the conversation, for people elsewhere: who is mentioned in the first has heard of it. */
async function cardFrom(deps: ApprovalShowDeps, { original, audience }: Asking, via: string): Promise<ApprovalCard> {
  const { conversation, outgoing, state } = original;
  const about = {
    link: state === 'failed' ? null : await linkTo(deps, original),
    ...(conversation.connector === via && { channel: conversation.channel }),
    ...(audience !== undefined && { named: true as const }),
  };
  return { ...cardElsewhere(outgoing.card), mentions: [], about };
}

function placesOf(
  deps: ApprovalShowDeps,
  connector: Connector,
  target: Target,
  audience: Audience | undefined,
): Promise<Reached> {
  const { conversation } = deps;
  const isNear = conversation.connector === target.via;
  const at = {
    tenant: isNear ? conversation.tenant : null,
    ...(audience !== undefined && isNear && { outside_of: audience }),
  };
  return untilDone(deps, async () => {
    const reached = await connector.reach?.(target, at, deps.calls);
    return reached ?? { places: [], left_out: 0 };
  });
}

function isSamePlace(one: ConversationKey, other: ConversationKey): boolean {
  return (
    one.connector === other.connector &&
    one.tenant === other.tenant &&
    one.channel === other.channel &&
    one.thread === other.thread
  );
}
