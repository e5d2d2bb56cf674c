import { FileGoneError, PostRefusedError } from './connector.ts';
import type { Outgoing } from './outgoing.ts';
import { deliver } from './post.ts';
import { tellUnseen, type UnseenDeps } from './unseen.ts';

/**
 * Deliver; what the platform will never take is said in a short notice instead, and never holds up the rest. Where it takes
 * no notice either, whoever asked is told elsewhere.
 */
export async function send(deps: UnseenDeps, outgoing: Outgoing): Promise<void> {
  try {
    await deliver(deps, outgoing);
  } catch (error) {
    if (!(error instanceof PostRefusedError)) throw error;
    const facts = { session_id: deps.session_id, delivery_id: outgoing.delivery_id, reason: error.reason };
    deps.logger.error(facts, 'the platform refused a message');
    await deps.store.record(outgoing.delivery_id, { state: 'failed' });
    if (outgoing.kind === 'activity') return;
    const delivery_id = `${outgoing.delivery_id}.refused`;
    const reason = deps.connector.inWords?.(error.reason) ?? error.reason;
    const markdown = refusalOf(outgoing, reason, error instanceof FileGoneError);
    const { agent_name } = outgoing;
    try {
      await deliver(deps, { kind: 'notice', delivery_id, level: 'error', markdown, agent_name });
    } catch (second) {
      if (!(second instanceof PostRefusedError)) throw second;
      await deps.store.record(delivery_id, { state: 'failed' });
      // Of a question, the card in its own conversation is the one that its people wait for.
      const isElsewhere = outgoing.kind === 'approval' && outgoing.card.about !== undefined;
      if (!isElsewhere) await tellUnseen(deps, agent_name, second.reason, isQuestion(outgoing));
    }
  }
}

/** It waits for a decision. */
function isQuestion(outgoing: Outgoing): boolean {
  return outgoing.kind === 'approval' && outgoing.card.state.status === 'pending';
}

/** @param reason the end of a sentence @param isGone the file */
function refusalOf(outgoing: Outgoing, reason: string, isGone: boolean): string {
  if (isQuestion(outgoing)) {
    return `I ask for an approval, and this chat does not take its card (${reason}). It waits: \`/approvals\` shows it to those who may decide.`;
  }
  if (outgoing.kind !== 'file') return `I have something to show that this chat does not take (${reason}).`;
  if (typeof outgoing.content !== 'string') {
    if (isGone) return `I made ${outgoing.name}, and cannot show it (${reason}).`;
    return `I made ${outgoing.name}, and this chat does not take it (${reason}). The session has it as ${outgoing.content.file_id}.`;
  }
  return `This is not all, and this chat takes no file (${reason}). The session's log has the whole.`;
}
