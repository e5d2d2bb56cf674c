import type { Approval } from '../approvals/approval.ts';
import type { Approvals } from '../approvals/approvals.ts';
import { UNKNOWN } from '../approvals/decide.ts';
import { decidersOf, isRequester, refusalFor } from '../approvals/policy.ts';
import { argumentsOf } from '../session/arguments.ts';
import type { SessionLog } from '../session/log.ts';
import { cardElsewhere, cardOf, namedIn } from './approval-card.ts';
import type { Connector } from './connector.ts';
import { type ConversationStore, laneOf } from './conversation-store.ts';
import { type Asked, askedBy, deciderOf, isOfAnotherTenant, type PersonAt } from './decider.ts';
import type { ApprovalDetails, ApprovalLook, WaitingApproval, WaitingApprovals } from './inbound.ts';
import { namesOf } from './names.ts';
import type { ConversationKey } from './place.ts';
import type { Roles } from './roles.ts';
import type { SessionDirectory } from './session-directory.ts';
import { shorthanded } from './shorthanded.ts';
import { visible } from './visible.ts';

export interface LookDeps {
  approvals: Pick<Approvals, 'find' | 'pending' | 'refusalByToolUse'>;
  log: Pick<SessionLog, 'find'>;
  directory: Pick<SessionDirectory, 'find' | 'workspaceOf'>;
  conversations: Pick<ConversationStore, 'find'>;
  connectors: ReadonlyMap<
    string,
    Pick<Connector, 'closed_conversations' | 'nameOf' | 'groups' | 'isDirect' | 'isGuest' | 'linkTo'>
  >;
  roles: Pick<Roles, 'roleOf'>;
}

/** Most of one list, and how many are counted behind it. */
export const SHOWN = 10;
const COUNTED = 100;
/** Approvals that are looked at side by side. */
const TOGETHER = 25;

/** A call whole: for those who may decide it, and where nothing is private for all who are in its conversation. */
export async function detailsOf(deps: LookDeps, from: ApprovalLook): Promise<ApprovalDetails> {
  const { decision = 'allow' } = from;
  const { connector, tenant } = from.conversation;
  const workspace_id = await deps.directory.workspaceOf(connector, tenant);
  const approval = await deps.approvals.find(workspace_id, from.approval_id);
  const asked = approval === null ? null : await askedBy(deps, approval);
  if (approval === null || asked === null || isOfAnotherTenant(asked.conversation, from.conversation)) {
    return { refused: UNKNOWN.text };
  }
  const { conversation } = asked;
  const decider = await deciderOf(deps, approval, from, conversation);
  const { private_detail, for_session } = approval.policy;
  const isOpen = private_detail !== true && decider.in_conversation;
  const nameOf = await namesOf(deps.connectors, decidersOf(approval), from.conversation);
  const notTheirs = refusalFor(approval, { ...decider, decision }, nameOf);
  if (!isOpen && notTheirs !== null) return { refused: 'Only those who may decide this see it.' };
  const { session_id, tool_use_id, summary, why = null } = approval;
  const ref = { workspace_id, session_id };
  const refused = await deps.approvals.refusalByToolUse(ref, { ...decider, tool_use_id, decision });
  const closed = refused?.result === 'not_allowed' ? notTheirs : (refused?.text ?? null);
  const [call] = await deps.log.find(ref, [tool_use_id]);
  const whole = call !== undefined && 'input' in call.event ? argumentsOf(call.event.input) : approval.detail;
  return {
    summary: visible(summary),
    why,
    detail: visible(whole),
    closed,
    ...(for_session === undefined ? {} : { for_session }),
  };
}

/**
 * What this person may decide, oldest first. Where anyone in a conversation may: what was asked where they ask, or for them.
 * @param among of so many pending approvals at most, the oldest
 */
export async function waitingFor(
  deps: LookDeps,
  from: PersonAt,
  before = 0,
  among = Number.POSITIVE_INFINITY,
): Promise<WaitingApprovals> {
  const { connector, tenant } = from.conversation;
  const workspace_id = await deps.directory.workspaceOf(connector, tenant);
  const theirs: { approval: Approval; asked: Asked }[] = [];
  const once = { ...deps, roles: askedOnce(deps.roles) };
  let looked = 0;
  let isCutShort = false;
  for await (const some of lotsOf(deps.approvals.pending(workspace_id), TOGETHER)) {
    isCutShort = looked >= among;
    if (isCutShort) break;
    const found = await Promise.all(some.map((approval) => decidable(once, approval, from)));
    for (const [index, asked] of found.entries()) {
      const approval = some[index];
      if (approval !== undefined && asked !== null) theirs.push({ approval, asked });
    }
    looked += some.length;
    if (theirs.length >= before + SHOWN + COUNTED) break;
  }
  theirs.splice(before + SHOWN + COUNTED);
  const approvals = await Promise.all(
    theirs.slice(before, before + SHOWN).map(async ({ approval, asked }): Promise<WaitingApproval> => {
      const nameOf = await namesOf(deps.connectors, namedIn(approval), from.conversation);
      const { conversation } = asked;
      const admins = (await shorthanded(deps, approval, conversation)) !== null;
      return {
        ...asked,
        link: conversation === null ? null : linkFor(deps, from, { approval, conversation }),
        card: cardElsewhere(cardOf(approval, { via: connector, nameOf, admins })),
        asked_at: approval.requested_at.toISOString(),
      };
    }),
  );
  const more = Math.max(0, theirs.length - before - approvals.length);
  return { approvals, more, ...(before > 0 && { before }), ...(isCutShort && { cut_short: true as const }) };
}

/** The way to where it was asked. Nobody else's direct messages open: there it is for whoever is in them. */
function linkFor(
  { connectors }: Pick<LookDeps, 'connectors'>,
  from: PersonAt,
  { approval, conversation }: { approval: Approval; conversation: ConversationKey },
): string | null {
  const platform = connectors.get(conversation.connector);
  const by = { via: from.conversation.connector, id: from.person.id };
  const isThere = isRequester(approval, by) || laneOf(conversation) === laneOf(from.conversation);
  if (platform?.isDirect?.(conversation) === true && !isThere) return null;
  return platform?.linkTo?.(conversation) ?? null;
}

async function* lotsOf<T>(items: AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let lot: T[] = [];
  for await (const item of items) {
    lot.push(item);
    if (lot.length < size) continue;
    yield lot;
    lot = [];
  }
  if (lot.length > 0) yield lot;
}

/** It is one person who looks, at however many approvals, and few who asked for them. */
function askedOnce(roles: LookDeps['roles']): LookDeps['roles'] {
  const known = new Map<string, ReturnType<typeof roles.roleOf>>();
  return {
    roleOf(workspace_id, person) {
      const role = known.get(person.actor_id) ?? roles.roleOf(workspace_id, person);
      known.set(person.actor_id, role);
      return role;
    },
  };
}

/** Where it was asked, when this person may decide it from where they are; else null. */
async function decidable(deps: LookDeps, approval: Approval, from: PersonAt): Promise<Asked | null> {
  const mayDecide = async (asked: ConversationKey | null) =>
    refusalFor(approval, await deciderOf(deps, approval, from, asked)) === null;
  // Where people are named, it matters to nobody where it was asked: that is only looked up for what is shown.
  const isNamed = approval.policy.approvers.length > 0;
  if (isNamed && !(await mayDecide(null))) return null;
  const asked = await askedBy(deps, approval);
  if (isOfAnotherTenant(asked.conversation, from.conversation)) return null;
  return isNamed || (await mayDecide(asked.conversation)) ? asked : null;
}
