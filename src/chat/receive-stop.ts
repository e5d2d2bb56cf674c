import { NotFoundError } from '../errors.ts';
import { appendOnce } from '../session/append-once.ts';
import type { Actor } from '../session/event.ts';
import type { LaneSession, SessionLog, SessionRef } from '../session/log.ts';
import { isActive } from './active.ts';
import { type ConversationStore, laneOf } from './conversation-store.ts';
import { STOPS_OTHERS } from './guests.ts';
import type { InboundStop, Receipt } from './inbound.ts';
import type { KeptInbound, Target } from './inbound-document.ts';
import { loggedEventId } from './inbound-keys.ts';
import type { InboundStore } from './inbound-store.ts';
import { actorIdOf, type Roles } from './roles.ts';
import type { ChatSession, SessionDirectory } from './session-directory.ts';

export interface ReceiveStopDeps {
  log: SessionLog;
  inbound: InboundStore;
  conversations: ConversationStore;
  directory: Pick<SessionDirectory, 'find'>;
  roles: Pick<Roles, 'roleOf'>;
  received(session: LaneSession): void;
}

/** Said of what is put off, where it is ended. */
export const NOT_GIVEN = 'What was still waiting for its files is not given to the agent any more.';

/**
 * Stop whatever runs or waits in this conversation, what is put off of it included, as far as this person may. Who sees an agent
 * go wrong must not have to look for whoever began it: all but guests may, who stop what they began themselves.
 */
export async function receiveStop(deps: ReceiveStopDeps, kept: KeptInbound, stop: InboundStop): Promise<Receipt> {
  const lane = laneOf(stop.conversation);
  const { theirs, others } = await sessionsHere(deps, stop);
  // A message that is put off has its session: where all are theirs, so is all that is put off.
  const putOff = others.length === 0 ? [stop] : theirs;
  let ended = 0;
  for (const of of putOff) ended += await deps.inbound.endPutOff(of);
  const words = ended > 0 ? [NOT_GIVEN] : [];
  const found = kept.targets ?? (await active(deps, theirs));
  if (found.length === 0) {
    const foreign = await active(deps, others);
    if (foreign.length > 0) return { effect: 'refused', text: [STOPS_OTHERS, ...words].join(' ') };
    return { effect: 'refused', text: ['Nothing is running here.', ...words].join(' '), at_rest: true };
  }
  const by = { via: stop.conversation.connector, id: stop.person.id, name: stop.person.name };
  const stopped = await stopSessions(
    deps,
    kept,
    found.map((target) => ({ target, lane })),
    by,
  );
  if (stopped === 0) return { effect: 'refused', text: ['It is stopping already.', ...words].join(' ') };
  return { effect: 'accepted', text: words[0] ?? null };
}

/** Interrupt these sessions, each once however often this is repeated; returns how many were not stopping already. */
export async function stopSessions(
  deps: Pick<ReceiveStopDeps, 'log' | 'inbound' | 'received'>,
  kept: KeptInbound,
  found: ReadonlyArray<{ target: Target; lane: string }>,
  by: Actor,
): Promise<number> {
  const targets =
    kept.targets ??
    (await deps.inbound.target(
      kept,
      found.map(({ target }) => target),
    ));
  let stopped = 0;
  for (const { after_seq, ...ref } of targets) {
    const id = loggedEventId(kept.inbound, ref.session_id);
    if (kept.targets === null && (await isStopping(deps, ref))) continue;
    await appendOnce(deps.log, ref, {
      after_seq,
      entries: [
        {
          event: { id, type: 'user.interrupt', processed_at: null },
          by,
        },
      ],
      isThere: (entry) => entry.event.id === id,
      owed: true,
    });
    const lane = found.find(({ target }) => target.session_id === ref.session_id)?.lane ?? '';
    deps.received({ ...ref, lane });
    stopped += 1;
  }
  return stopped;
}

/** The sessions of this conversation that this person may stop, and the others. */
async function sessionsHere(
  deps: ReceiveStopDeps,
  { conversation: place, person }: InboundStop,
): Promise<{ theirs: ChatSession[]; others: ChatSession[] }> {
  const conversation = await deps.conversations.findByKey(place);
  if (conversation === null) return { theirs: [], others: [] };
  const { workspace_id } = conversation;
  const actor_id = actorIdOf(place.connector, person);
  const role = await deps.roles.roleOf(workspace_id, { actor_id, guest: person.guest === true });
  const found = await Promise.all(
    Object.values(conversation.sessions).map(({ session_id }) => deps.directory.find({ workspace_id, session_id })),
  );
  // Null: deleted, or reserved and not made.
  const sessions = found.filter((session) => session !== null);
  const isTheirs = ({ started_by }: ChatSession) => role !== 'guest' || started_by === actor_id;
  return { theirs: sessions.filter(isTheirs), others: sessions.filter((session) => !isTheirs(session)) };
}

async function active(deps: Pick<ReceiveStopDeps, 'log'>, sessions: readonly SessionRef[]): Promise<Target[]> {
  const targets: Target[] = [];
  for (const { workspace_id, session_id } of sessions) {
    const ref = { workspace_id, session_id };
    try {
      const head = await deps.log.head(ref);
      if (isActive(head)) targets.push({ ...ref, after_seq: head.seq });
    } catch (error) {
      // Deleted meanwhile.
      if (!(error instanceof NotFoundError)) throw error;
    }
  }
  return targets;
}

/** An earlier Stop has not been answered yet. */
async function isStopping(deps: Pick<ReceiveStopDeps, 'log'>, ref: SessionRef): Promise<boolean> {
  const [last] = await deps.log.query({ ...ref, types: ['user.interrupt'], order: 'desc', limit: 1 });
  return last?.event.type === 'user.interrupt' && (last.event.processed_at ?? null) === null;
}
