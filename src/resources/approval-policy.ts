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
 * - `deckhand_four_eyes`: `true` when the person who asked for the work may not decide.
 * - `deckhand_approve_for_session`: `tool` or `arguments` when an approval may count for the rest of the session, for all
 *   calls of the tool or for those with the same arguments; `no` otherwise.
 * - `deckhand_remind_after`, `deckhand_expire_after`: `30m`, `4h`, `2d`; an expired approval is denied.
 */
const SETTINGS = [
  'deckhand_owners',
  'deckhand_approvers',
  'deckhand_quorum',
  'deckhand_four_eyes',
  'deckhand_approve_for_session',
  'deckhand_remind_after',
  'deckhand_expire_after',
];

const ACTOR_ID = /^[a-z][a-z0-9_-]{0,31}:(?!group:|channel:)[^\s,]{1,200}$/;
const GROUP_ID = /^[a-z][a-z0-9_-]{0,31}:group:[^\s,:]{1,200}$/;
const MOST_QUORUM = 10;

/** The policy that an agent's approvals follow. @throws InvalidInputError for metadata that was not checked before */
export function approvalPolicyOf(agent: { metadata: Metadata }): ApprovalPolicy {
  const { metadata } = agent;
  refuseUnknownSettings(metadata, [...SETTINGS, ...AGENT_SETTINGS]);
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
    four_eyes: fourEyes(metadata),
    ...(for_session === null ? {} : { for_session }),
    remind_after_ms,
    expire_after_ms,
  };
}

/** Actor ids of the people who answer for an agent. @throws InvalidInputError as above */
export function ownersOf(agent: { metadata: Metadata }): string[] {
  return ids(agent.metadata, 'deckhand_owners', isPerson);
}

const isPerson = { test: (id: string) => ACTOR_ID.test(id), words: 'an actor id such as slack:U123' };
const isPersonOrGroup = {
  test: (id: string) => ACTOR_ID.test(id) || GROUP_ID.test(id),
  words: 'an actor id such as slack:U123, or a group such as slack:group:S123',
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

function sessionScope(metadata: Metadata): SessionScope | null {
  const text = metadata['deckhand_approve_for_session'];
  if (text === undefined || text === 'no') return null;
  if (text === 'tool' || text === 'arguments') return text;
  throw new InvalidInputError('must be tool, arguments or no', 'metadata.deckhand_approve_for_session');
}

function fourEyes(metadata: Metadata): boolean {
  const text = metadata['deckhand_four_eyes'];
  if (text === undefined || text === 'false') return false;
  if (text === 'true') return true;
  throw new InvalidInputError('must be true or false', 'metadata.deckhand_four_eyes');
}
