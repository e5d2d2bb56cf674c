import { NotFoundError } from '../errors.ts';
import { appendOnce } from '../session/append-once.ts';
import type { Actor } from '../session/event.ts';
import type { LaneSession, LogHead, SessionLog, SessionRef } from '../session/log.ts';
import { type ConversationStore, laneOf } from './conversation-store.ts';
import type { InboundStop, Receipt } from './inbound.ts';
import { loggedEventId } from './inbound-keys.ts';
import type { InboundStore, KeptInbound, Target } from './inbound-store.ts';

export interface ReceiveStopDeps {
  log: SessionLog;
  inbound: InboundStore;
  conversations: ConversationStore;
  received(session: LaneSession): void;
}

/** Said of what is put off, where it is ended. */
export const NOT_GIVEN = 'What was still waiting for its files is not given to the agent any more.';

/** Stop whatever runs or waits in this conversation, what is put off of it included. */
export async function receiveStop(deps: ReceiveStopDeps, kept: KeptInbound, stop: InboundStop): Promise<Receipt> {
  const lane = laneOf(stop.conversation);
  const words = (await deps.inbound.endPutOff(stop)) > 0 ? [NOT_GIVEN] : [];
  const found = kept.targets ?? (await activeSessions(deps, stop));
  if (found.length === 0) return { effect: 'refused', text: ['Nothing is running here.', ...words].join(' ') };
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
  deps: Omit<ReceiveStopDeps, 'conversations'>,
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

async function activeSessions(deps: ReceiveStopDeps, stop: InboundStop): Promise<Target[]> {
  const conversation = await deps.conversations.findByKey(stop.conversation);
  if (conversation === null) return [];
  const targets: Target[] = [];
  for (const { session_id } of Object.values(conversation.sessions)) {
    const ref = { workspace_id: conversation.workspace_id, session_id };
    try {
      const head = await deps.log.head(ref);
      if (isActive(head)) targets.push({ ...ref, after_seq: head.seq });
    } catch (error) {
      // Deleted, or reserved and not made.
      if (!(error instanceof NotFoundError)) throw error;
    }
  }
  return targets;
}

/** It runs, is about to, or waits for people in the middle of a run. */
function isActive(head: LogHead): boolean {
  if (head.status === 'terminated') return false;
  return head.owed || head.status !== 'idle' || head.stop_reason?.type === 'requires_action';
}

/** An earlier Stop has not been answered yet. */
async function isStopping(deps: Pick<ReceiveStopDeps, 'log'>, ref: SessionRef): Promise<boolean> {
  const [last] = await deps.log.query({ ...ref, types: ['user.interrupt'], order: 'desc', limit: 1 });
  return last?.event.type === 'user.interrupt' && (last.event.processed_at ?? null) === null;
}
