import { InvalidInputError } from '../errors.ts';
import { type Metadata, numberSetting } from './metadata.ts';

/**
 * What chat needs to know of an agent and the Managed Agents API has no field for, in the agent's metadata:
 *
 * - `deckhand_paused`: `true` while it takes no new work; what runs goes on.
 * - `deckhand_environment`: the environment of sessions begun in chat; without it the workspace's default one.
 * - `deckhand_budget`: what one session begun in chat may cost, in US dollars at list price.
 * - `deckhand_guests`: `restrict` (the default) lets guests speak in sessions that they began themselves, `allow` in all,
 *   `deny` in none.
 */
export const AGENT_SETTINGS = [
  'deckhand_paused',
  'deckhand_environment',
  'deckhand_budget',
  'deckhand_guests',
] as const;

export const GUEST_SETTINGS = ['restrict', 'allow', 'deny'] as const;
export type GuestSetting = (typeof GUEST_SETTINGS)[number];

export interface AgentSettings {
  paused: boolean;
  environment_id: string | null;
  budget_cents: number | null;
  guests: GuestSetting;
}

const MAX_BUDGET_USD = 100_000;

/** @throws InvalidInputError for metadata that was not checked before */
export function agentSettingsOf({ metadata }: { metadata: Metadata }): AgentSettings {
  const paused = metadata['deckhand_paused'];
  if (paused !== undefined && paused !== 'true' && paused !== 'false') {
    throw new InvalidInputError('must be true or false', 'metadata.deckhand_paused');
  }
  const environment = metadata['deckhand_environment'];
  if (environment !== undefined && !/^env_[^\s]{1,120}$/.test(environment)) {
    throw new InvalidInputError('must be the id of an environment', 'metadata.deckhand_environment');
  }
  const guests = GUEST_SETTINGS.find((one) => one === (metadata['deckhand_guests'] ?? 'restrict'));
  if (guests === undefined) {
    throw new InvalidInputError(`must be one of ${GUEST_SETTINGS.join(', ')}`, 'metadata.deckhand_guests');
  }
  const budget = numberSetting(metadata, 'deckhand_budget', 0.01, MAX_BUDGET_USD);
  return {
    paused: paused === 'true',
    environment_id: environment ?? null,
    budget_cents: budget === undefined ? null : Math.round(budget * 100),
    guests,
  };
}
