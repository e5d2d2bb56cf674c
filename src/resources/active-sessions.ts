import type { IndexDescription } from 'mongodb';
import type { SessionStatus } from '../session/event.ts';

/** Sessions that run, are about to, or wait for people in the middle of a run. Few do, however many there are. */
export const ACTIVE = {
  $or: [
    { 'log.owed': true },
    { 'log.status': { $in: ['running', 'rescheduling'] satisfies SessionStatus[] } },
    { 'log.stop_reason.type': 'requires_action' as const },
  ],
};

/** Those that somebody began in chat: who has begun thousands finds what runs for them at once. */
export const ACTIVE_OF_PERSON: IndexDescription = {
  key: { workspace_id: 1, started_by: 1, created_at: -1, _id: -1 },
  name: 'active_of_person',
  partialFilterExpression: { started_by: { $exists: true }, ...ACTIVE },
};
