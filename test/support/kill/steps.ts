import type { EventType } from '../../../src/session/event.ts';
import type { MongoCommand } from '../gate/mongo-wire.ts';
import type { RedisCommand } from '../gate/redis-wire.ts';

/** The product's writes as they pass a gate: the only place of these tests that knows how they look on the wire. */

export type Step = (command: MongoCommand) => boolean;

function isWrite(command: MongoCommand, collection: string): boolean {
  return ['update', 'insert', 'findAndModify'].includes(command.name) && command.collection === collection;
}

function mentions(command: MongoCommand, words: string): boolean {
  return JSON.stringify(command.body).includes(words);
}

/** An append to a session's log that holds an event of this type. */
export function appends(type: EventType): Step {
  return (command) => isWrite(command, 'sessions') && mentions(command, `"type":"${type}"`);
}

/** A chat event is kept, before its platform is told. */
export const keepsChatEvent: Step = (command) => command.name === 'insert' && command.collection === 'inbound';

/** A chat event has to wait for its platform. */
export const putsOff: Step = (command) => isWrite(command, 'inbound') && mentions(command, '"put_off":{"times"');

/** A gateway takes a chat event that is nobody's. */
export const takesChatEvent: Step = (command) =>
  isWrite(command, 'inbound') && mentions(command, '"$lte":["$next_attempt_at"');

/** What waits for its platform is not applied any more. */
export const endsWaiting: Step = (command) => isWrite(command, 'inbound') && mentions(command, '"put_off":{"$exists"');

/** A worker becomes a session's brain. */
export const claimsSession: Step = (command) =>
  isWrite(command, 'sessions') &&
  mentions(command, '"log.lease.token"') &&
  mentions(command, '"log.lease.holder":{"$literal"');

/** Such a step of this session's. */
export function ofSession(step: Step, session_id: string): Step {
  return (command) => step(command) && mentions(command, session_id);
}

/** Bytes of a file go into the database. */
export const storesBytes: Step = (command) => isWrite(command, 'file_chunks');

/** A question gets its record, after the log has asked it. */
export const recordsQuestion: Step = (command) => isWrite(command, 'approvals') && mentions(command, '"$setOnInsert"');

/** A question that waits gets its answer, before the log is told. */
export const decides: Step = (command) => isWrite(command, 'approvals') && mentions(command, '"status":"allowed"');

/** A gateway takes a reminder that is due. */
export const claimsReminder: Step = (command) =>
  command.name === 'findAndModify' && command.collection === 'approvals' && mentions(command, '"remind_at":{"$lte"');

/** Somebody's vote is counted, before the log is told. */
export const countsVote: Step = (command) =>
  command.name === 'findAndModify' && command.collection === 'approvals' && mentions(command, '"voted_at"');

/** A gateway takes an escalation that is due. */
export const claimsEscalation: Step = (command) =>
  command.name === 'findAndModify' && command.collection === 'approvals' && mentions(command, '"escalate_at":{"$lte"');

/** A gateway settles a question that nobody answered in time, before the log is told. */
export const expires: Step = (command) => isWrite(command, 'approvals') && mentions(command, '"status":"expired"');

/** A gateway takes something to post, before it does. */
export const claimsDelivery: Step = (command) => isWrite(command, 'deliveries') && mentions(command, '"$setOnInsert"');

/** A gateway notes that something stands in the conversation. */
export const confirmsDelivery: Step = (command) =>
  isWrite(command, 'deliveries') && mentions(command, '"state":"posted"') && !mentions(command, '"$setOnInsert"');

/** A session is put into the queue, so that a worker takes it. */
export function wakesWorker({ name, args }: RedisCommand): boolean {
  return name.startsWith('EVAL') && args.some((arg) => arg.includes('"session_id"'));
}

/** One in each sweep, whether or not it finds anything: of a worker for sessions, of a gateway for reminders. */
export const looksFor: Record<'gateway' | 'worker', Step> = {
  gateway: claimsReminder,
  worker: ({ name, collection, body }) =>
    name === 'find' && collection === 'sessions' && JSON.stringify(body).includes('"log.owed":true'),
};
