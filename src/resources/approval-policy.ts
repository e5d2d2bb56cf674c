import { InvalidInputError } from '../errors.ts';
import type { ApprovalPolicy } from '../session/event.ts';
import { AGENT_SETTINGS } from './agent-settings.ts';
import { durationSetting, type Metadata, refuseUnknownSettings } from './metadata.ts';

/**
 * Who may decide an agent's approvals. The Managed Agents API has no field for it, so it stands in the agent's
 * metadata, where every client can read and set it:
 *
 * - `deckhand_owners`, `deckhand_approvers`: actor ids (`slack:U123`), separated by commas. Both may decide.
 * - `deckhand_four_eyes`: `true` when the person who asked for the work may not decide.
 * - `deckhand_remind_after`, `deckhand_expire_after`: `30m`, `4h`, `2d`; an expired approval is denied.
 */
const SETTINGS = [
  'deckhand_owners',
  'deckhand_approvers',
  'deckhand_four_eyes',
  'deckhand_remind_after',
  'deckhand_expire_after',
];

const ACTOR_ID = /^[a-z][a-z0-9_-]{0,31}:[^\s,]{1,200}$/;

/** The policy that an agent's approvals follow. @throws InvalidInputError for metadata that was not checked before */
export function approvalPolicyOf(agent: { metadata: Metadata }): ApprovalPolicy {
  const { metadata } = agent;
  refuseUnknownSettings(metadata, [...SETTINGS, ...AGENT_SETTINGS]);
  const remind_after_ms = durationSetting(metadata, 'deckhand_remind_after');
  const expire_after_ms = durationSetting(metadata, 'deckhand_expire_after');
  if (remind_after_ms !== null && expire_after_ms !== null && remind_after_ms >= expire_after_ms) {
    throw new InvalidInputError('must be shorter than deckhand_expire_after', 'metadata.deckhand_remind_after');
  }
  return {
    approvers: [...new Set([...ownersOf(agent), ...actorIds(metadata, 'deckhand_approvers')])],
    four_eyes: fourEyes(metadata),
    remind_after_ms,
    expire_after_ms,
  };
}

/** Actor ids of the people who answer for an agent. @throws InvalidInputError as above */
export function ownersOf(agent: { metadata: Metadata }): string[] {
  return actorIds(agent.metadata, 'deckhand_owners');
}

function actorIds(metadata: Metadata, name: string): string[] {
  const ids = (metadata[name] ?? '')
    .split(',')
    .map((id) => id.trim())
    .filter((id) => id !== '');
  for (const id of ids) {
    if (!ACTOR_ID.test(id)) {
      throw new InvalidInputError(`${JSON.stringify(id)} is not an actor id such as slack:U123`, `metadata.${name}`);
    }
  }
  return [...new Set(ids)];
}

function fourEyes(metadata: Metadata): boolean {
  const text = metadata['deckhand_four_eyes'];
  if (text === undefined || text === 'false') return false;
  if (text === 'true') return true;
  throw new InvalidInputError('must be true or false', 'metadata.deckhand_four_eyes');
}
