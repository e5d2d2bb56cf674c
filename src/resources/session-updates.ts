import { InvalidInputError, LogMovedError, SessionClosedError } from '../errors.ts';
import type { Actor, EventOf } from '../session/event.ts';
import { newId } from '../session/id.ts';
import type { SessionLog, SessionRef } from '../session/log.ts';
import { isGiven } from './parse.ts';
import { changesOf, type SessionChanges } from './session-changes.ts';
import type { SessionUpdate } from './session-config.ts';
import type { SessionDocument } from './session-document.ts';

/** A person's change. Its event has this id: however often it is made, it is made and told once. */
export interface Decision {
  event_id: string;
  by: Actor;
}

export interface SessionUpdateDeps {
  log: Pick<SessionLog, 'append' | 'find'>;
  getSession(ref: SessionRef): Promise<SessionDocument>;
  /** Whether a budget can be kept for this model. */
  hasListPrice(model: string): boolean;
}

/**
 * Changes of a session itself. Each is one append that also sets the session's fields, behind what was read: so the log tells
 * every change, in the order in which they were made, and what it tells last is what holds.
 */
export function createSessionUpdates(deps: SessionUpdateDeps) {
  /**
   * @param told whose decision it is, and what the log is told of it also where nothing is left to change
   * @throws NotFoundError, InvalidInputError
   */
  return async function change(
    ref: SessionRef,
    params: SessionUpdate,
    told?: { decision: Decision; event: SessionChanges['event'] },
  ): Promise<SessionDocument> {
    for (;;) {
      const before = await deps.getSession(ref);
      // Others may have decided something else since: that holds.
      if (told !== undefined && (await deps.log.find(ref, [told.decision.event_id])).length > 0) return before;
      const changes = changesOf(before, params);
      if (changes === null && told === undefined) return before;
      const changed = changes?.event ?? told?.event ?? {};
      if (isGiven(changes?.event.budget)) refuseUnpriced(deps, before.agent.model.id);
      const event: EventOf<'session.updated'> = {
        ...changed,
        id: told?.decision.event_id ?? newId('sevt'),
        type: 'session.updated',
        processed_at: new Date().toISOString(),
      };
      const updated_at = new Date(Math.max(Date.now(), before.updated_at.getTime() + 1));
      // A run that stopped for its budget may go on now.
      const open = !before.log.closed;
      const goesOn = open && changed.budget !== undefined && before.log.stop_reason?.type === 'budget_reached';
      try {
        await deps.log.append({
          ...ref,
          after: before.log.seq,
          entries: [{ event, ...(told !== undefined && { by: told.decision.by }) }],
          open,
          ...(changes !== null && { set: { ...changes.set, updated_at } }),
          ...(goesOn && { owed: true }),
        });
      } catch (error) {
        if (error instanceof LogMovedError || error instanceof SessionClosedError) continue;
        throw error;
      }
      return deps.getSession(ref);
    }
  };
}

export function refuseUnpriced(deps: Pick<SessionUpdateDeps, 'hasListPrice'>, model: string): void {
  if (deps.hasListPrice(model)) return;
  const message = `the model ${model} has no list price, so a budget could not be kept`;
  throw new InvalidInputError(message, 'budget', 'model_not_budgetable');
}
