import type { EventOf, LogEntry } from '../session/event.ts';
import type { SessionLog, SessionRef } from '../session/log.ts';

export interface ReplyDeps {
  log: Pick<SessionLog, 'query'>;
  ref: SessionRef;
}

const TYPES = ['deckhand.model_reply'] as const;

/** The reply of Claude's that the agent's message at `seq` is from: every message has its own right before it. */
export async function replyOf(
  { log, ref }: ReplyDeps,
  { seq }: Pick<LogEntry, 'seq'>,
): Promise<EventOf<'deckhand.model_reply'> | null> {
  const [reply] = await log.query({ ...ref, types: [...TYPES], before_seq: seq, order: 'desc', limit: 1 });
  return reply?.event.type === 'deckhand.model_reply' ? reply.event : null;
}
