import { NotFoundError } from '../errors.ts';
import type { LogHead, SessionLog, SessionRef } from '../session/log.ts';
import { isActive } from './active.ts';
import type { Conversation } from './conversation-store.ts';
import type { AgentName, ChatSession } from './session-directory.ts';

/** A paused agent takes no new work, and what runs goes on: whoever speaks to it there steers it. */
export function pausedWords({ name }: Pick<AgentName, 'name'>): string {
  return `${name} is paused and takes no new work. Its owner can let it go on: /agents resume ${name}`;
}

/** One that is archived does not come back: what runs is steered to its end, and nothing follows. */
function archivedWords({ name }: Pick<AgentName, 'name'>): string {
  return `${name} was archived. Begin a new thread with another agent’s name and a colon.`;
}

/** An agent as a message finds it: also one that was archived, where it has a session. */
export interface HeldAgent extends Pick<AgentName, 'id' | 'name' | 'paused' | 'guests'> {
  archived?: true;
}

/** Why this agent begins nothing new, as a sentence; null: it takes work. */
export function heldWords(agent: Pick<HeldAgent, 'name' | 'paused' | 'archived'>): string | null {
  if (agent.archived === true) return archivedWords(agent);
  return agent.paused ? pausedWords(agent) : null;
}

/** The agent of a session that is open, and that is no agent any more. What it let guests do is forgotten with it. */
export function archivedOf({ agent_id, agent_name }: Pick<ChatSession, 'agent_id' | 'agent_name'>): HeldAgent {
  return { id: agent_id, name: agent_name, paused: false, guests: 'restrict', archived: true };
}

/** Why this agent takes no message in this conversation, as a sentence; null when it takes work, or has a run there. */
export async function pauseRefusal(
  deps: { log: Pick<SessionLog, 'head'> },
  agent: HeldAgent,
  { workspace_id, sessions }: Pick<Conversation, 'workspace_id' | 'sessions'>,
): Promise<string | null> {
  const words = heldWords(agent);
  const slot = sessions[agent.id];
  if (words === null || slot === undefined) return words;
  const head = await runningHead(deps, { workspace_id, session_id: slot.session_id });
  return head === null ? words : null;
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
