import type { Collection, Db, Document } from 'mongodb';
import type { Actor } from '../session/event.ts';
import type { SessionRef } from '../session/log.ts';
import {
  type Approval,
  type Decision,
  type Escalation,
  escalationDue,
  type Outcome,
  quorumOf,
  reminderDue,
  type Vote,
} from './approval.ts';
import { createUnrecordedIndex } from './unrecorded.ts';

const APPROVALS = 'approvals';

/** `voted_at`: when the latest vote came that may not be in the log yet. */
type ApprovalDocument = Approval & { voted_at?: Date };

/** Indexes that approvals need; safe to call at every start. */
export async function createApprovalIndexes(db: Db): Promise<void> {
  await db
    .collection(APPROVALS)
    .createIndexes([
      { key: { session_id: 1, tool_use_id: 1 } },
      { key: { workspace_id: 1, status: 1, requested_at: 1 } },
      { key: { remind_at: 1 }, partialFilterExpression: { status: 'pending' }, name: 'remind_due' },
      { key: { escalate_at: 1 }, partialFilterExpression: { status: 'pending' }, name: 'escalation_due' },
      { key: { expires_at: 1 }, partialFilterExpression: { status: 'pending' }, name: 'expiry_due' },
      { key: { requested_at: 1 }, partialFilterExpression: { status: 'pending' }, name: 'pending' },
      { key: { 'decision.at': 1 }, partialFilterExpression: { appended: false }, name: 'unappended' },
      { key: { voted_at: 1 }, partialFilterExpression: { voted_at: { $exists: true } }, name: 'vote_unappended' },
    ]);
  await createUnrecordedIndex(db);
  await db.collection('sessions').createIndexes([
    // Sessions that wait for people: the repair looks whether each question has its record.
    {
      key: { 'log.stop_reason.type': 1 },
      partialFilterExpression: { 'log.stop_reason.type': 'requires_action' },
      name: 'waiting',
    },
  ]);
}

/** The records of approvals. Every write is acknowledged only when journaled. */
export interface ApprovalStore {
  /** Keep a record unless there is one. */
  insert(approval: Approval): Promise<void>;
  find(workspace_id: string, approval_id: string): Promise<Approval | null>;
  findByToolUse(ref: SessionRef, tool_use_id: string): Promise<Approval | null>;
  /** Oldest first, read as they are taken. */
  pending(workspace_id: string, session_id?: string): AsyncIterable<Approval>;
  /** From pending to decided, at most once; null when somebody else was first. */
  settle(approval: Approval, outcome: Outcome, decision: Decision, appended: boolean): Promise<Approval | null>;
  /**
   * Add a vote of somebody who has none yet; the one that completes the quorum decides. Null when it is decided, or this
   * person has voted.
   */
  vote(approval: Approval, vote: Omit<Vote, 'appended'>): Promise<Approval | null>;
  /** This person's vote stands in the log, whatever the record said. */
  confirmVote(approval: Approval, vote: Omit<Vote, 'appended'>): Promise<void>;
  /** Voted before `before`, still pending, and some vote not yet in the log. */
  unappendedVotes(before: Date, limit: number): Promise<Approval[]>;
  /** What the log says, whatever the record said. */
  overrule(approval: Approval, outcome: Outcome, decision: Decision): Promise<Approval>;
  /** The decision stands in the log. */
  confirm(approval: Approval): Promise<void>;
  /** Decided before `before` and not yet in the log. */
  unappended(before: Date, limit: number): Promise<Approval[]>;
  /** Pending records whose expiry is due. */
  expired(now: Date, limit: number): Promise<Approval[]>;
  /** One pending record whose reminder is due, for this caller alone until `until`. */
  claimReminder(now: Date, until: Date): Promise<Approval | null>;
  /** The reminder stands in the log, `at` some moment; any number of times. */
  confirmReminder(approval: Approval, count: number, at: Date): Promise<void>;
  /** One pending record whose next escalation is due, for this caller alone until `until`. */
  claimEscalation(now: Date, until: Date): Promise<Approval | null>;
  /** The step stands in the log; any number of times. */
  confirmEscalation(approval: Approval, step: number, escalation: Escalation): Promise<void>;
  /** The step reached nobody: the next is due with it, unless it was asked by now. Null: it was, or all is decided. */
  markUnreached(approval: Approval, step: number): Promise<Approval | null>;
  /** Sessions with a pending record, oldest question first. */
  pendingSessions(limit: number): Promise<SessionRef[]>;
  /** A deleted session's records go with it. */
  remove(ref: SessionRef): Promise<void>;
}

export function createApprovalStore(db: Db): ApprovalStore {
  const approvals: Collection<ApprovalDocument> = db.collection(APPROVALS, {
    writeConcern: { w: 'majority', journal: true },
  });

  return {
    async insert(approval) {
      const { _id, ...rest } = approval;
      await approvals.updateOne({ _id }, { $setOnInsert: rest }, { upsert: true });
    },

    find: (workspace_id, approval_id) => approvals.findOne({ _id: approval_id, workspace_id }),

    findByToolUse: (ref, tool_use_id) =>
      approvals.findOne({ session_id: ref.session_id, tool_use_id, workspace_id: ref.workspace_id }),

    pending: (workspace_id, session_id) =>
      approvals
        .find({ workspace_id, status: 'pending', ...(session_id === undefined ? {} : { session_id }) })
        .sort({ requested_at: 1 }),

    settle: (approval, outcome, decision, appended) =>
      approvals.findOneAndUpdate(
        pendingOf(approval),
        { $set: { status: outcome, decision, appended, remind_at: null, escalate_at: null }, $unset: { voted_at: '' } },
        { returnDocument: 'after' },
      ),

    vote: (approval, vote) =>
      approvals.findOneAndUpdate({ ...pendingOf(approval), ...withoutVoteOf(vote.by) }, voteUpdate(approval, vote), {
        returnDocument: 'after',
      }),

    async confirmVote(approval, vote) {
      await approvals.updateOne(pendingOf(approval), confirmedVoteUpdate(vote));
    },

    unappendedVotes: (before, limit) =>
      approvals
        .find({ voted_at: { $exists: true, $lte: before } })
        .sort({ voted_at: 1 })
        .limit(limit)
        .toArray(),

    async overrule(approval, outcome, decision) {
      const changed = { status: outcome, decision, appended: true, remind_at: null, escalate_at: null };
      await approvals.updateOne(
        { _id: approval._id, workspace_id: approval.workspace_id },
        { $set: changed, $unset: { voted_at: '' } },
      );
      return { ...approval, ...changed };
    },

    async confirm(approval) {
      await approvals.updateOne(
        { _id: approval._id, workspace_id: approval.workspace_id },
        { $set: { appended: true } },
      );
    },

    unappended: (before, limit) =>
      approvals
        .find({ appended: false, 'decision.at': { $lte: before } })
        .sort({ 'decision.at': 1 })
        .limit(limit)
        .toArray(),

    expired: (now, limit) =>
      approvals
        .find({ status: 'pending', expires_at: { $lte: now } })
        .sort({ expires_at: 1 })
        .limit(limit)
        .toArray(),

    claimReminder: (now, until) =>
      approvals.findOneAndUpdate(
        { status: 'pending', remind_at: { $lte: now } },
        { $set: { remind_at: until } },
        { sort: { remind_at: 1 }, returnDocument: 'after' },
      ),

    async confirmReminder(approval, count, at) {
      await approvals.updateOne(
        { ...pendingOf(approval), reminded: count - 1 },
        { $set: { remind_at: reminderDue(approval, count, at), reminded: count } },
      );
    },

    claimEscalation: (now, until) =>
      approvals.findOneAndUpdate(
        { status: 'pending', escalate_at: { $lte: now } },
        { $set: { escalate_at: until } },
        { sort: { escalate_at: 1 }, returnDocument: 'after' },
      ),

    async confirmEscalation(approval, step, escalation) {
      await approvals.updateOne(
        { ...pendingOf(approval), [`escalations.${step - 1}`]: { $exists: false } },
        { $push: { escalations: escalation }, $set: { escalate_at: escalationDue(approval, step + 1) } },
      );
    },

    markUnreached(approval, step) {
      const unreached = [...new Set([...(approval.unreached ?? []), step])];
      return approvals.findOneAndUpdate(
        { ...pendingOf(approval), [`escalations.${step}`]: { $exists: false } },
        { $addToSet: { unreached: step }, $set: { escalate_at: escalationDue({ ...approval, unreached }, step + 1) } },
        { returnDocument: 'after' },
      );
    },

    async pendingSessions(limit) {
      const found = await approvals
        .find({ status: 'pending' }, { projection: { workspace_id: 1, session_id: 1 } })
        .sort({ requested_at: 1 })
        .limit(limit)
        .toArray();
      const refs = new Map(found.map(({ workspace_id, session_id }) => [session_id, { workspace_id, session_id }]));
      return [...refs.values()];
    },

    async remove(ref) {
      await approvals.deleteMany({ session_id: ref.session_id, workspace_id: ref.workspace_id });
    },
  };
}

function pendingOf({ _id, workspace_id }: Approval) {
  return { _id, workspace_id, status: 'pending' as const };
}

function withoutVoteOf({ via, id }: Actor) {
  return { votes: { $not: { $elemMatch: { 'by.via': via, 'by.id': id } } } };
}

const VOTES = { $ifNull: ['$votes', []] };

/** Add the vote; when it is the last that is needed, it also decides. */
function voteUpdate(approval: Approval, vote: Omit<Vote, 'appended'>): Document[] {
  const isLast = { $gte: [{ $size: '$votes' }, quorumOf(approval)] };
  const decision = {
    by: { $literal: vote.by },
    at: vote.at,
    reason: null,
    for_session: { $allElementsTrue: ['$votes.for_session'] },
  };
  return [
    { $set: { votes: { $concatArrays: [VOTES, [{ $literal: { ...vote, appended: false } }]] } } },
    {
      $set: {
        status: { $cond: [isLast, 'allowed', '$status'] },
        decision: { $cond: [isLast, decision, '$decision'] },
        appended: { $cond: [isLast, false, '$appended'] },
        remind_at: { $cond: [isLast, null, '$remind_at'] },
        escalate_at: { $cond: [isLast, null, { $ifNull: ['$escalate_at', null] }] },
        // The decision names all who approved.
        voted_at: { $cond: [isLast, '$$REMOVE', vote.at] },
      },
    },
  ];
}

/** Mark this person's vote as being in the log. A record that was rebuilt learns of it here. */
function confirmedVoteUpdate(vote: Omit<Vote, 'appended'>): Document[] {
  const { via, id } = vote.by;
  const isTheirs = {
    $and: [{ $eq: ['$$vote.by.via', { $literal: via }] }, { $eq: ['$$vote.by.id', { $literal: id }] }],
  };
  const isKnown = { $anyElementTrue: [{ $map: { input: VOTES, as: 'vote', in: isTheirs } }] };
  const marked = { $cond: [isTheirs, { $mergeObjects: ['$$vote', { appended: true }] }, '$$vote'] };
  return [
    {
      $set: {
        votes: {
          $cond: [
            isKnown,
            { $map: { input: VOTES, as: 'vote', in: marked } },
            { $concatArrays: [VOTES, [{ $literal: { ...vote, appended: true } }]] },
          ],
        },
      },
    },
    { $set: { voted_at: { $cond: [{ $allElementsTrue: ['$votes.appended'] }, '$$REMOVE', '$voted_at'] } } },
  ];
}
