import { isDeepStrictEqual } from 'node:util';
import { ConflictError } from '../../errors.ts';
import type { AgentDocument } from '../../resources/agents.ts';
import type { CommandDeps } from './command.ts';
import type { FormReading } from './read-agent-form.ts';

/** Said beside a field of the form that was overtaken. */
export const OVERTAKEN = 'Somebody else changed this agent meanwhile. Close this and open it again.';

/**
 * Change an agent to what somebody wants of it; what it is already is not changed, so that a repeat finds what it wanted.
 * @param version that their form showed; empty for who typed it and has seen none
 * @returns whether it is so now; not where somebody else changed the agent meanwhile, which is not undone by it
 */
export async function saveAgent(
  deps: Pick<CommandDeps, 'agents'>,
  agent: AgentDocument,
  { update, config }: Exclude<FormReading, { errors: unknown }>,
  version: string,
): Promise<boolean> {
  if (isDeepStrictEqual(config, agent.config)) return true;
  if (version !== '' && version !== String(agent.version)) return false;
  try {
    await deps.agents.update(agent.workspace_id, agent._id, { ...update, version: agent.version });
    return true;
  } catch (error) {
    if (error instanceof ConflictError) return false;
    throw error;
  }
}

/** What stands behind an agent's name in what a form sends. */
export function isVersion(rest: string): boolean {
  return /^\d{0,9}$/.test(rest);
}
