import { NotFoundError } from '../errors.ts';
import type { LogHead, SessionLog, SessionRef } from '../session/log.ts';
import { isActive } from './active.ts';
import type { Conversation } from './conversation-store.ts';
import type { AgentName } from './session-directory.ts';

/** A paused agent takes no new work, and what runs goes on: whoever speaks to it there steers it. */
export function pausedWords({ name }: Pick<AgentName, 'name'>): string {
  return `${name} is paused and takes no new work. Its owner can let it go on: /agents resume ${name}`;
}

/** Why this agent takes no message in this conversation, as a sentence; null when it is not paused, or has a run there. */
export async function pauseRefusal(
  deps: { log: Pick<SessionLog, 'head'> },
  agent: AgentName,
  { workspace_id, sessions }: Pick<Conversation, 'workspace_id' | 'sessions'>,
): Promise<string | null> {
  const slot = sessions[agent.id];
  if (!agent.paused) return null;
  const head = slot === undefined ? null : await runningHead(deps, { workspace_id, session_id: slot.session_id });
  return head === null ? pausedWords(agent) : null;
}

/** How far the log of a session is while a run is under way there; null: none is. */
export async function runningHead(
  { log }: { log: Pick<SessionLog, 'head'> },
  ref: SessionRef,
): Promise<LogHead | null> {
  try {
    const head = await log.head(ref);
    return isActive(head) ? head : null;
  } catch (error) {
    // Deleted, or reserved and not made.
    if (error instanceof NotFoundError) return null;
    throw error;
  }
}
