import { setTimeout as sleep } from 'node:timers/promises';
import type { BetaManagedAgentsBudgetLimit } from '@anthropic-ai/sdk/resources/beta/sessions/sessions';
import type { Collection, Db, Filter } from 'mongodb';
import { ConflictError, InvalidInputError, NotFoundError } from '../errors.ts';
import { isDuplicate } from '../session/duplicate.ts';
import type { Actor, SessionStatus } from '../session/event.ts';
import { newId } from '../session/id.ts';
import type { LaneSession, SessionLog, SessionRef } from '../session/log.ts';
import { emptyLog, type LogFields } from '../session/log-document.ts';
import { refuseTooLarge } from '../session/log-update.ts';
import { ACTIVE } from './active-sessions.ts';
import type { Agents } from './agents.ts';
import { approvalPolicyOf, ownersOf } from './approval-policy.ts';
import { type ClosingDeps, createClosing } from './closing.ts';
import { createEndedSessions } from './ended-sessions.ts';
import type { Environments } from './environments.ts';
import { toInput } from './event-params.ts';
import { type PageOf, type PageRequest, readPage } from './page.ts';
import { referenceOf, type SessionCreate, type SessionUpdate, snapshotOf } from './session-config.ts';
import type { SessionDocument } from './session-document.ts';
import { createSessionUpdates, type Decision, refuseUnpriced } from './session-updates.ts';

export interface SessionDeps {
  log: Pick<SessionLog, 'append' | 'appendInputs' | 'find' | 'list'>;
  agents: Pick<Agents, 'get'>;
  environments: Pick<Environments, 'get'>;
  /** Whether a budget can be kept for this model. */
  hasListPrice(model: string): boolean;
  onWithdrawn: ClosingDeps['onWithdrawn'];
  /** After a session was archived: its sandbox is no longer needed. Must bear being called again. */
  onArchive(session: LaneSession): Promise<void>;
  /** After a session is gone: its sandbox, its approvals, its watchers. Must bear being called again. */
  onDelete(ref: SessionRef): Promise<void>;
}

/** What only Deckhand itself says about a new session. */
export interface SessionOrigin {
  /** For a session that must exist once: a second one is a ConflictError. */
  id?: string;
  conversation_id?: string;
  /** What it shares with fairly; by default all that came through its workspace's API. */
  lane?: string;
  /** Who sent the initial events. */
  by?: Actor;
  /** What has to be there before its first event; when it fails, there is no session. */
  prepare?(ref: SessionRef): Promise<void>;
}

export interface SessionList extends PageRequest {
  agent_id?: string;
  /** Only with `agent_id`. */
  agent_version?: number;
  /** Actor id. */
  started_by?: string;
  /** What it shares with fairly: a channel. */
  lane?: string;
  created?: { gt?: Date; gte?: Date; lt?: Date; lte?: Date };
  include_archived?: boolean;
  statuses?: readonly SessionStatus[];
  /** Only those that run, are about to, or wait for people in the middle of a run. */
  active?: true;
}

export interface Sessions {
  /** @throws InvalidInputError, NotFoundError (agent, environment), ConflictError (`origin.id` is taken) */
  create(workspace_id: string, params: SessionCreate, origin?: SessionOrigin): Promise<SessionDocument>;
  /** What `create` refuses of its agent, environment and budget is refused here too, and nothing made. @throws as `create` */
  check(workspace_id: string, params: SessionCreate): Promise<void>;
  /** @throws NotFoundError */
  getSession(ref: SessionRef): Promise<SessionDocument>;
  list(workspace_id: string, request: SessionList): Promise<PageOf<SessionDocument>>;
  /** @throws NotFoundError, InvalidInputError */
  update(ref: SessionRef, params: SessionUpdate): Promise<SessionDocument>;
  /** The same of a budget alone, with a word in the log of whose decision that is. @throws as `update` */
  setBudget(ref: SessionRef, budget: BetaManagedAgentsBudgetLimit, decision: Decision): Promise<SessionDocument>;
  /** Read only from here on; what it asks people is withdrawn. @throws NotFoundError, InvalidInputError while it is running */
  archive(ref: SessionRef): Promise<SessionDocument>;
  /** For good, with its log. @throws NotFoundError, InvalidInputError while it is running */
  remove(ref: SessionRef): Promise<void>;
}

type Stored = Omit<SessionDocument, 'log'> & { log: LogFields };

/** The tail of a log can weigh megabytes and is of no use outside it. */
const WITHOUT_TAIL = { 'log.tail': 0 } as const;

export function createSessions(db: Db, deps: SessionDeps): Sessions {
  const sessions: Collection<Stored> = db.collection('sessions', { writeConcern: { w: 'majority', journal: true } });

  const ended = createEndedSessions(db);

  async function getSession(ref: SessionRef): Promise<SessionDocument> {
    const found = await sessions.findOne<SessionDocument>(filterOf(ref), { projection: WITHOUT_TAIL });
    if (found === null) throw new NotFoundError('Session', ref.session_id);
    return found;
  }

  /** Of what a session is made. @throws NotFoundError, InvalidInputError */
  async function resolve(workspace_id: string, params: SessionCreate) {
    const { id: agent_id, version } = referenceOf(params.agent);
    const [agent, environment] = await Promise.all([
      deps.agents.get(workspace_id, agent_id, version),
      deps.environments.get(workspace_id, params.environment_id),
    ]);
    if (agent.archived_at !== null) throw new InvalidInputError(`agent ${agent_id} is archived`, 'agent');
    if (environment.archived_at !== null) {
      throw new InvalidInputError(`environment ${environment._id} is archived`, 'environment_id');
    }
    if (environment.config.type === 'self_hosted') {
      throw new InvalidInputError('sessions in a self_hosted environment are not supported yet', 'environment_id');
    }
    const snapshot = snapshotOf(agent, params.agent);
    if (params.budget !== undefined) refuseUnpriced(deps, snapshot.model.id);
    return { agent, environment, snapshot };
  }

  async function prepare(ref: SessionRef, origin: SessionOrigin): Promise<void> {
    try {
      await origin.prepare?.(ref);
    } catch (error) {
      await sessions.deleteOne(filterOf(ref));
      await deps.onDelete(ref);
      throw error;
    }
  }

  const change = createSessionUpdates({ ...deps, getSession });
  const close = createClosing({ ...deps, getSession });

  /** Until the conversation shows all of the log, if there is one, or for as long as that may take. */
  async function untilShown(ref: SessionRef): Promise<void> {
    for (const until = performance.now() + SHOWN_WITHIN_MS; performance.now() < until; await sleep(LOOK_EVERY_MS)) {
      const session = await getSession(ref).catch(nullIfNotFound);
      if (session === null || !session.log.in_conversation || !session.log.undelivered) return;
    }
  }

  return {
    getSession,

    async check(workspace_id, params) {
      await resolve(workspace_id, params);
    },

    async create(workspace_id, params, origin = {}) {
      const { agent, environment, snapshot } = await resolve(workspace_id, params);
      const initial = (params.initial_events ?? []).flatMap((event) =>
        event.type === 'user.message'
          ? [{ event: toInput(event), ...(origin.by === undefined ? {} : { by: origin.by }) }]
          : [],
      );
      // Before there is a session that would stay behind without them.
      refuseTooLarge(initial, 'initial_events');
      const now = new Date();
      const document: Stored = {
        _id: origin.id ?? newId('sesn'),
        workspace_id,
        agent: snapshot,
        approval_policy: approvalPolicyOf(agent.config),
        owners: ownersOf(agent.config),
        environment_id: environment._id,
        budget: params.budget ?? null,
        metadata: params.metadata ?? {},
        title: params.title ?? null,
        ...(origin.by === undefined ? {} : { started_by: `${origin.by.via}:${origin.by.id}` }),
        ...(origin.conversation_id === undefined ? {} : { conversation_id: origin.conversation_id }),
        created_at: now,
        updated_at: now,
        archived_at: null,
        log: emptyLog(origin.lane ?? workspace_id, origin.conversation_id !== undefined),
      };
      try {
        await sessions.insertOne(document);
      } catch (error) {
        if (isDuplicate(error)) throw new ConflictError(`Session ${document._id} exists already.`, { cause: error });
        throw error;
      }
      const ref = { workspace_id, session_id: document._id };
      await prepare(ref, origin);
      if (initial.length === 0) return document;
      await deps.log.appendInputs(ref, initial);
      return getSession(ref);
    },

    list(workspace_id, request) {
      const created = Object.fromEntries(Object.entries(request.created ?? {}).map(([op, at]) => [`$${op}`, at]));
      const filter: Filter<Stored> = {
        workspace_id,
        ...(request.include_archived === true ? {} : { archived_at: null }),
        ...(request.agent_id === undefined ? {} : { 'agent.id': request.agent_id }),
        ...(request.agent_id === undefined || request.agent_version === undefined
          ? {}
          : { 'agent.version': request.agent_version }),
        ...(request.started_by === undefined ? {} : { started_by: request.started_by }),
        ...(request.lane === undefined ? {} : { 'log.lane': request.lane }),
        ...(request.statuses === undefined ? {} : { 'log.status': { $in: [...request.statuses] } }),
        ...(request.active === undefined ? {} : ACTIVE),
        ...(Object.keys(created).length === 0 ? {} : { created_at: created }),
      };
      return readPage(sessions, filter, request, WITHOUT_TAIL);
    },

    update: (ref, params) => change(ref, params),

    setBudget: (ref, budget, decision) => change(ref, { budget }, { decision, event: { budget } }),

    async archive(ref) {
      const { session } = await close(ref);
      await ended.add(ref);
      await deps.onArchive({ ...ref, lane: session.log.lane });
      return session;
    },

    async remove(ref) {
      // Closed first, so that no run begins between here and there.
      const closed = await close(ref).catch(nullIfNotFound);
      // An earlier deletion may have been cut short below: it is finished now. Anybody else's session is nobody's here.
      if (closed === null && !(await ended.has(ref))) throw new NotFoundError('Session', ref.session_id);
      await ended.add(ref);
      // The cards of what was withdrawn lose their buttons while somebody still knows where they stand.
      if (closed !== null && closed.withdrawn > 0) await untilShown(ref);
      await sessions.deleteOne(filterOf(ref));
      await db.collection('session_events').deleteMany({ session_id: ref.session_id, workspace_id: ref.workspace_id });
      await deps.onDelete(ref);
      if (closed === null) throw new NotFoundError('Session', ref.session_id);
    },
  };
}

/** So long a deletion waits until the conversation shows what it withdrew. */
const SHOWN_WITHIN_MS = 5_000;
const LOOK_EVERY_MS = 100;

function filterOf(ref: SessionRef): { _id: string; workspace_id: string } {
  return { _id: ref.session_id, workspace_id: ref.workspace_id };
}

function nullIfNotFound(error: unknown): null {
  if (error instanceof NotFoundError) return null;
  throw error;
}
