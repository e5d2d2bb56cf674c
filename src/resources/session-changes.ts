import { isDeepStrictEqual } from 'node:util';
import type { BetaManagedAgentsBudgetLimit } from '@anthropic-ai/sdk/resources/beta/sessions/sessions';
import { InvalidInputError } from '../errors.ts';
import type { EventOf } from '../session/event.ts';
import { patchMetadata } from './metadata.ts';
import { isGiven } from './parse.ts';
import { type SessionUpdate, withTools } from './session-config.ts';
import type { SessionDocument } from './session-document.ts';

/** What an update does to a session. */
export interface SessionChanges {
  set: Partial<Pick<SessionDocument, 'agent' | 'budget' | 'metadata' | 'title'>>;
  /** What the log is told: only what changed. */
  event: Omit<EventOf<'session.updated'>, 'id' | 'type' | 'processed_at'>;
}

/** The changes that an update asks for; null when it asks for nothing new. @throws InvalidInputError */
export function changesOf(session: SessionDocument, params: SessionUpdate): SessionChanges | null {
  if (session.archived_at !== null) {
    throw new InvalidInputError(`Session ${session._id} is archived and can no longer change.`);
  }
  const changes: SessionChanges = { set: {}, event: {} };
  if (params.title !== undefined && params.title !== session.title) {
    changes.set.title = params.title;
    changes.event.title = params.title;
  }
  changeMetadata(changes, session, params.metadata);
  changeAgent(changes, session, params.agent);
  changeBudget(changes, session, params.budget);
  return Object.keys(changes.set).length === 0 ? null : changes;
}

function changeMetadata(changes: SessionChanges, session: SessionDocument, patch: SessionUpdate['metadata']): void {
  if (!isGiven(patch)) return;
  const metadata = patchMetadata(session.metadata, patch);
  if (isDeepStrictEqual(metadata, session.metadata)) return;
  changes.set.metadata = metadata;
  if (Object.keys(metadata).length > 0) changes.event.metadata = metadata;
}

function changeAgent(changes: SessionChanges, session: SessionDocument, params: SessionUpdate['agent']): void {
  if (params === undefined) return;
  const agent = withTools(session.agent, params);
  if (isDeepStrictEqual(agent, session.agent)) return;
  if (session.log.status !== 'idle') {
    throw new InvalidInputError(`can only change while the session is idle; it is ${session.log.status}`, 'agent');
  }
  changes.set.agent = agent;
  changes.event.agent = agent;
}

function changeBudget(
  changes: SessionChanges,
  session: SessionDocument,
  budget: BetaManagedAgentsBudgetLimit | null | undefined,
): void {
  if (budget === undefined || isDeepStrictEqual(budget, session.budget)) return;
  if (session.log.status === 'terminated') throw new InvalidInputError('the session is terminated', 'budget');
  if (session.budget === null) {
    throw new InvalidInputError(
      'can only be set when the session is created, and not again once removed',
      'budget',
      'budget_create_only',
    );
  }
  const spent = session.log.usage?.list_cost?.amount ?? '0';
  if (budget !== null && BigInt(budget.max_list_cost.amount) <= BigInt(spent)) {
    throw new InvalidInputError(
      `must be above the ${spent} cents that the session has already cost`,
      'budget.max_list_cost.amount',
      'budget_not_raised',
    );
  }
  changes.set.budget = budget;
  changes.event.budget = budget;
}
