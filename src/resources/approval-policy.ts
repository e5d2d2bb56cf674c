import { InvalidInputError } from '../errors.ts';
import type { ApprovalPolicy, SessionScope } from '../session/event.ts';
import { AGENT_SETTINGS } from './agent-settings.ts';
import { durationSetting, type Metadata, numberSetting, refuseUnknownSettings } from './metadata.ts';

/**
 * Who may decide an agent's approvals. The Managed Agents API has no field for it, so it stands in the agent's
 * metadata, where every client can read and set it:
 *
 * - `deckhand_owners`, `deckhand_approvers`: actor ids (`slack:U123`), separated by commas. Both may decide. Approvers may
 *   be user groups too (`slack:group:S123`).
 * - `deckhand_quorum`: how many of them have to approve, 1 to 10.
 * - `deckhand_four_eyes`: `true` when the person who asked for the work may not approve; they may deny.
 * - `deckhand_approve_for_session`: `tool` or `arguments` when an approval may count for the rest of the session, for all
 *   calls of the tool or for those with the same arguments; `no` otherwise.
 * - `deckhand_remind_after`, `deckhand_expire_after`: `30m`, `4h`, `2d`; reminders come again each time so much later, an expired
 *   approval is denied.
 * - `deckhand_escalate_to`: whom to ask besides when nobody decides, tried in order: people, groups, channels
 *   (`slack:channel:C123`). `deckhand_escalate_after`: after how long, and how long after each other.
 * - `deckhand_private_detail`: `true` when commands and arguments are shown only to those who may decide.
 */
export const APPROVAL_SETTINGS: readonly string[] = [
  'deckhand_owners',
  'deckhand_approvers',
  'deckhand_quorum',
  'deckhand_four_eyes',
  'deckhand_approve_for_session',
  'deckhand_remind_after',
  'deckhand_expire_after',
  'deckhand_escalate_after',
  'deckhand_escalate_to',
  'deckhand_private_detail',
];

const ACTOR_ID = /^[a-z][a-z0-9_-]{0,31}:(?!group:|channel:)[^\s,]{1,200}$/;
const GROUP_ID = /^[a-z][a-z0-9_-]{0,31}:group:[^\s,:]{1,200}$/;
const CHANNEL_ID = /^[a-z][a-z0-9_-]{0,31}:channel:[^\s,:]{1,200}$/;
/** Most people who have to approve. */
export const MOST_QUORUM = 10;

/** The policy that an agent's approvals follow. @throws InvalidInputError for metadata that was not checked before */
export function approvalPolicyOf(agent: { metadata: Metadata }): ApprovalPolicy {
  const { metadata } = agent;
  refuseUnknownSettings(metadata, [...APPROVAL_SETTINGS, ...AGENT_SETTINGS]);
  const remind_after_ms = durationSetting(metadata, 'deckhand_remind_after');
  const expire_after_ms = durationSetting(metadata, 'deckhand_expire_after');
  if (remind_after_ms !== null && expire_after_ms !== null && remind_after_ms >= expire_after_ms) {
    throw new InvalidInputError('must be shorter than deckhand_expire_after', 'metadata.deckhand_remind_after');
  }
  const approvers = [...new Set([...ownersOf(agent), ...ids(metadata, 'deckhand_approvers', isPersonOrGroup)])];
  const for_session = sessionScope(metadata);
  return {
    approvers,
    ...quorumOf(metadata, approvers),
    four_eyes: flag(metadata, 'deckhand_four_eyes'),
    ...(for_session === null ? {} : { for_session }),
    remind_after_ms,
    ...escalationOf(metadata, expire_after_ms),
    expire_after_ms,
    ...(flag(metadata, 'deckhand_private_detail') ? { private_detail: true } : {}),
  };
}

/** Actor ids of the people who answer for an agent. @throws InvalidInputError as above */
export function ownersOf(agent: { metadata: Metadata }): string[] {
  return ids(agent.metadata, 'deckhand_owners', isPerson);
}

const MENTION = 'mention them in chat, or give an id';
const isPerson = { test: (id: string) => ACTOR_ID.test(id), words: `a person: ${MENTION} such as slack:U123` };
const isPersonOrGroup = {
  test: (id: string) => ACTOR_ID.test(id) || GROUP_ID.test(id),
  words: `a person or a group: ${MENTION} such as slack:U123 or slack:group:S123`,
};

const isTarget = {
  test: (id: string) => isPersonOrGroup.test(id) || CHANNEL_ID.test(id),
  words: `a person, a group or a channel: ${MENTION} such as slack:U123, slack:group:S123 or slack:channel:C123`,
};

function ids(metadata: Metadata, name: string, kind: { test(id: string): boolean; words: string }): string[] {
  const found = (metadata[name] ?? '')
    .split(',')
    .map((id) => id.trim())
    .filter((id) => id !== '');
  const wrong = found.find((id) => !kind.test(id));
  if (wrong !== undefined) {
    throw new InvalidInputError(`${JSON.stringify(wrong)} is not ${kind.words}`, `metadata.${name}`);
  }
  return [...new Set(found)];
}

/** One is the default and not written down. A question that can never be approved is refused here. */
function quorumOf(metadata: Metadata, approvers: string[]): { quorum?: number } {
  const name = 'deckhand_quorum';
  const quorum = numberSetting(metadata, name, 1, MOST_QUORUM) ?? 1;
  if (!Number.isInteger(quorum)) throw new InvalidInputError('must be a whole number', `metadata.${name}`);
  const groups = approvers.some((id) => GROUP_ID.test(id));
  if (approvers.length > 0 && !groups && quorum > approvers.length) {
    throw new InvalidInputError(`only ${approvers.length} may decide, so more can never approve`, `metadata.${name}`);
  }
  return quorum === 1 ? {} : { quorum };
}

function escalationOf(
  metadata: Metadata,
  expire_after_ms: number | null,
): Pick<ApprovalPolicy, 'escalate_after_ms' | 'escalate_to'> {
  const escalate_after_ms = durationSetting(metadata, 'deckhand_escalate_after');
  const escalate_to = ids(metadata, 'deckhand_escalate_to', isTarget);
  if (escalate_after_ms === null && escalate_to.length === 0) return {};
  if (escalate_to.length === 0) throw new InvalidInputError('must name somebody', 'metadata.deckhand_escalate_to');
  const after = 'metadata.deckhand_escalate_after';
  if (escalate_after_ms === null) throw new InvalidInputError('must say after how long, such as 30m', after);
  if (expire_after_ms !== null && escalate_after_ms >= expire_after_ms) {
    throw new InvalidInputError('must be shorter than deckhand_expire_after', after);
  }
  return { escalate_after_ms, escalate_to };
}

function sessionScope(metadata: Metadata): SessionScope | null {
  const text = metadata['deckhand_approve_for_session'];
  if (text === undefined || text === 'no') return null;
  if (text === 'tool' || text === 'arguments') return text;
  throw new InvalidInputError('must be tool, arguments or no', 'metadata.deckhand_approve_for_session');
}

function flag(metadata: Metadata, name: string): boolean {
  const text = metadata[name];
  if (text === undefined || text === 'false') return false;
  if (text === 'true') return true;
  throw new InvalidInputError('must be true or false', `metadata.${name}`);
}
