import { NotFoundError } from '../errors.ts';
import { appendOnce } from '../session/append-once.ts';
import type { SessionLog, SessionRef } from '../session/log.ts';
import type { ConversationStore } from './conversation-store.ts';
import type { InboundFeedback, Receipt } from './inbound.ts';
import type { KeptInbound } from './inbound-document.ts';
import { loggedEventId } from './inbound-keys.ts';
import type { InboundStore } from './inbound-store.ts';
import type { ConversationKey } from './place.ts';
import type { SessionDirectory } from './session-directory.ts';

export interface ReceiveFeedbackDeps {
  log: SessionLog;
  inbound: InboundStore;
  conversations: ConversationStore;
  directory: SessionDirectory;
}

const GONE: Receipt = { effect: 'refused', text: 'The session of this answer is gone, and your feedback with it.' };

/** Keep what somebody thinks of an answer with its session; an archived one too. It owes nobody a turn. */
export async function receiveFeedback(
  deps: ReceiveFeedbackDeps,
  kept: KeptInbound,
  { conversation, person, answer, rating }: InboundFeedback,
): Promise<Receipt> {
  const workspace_id = await deps.directory.workspaceOf(conversation.connector, conversation.tenant);
  const ref = { workspace_id, session_id: answer.session_id };
  if (!(await isShownIn(deps, ref, conversation))) return GONE;
  const id = loggedEventId(kept.inbound, answer.session_id);
  const by = { via: conversation.connector, id: person.id, name: person.name };
  try {
    if ((await deps.log.find(ref, [answer.event_id])).length === 0) return GONE;
    const [target] = kept.targets ?? (await deps.inbound.target(kept, [await standing(deps, ref)]));
    if (target === undefined) throw new Error('Feedback has no target after one was fixed');
    await appendOnce(deps.log, ref, {
      after_seq: target.after_seq,
      entries: [
        {
          event: {
            id,
            type: 'deckhand.feedback',
            processed_at: new Date().toISOString(),
            event_id: answer.event_id,
            rating,
          },
          by,
        },
      ],
      isThere: (entry) => entry.event.id === id,
    });
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
    return GONE;
  }
  return { effect: 'accepted', text: 'Thank you: it is kept with this session.' };
}

async function standing(deps: ReceiveFeedbackDeps, ref: SessionRef) {
  const { seq } = await deps.log.head(ref);
  return { ...ref, after_seq: seq };
}

/** A button may be pressed where its answer was posted, and nowhere else. */
async function isShownIn(deps: ReceiveFeedbackDeps, ref: SessionRef, at: ConversationKey): Promise<boolean> {
  const session = await deps.directory.find(ref);
  if (session === null || session.conversation_id === null) return false;
  const shown = await deps.conversations.find(session.conversation_id);
  if (shown === null || shown.connector !== at.connector || shown.tenant !== at.tenant) return false;
  return shown.channel === at.channel && shown.thread === at.thread;
}
