import type { SessionDocument } from '../../resources/session-document.ts';
import { laneOf } from '../conversation-store.ts';
import { isOfAnotherTenant } from '../decider.ts';
import { type CommandDeps, type CommandRequest, plain } from './command.ts';

type Asker = Pick<CommandRequest, 'actor_id' | 'conversation' | 'workspace_id'>;

/** The way to a session's conversation, or why its asker has none, as a sentence for them. */
export async function linkOf(
  deps: Pick<CommandDeps, 'connectors' | 'directory'>,
  { workspace_id, actor_id, conversation }: Asker,
  session: SessionDocument,
): Promise<{ link: string } | { refusal: string }> {
  const place = await deps.directory.placeOf({ workspace_id, session_id: session._id });
  if (place === null) return { refusal: 'It has no place in chat: it was begun through the API.' };
  if (isOfAnotherTenant(place, conversation)) {
    return { refusal: 'It is in a place of somebody else’s, which you cannot open.' };
  }
  const connector = deps.connectors.get(place.connector);
  if (connector?.closed_conversations === true && session.started_by !== actor_id) {
    return { refusal: 'It is in a conversation of somebody else’s: ask them to let you in.' };
  }
  const isHere = laneOf(place) === laneOf(conversation);
  if (connector?.isDirect?.(place) === true && session.started_by !== actor_id && !isHere) {
    return { refusal: 'It is in a direct message of somebody else’s, which you cannot open.' };
  }
  const link = connector?.linkTo?.(place) ?? null;
  return link === null ? { refusal: `It is on ${plain(place.connector)}, which gives no links.` } : { link };
}
