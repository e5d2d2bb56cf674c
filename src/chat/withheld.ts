import type { LogEntry, SessionEvent } from '../session/event.ts';
import type { SessionLog, SessionRef } from '../session/log.ts';
import { replyOf } from './reply-of.ts';

/*
 * Where commands are private, so is what the agent says in the reply that asks for one: it gives the reason, and often the
 * command itself. Which reply that is shows only when it is whole, so nothing of any grows in the conversation
 * (show-session.ts), and a message whose reply asks is replaced by one of these lines. Those who may decide read its end with
 * the call.
 */
const BEFORE_ASKING = '*What I say before a step that needs approval is not shown here: commands are private.*';
/** Whether it would have asked, nobody knows. */
const STOPPED = '*What I was saying when I was stopped is not shown here: commands are private.*';

interface WithheldDeps {
  log: Pick<SessionLog, 'find' | 'query'>;
  ref: SessionRef;
}

/** What stands in the place of the agent's message at `seq`, in a session whose commands are private; null: itself. */
export async function insteadOf(deps: WithheldDeps, entry: Pick<LogEntry, 'seq'>): Promise<string | null> {
  const reply = await replyOf(deps, entry);
  if (reply === null) return BEFORE_ASKING;
  if (reply.stop_reason === null) return STOPPED;
  return (await asksAny(deps, Object.values(reply.tool_use_events))) ? BEFORE_ASKING : null;
}

async function asksAny({ log, ref }: WithheldDeps, calls: readonly string[]): Promise<boolean> {
  for (let left = calls; left.length > 0; ) {
    const found = await log.find(ref, left);
    // Of a call that cannot be looked at nobody knows.
    if (found.length === 0 || found.some(({ event }) => isForPeople(event))) return true;
    left = left.filter((id) => !found.some(({ event }) => event.id === id));
  }
  return false;
}

/** A call that asks, or would if it had not been approved for the session. */
function isForPeople(event: SessionEvent): boolean {
  if (event.type !== 'agent.tool_use' && event.type !== 'agent.mcp_tool_use') return false;
  const { evaluated_permission, evaluation } = event;
  if (evaluated_permission === 'ask' || evaluation?.type === 'always_ask') return true;
  return evaluation?.type === 'auto' && evaluation.evaluated_permission.type === 'ask';
}
