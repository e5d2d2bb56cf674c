import { appendOnce } from '../session/append-once.ts';
import type { LogEntry } from '../session/event.ts';
import { derivedId } from '../session/id.ts';
import { DECKHAND, type SessionLog, type SessionRef } from '../session/log.ts';
import { PostRefusedError } from './connector.ts';
import { deliver, type PostDeps, untilDone } from './post.ts';
import { deliveryId } from './render-entries.ts';

export interface UnseenDeps extends PostDeps {
  log: Pick<SessionLog, 'append' | 'find' | 'head' | 'query' | 'readPage'>;
  ref: SessionRef;
}

/** Inputs among which the last one that came from chat is looked for. */
const LOOK_BACK = 50;

/**
 * Nothing can be said in the conversation any more (its channel was archived, the bot removed): whoever asked last is told
 * directly, and the log notes it. Once for what they asked, however much of it cannot be shown, and once more where people are
 * asked to decide something. @throws PlatformFailedError
 */
export async function tellUnseen(
  deps: UnseenDeps,
  agent_name: string,
  reason: string,
  is_question = false,
): Promise<void> {
  const { log, ref } = deps;
  // Before the look: a note that somebody else makes meanwhile stands behind it.
  const { seq: after_seq } = await log.head(ref);
  const asked = await lastAsked(deps);
  const about = asked?.event.id ?? ref.session_id;
  const ofQuestion = derivedId('sevt', `${about}_unseen_question`);
  const id = is_question ? ofQuestion : derivedId('sevt', `${about}_unseen`);
  // Who was told of a question knows where they read the rest.
  if ((await log.find(ref, [id, ofQuestion])).length > 0) return;
  const told = asked !== null && (await tellDirectly(deps, asked, agent_name, { reason, is_question }));
  const who = told ? `${asked.by?.name ?? 'Whoever asked'} was told directly` : 'Nobody could be told';
  const text = `The chat platform takes no message in the conversation (${reason}). ${who}.`;
  await appendOnce(log, ref, {
    after_seq,
    entries: [{ event: { id, type: 'deckhand.note', text, processed_at: new Date().toISOString() }, by: DECKHAND }],
    isThere: (entry) => entry.event.id === id,
  });
}

async function lastAsked({ log, ref, conversation }: UnseenDeps): Promise<LogEntry | null> {
  const inputs = await log.query({ ...ref, types: ['user.message'], order: 'desc', limit: LOOK_BACK });
  return inputs.find(({ by }) => by?.via === conversation.connector) ?? null;
}

/** False: they cannot be reached, or the platform takes no message there either. */
async function tellDirectly(
  deps: UnseenDeps,
  { event, by }: LogEntry,
  agent_name: string,
  { reason, is_question }: { reason: string; is_question: boolean },
): Promise<boolean> {
  const { connector, conversation, session_id } = deps;
  const link = connector.linkTo?.(conversation) ?? null;
  const where =
    link === null ? 'the conversation in which you asked me' : `[the conversation](${link}) in which you asked me`;
  const question = is_question
    ? 'I need an approval to go on there, and it waits: `/approvals` shows it to those who may decide. What else'
    : 'So what';
  const markdown =
    `I may not post in ${where}: ${connector.inWords?.(reason) ?? reason}. ${question} I have to say stands only in the log of its session, ${session_id}. ` +
    'Where I may post again, ask me there.';
  const delivery_id = `${deliveryId(event.id)}.unseen${is_question ? '.question' : ''}`;
  try {
    const reached = await untilDone(deps, async () =>
      connector.reach?.({ kind: 'person', id: by?.id ?? '' }, { tenant: conversation.tenant }, deps.calls),
    );
    const [place] = reached?.places ?? [];
    if (place === undefined) return false;
    const notice = { kind: 'notice' as const, delivery_id, level: 'error' as const, markdown, agent_name };
    await deliver({ ...deps, conversation: place.conversation }, notice);
    return true;
  } catch (error) {
    if (!(error instanceof PostRefusedError)) throw error;
    deps.logger.warn({ session_id, reason: error.reason }, 'nobody was told that nothing can be posted');
    await deps.store.record(delivery_id, { state: 'failed' });
    return false;
  }
}
