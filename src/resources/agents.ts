import { isDeepStrictEqual } from 'node:util';
import type { BetaManagedAgentsAgent } from '@anthropic-ai/sdk/resources/beta/agents/agents';
import type { Collection, Db } from 'mongodb';
import { ConflictError, InvalidInputError, NotFoundError } from '../errors.ts';
import { isDuplicate } from '../session/duplicate.ts';
import { newId } from '../session/id.ts';
import { type AgentConfig, type AgentCreate, type AgentUpdate, configAfter, configFrom } from './agent-config.ts';
import { DEFAULT_LIMIT, type PageOf, type PageRequest, readPage } from './page.ts';

export interface AgentDocument {
  _id: string;
  workspace_id: string;
  version: number;
  config: AgentConfig;
  created_at: Date;
  updated_at: Date;
  archived_at: Date | null;
}

/** A version that is no longer the current one. */
interface PastVersion {
  _id: string;
  workspace_id: string;
  agent_id: string;
  version: number;
  config: AgentConfig;
  updated_at: Date;
}

export interface AgentList extends PageRequest {
  include_archived?: boolean;
  created?: { gte?: Date; lte?: Date };
}

/**
 * Agents and their versions. The current version stands in `agents`; before it is replaced it is copied to
 * `agent_versions`, so every version that a session may be pinned to can be read at any moment.
 */
export interface Agents {
  /** `id` is for agents that must exist once. @throws InvalidInputError, ConflictError when `id` is taken */
  create(workspace_id: string, params: AgentCreate, id?: string): Promise<AgentDocument>;
  /** Absent `version`: the current one. @throws NotFoundError */
  get(workspace_id: string, id: string, version?: number): Promise<AgentDocument>;
  /** A change of nothing leaves the version. @throws NotFoundError, ConflictError (stale `version`), InvalidInputError */
  update(workspace_id: string, id: string, params: AgentUpdate): Promise<AgentDocument>;
  list(workspace_id: string, request: AgentList): Promise<PageOf<AgentDocument>>;
  /** Newest first. @throws NotFoundError */
  listVersions(workspace_id: string, id: string, request: PageRequest): Promise<PageOf<AgentDocument>>;
  /** For good: no new session and no update. Sessions that have it go on. @throws NotFoundError */
  archive(workspace_id: string, id: string): Promise<AgentDocument>;
}

/** How often an update without a `version` re-reads an agent that others change. */
const MAX_TRIES = 20;

export function createAgents(db: Db): Agents {
  const agents: Collection<AgentDocument> = db.collection('agents');
  const past: Collection<PastVersion> = db.collection('agent_versions');

  async function current(workspace_id: string, id: string): Promise<AgentDocument> {
    const found = await agents.findOne({ _id: id, workspace_id });
    if (found === null) throw new NotFoundError('Agent', id);
    return found;
  }

  /** A version never changes, so whoever copied it first copied the same. */
  async function keepVersion(document: AgentDocument): Promise<void> {
    const { _id: agent_id, workspace_id, version, config, updated_at } = document;
    try {
      await past.insertOne({ _id: `${agent_id}:${version}`, workspace_id, agent_id, version, config, updated_at });
    } catch (error) {
      if (!isDuplicate(error)) throw error;
    }
  }

  /** Null: somebody else changed the agent meanwhile. */
  async function tryUpdate(workspace_id: string, id: string, params: AgentUpdate): Promise<AgentDocument | null> {
    const before = await current(workspace_id, id);
    if (params.version !== undefined && params.version !== before.version) {
      throw new ConflictError(
        `Agent ${id} is at version ${before.version}, not ${params.version}: read it again and repeat the change.`,
      );
    }
    if (before.archived_at !== null) throw new InvalidInputError(`Agent ${id} is archived and can no longer change.`);
    const config = configAfter(before.config, params);
    if (isDeepStrictEqual(config, before.config)) return before;
    await keepVersion(before);
    return agents.findOneAndUpdate(
      { _id: id, workspace_id, version: before.version, archived_at: null },
      { $set: { config, version: before.version + 1, updated_at: new Date() } },
      { returnDocument: 'after' },
    );
  }

  return {
    async create(workspace_id, params, id = newId('agent')) {
      const now = new Date();
      const document: AgentDocument = {
        _id: id,
        workspace_id,
        version: 1,
        config: configFrom(params),
        created_at: now,
        updated_at: now,
        archived_at: null,
      };
      try {
        await agents.insertOne(document);
      } catch (error) {
        if (isDuplicate(error)) throw new ConflictError(`Agent ${id} exists already.`, { cause: error });
        throw error;
      }
      return document;
    },

    async get(workspace_id, id, version) {
      const head = await current(workspace_id, id);
      if (version === undefined || version === head.version) return head;
      const found = await past.findOne({ _id: `${id}:${version}`, workspace_id });
      if (found === null) throw new NotFoundError(`Version ${version} of agent`, id);
      return asVersion(head, found);
    },

    async update(workspace_id, id, params) {
      for (let attempt = 1; attempt <= MAX_TRIES; attempt++) {
        const updated = await tryUpdate(workspace_id, id, params);
        if (updated !== null) return updated;
      }
      throw new ConflictError(`Agent ${id} keeps changing; try again.`);
    },

    list(workspace_id, request) {
      const { gte, lte } = request.created ?? {};
      const created = { ...(gte === undefined ? {} : { $gte: gte }), ...(lte === undefined ? {} : { $lte: lte }) };
      return readPage(
        agents,
        {
          workspace_id,
          ...(request.include_archived === true ? {} : { archived_at: null }),
          ...(Object.keys(created).length === 0 ? {} : { created_at: created }),
        },
        request,
      );
    },

    async listVersions(workspace_id, id, request) {
      const head = await current(workspace_id, id);
      const limit = request.limit ?? DEFAULT_LIMIT;
      const below = request.page === undefined ? head.version + 1 : versionCursor(request.page);
      const items = below > head.version ? [head] : [];
      const found = await past
        .find({ workspace_id, agent_id: id, version: { $lt: Math.min(below, head.version) } })
        .sort({ version: -1 })
        .limit(limit + 1 - items.length)
        .toArray();
      items.push(...found.map((one) => asVersion(head, one)));
      const page = items.slice(0, limit);
      const last = page.at(-1);
      return {
        items: page,
        next_page: items.length > limit && last !== undefined ? `v${last.version}` : null,
        prev_page: null,
      };
    },

    async archive(workspace_id, id) {
      const now = new Date();
      const archived = await agents.findOneAndUpdate(
        { _id: id, workspace_id, archived_at: null },
        { $set: { archived_at: now, updated_at: now } },
        { returnDocument: 'after' },
      );
      return archived ?? current(workspace_id, id);
    },
  };
}

/** As the API shows it. */
export function toAgent(document: AgentDocument): BetaManagedAgentsAgent {
  return {
    id: document._id,
    type: 'agent',
    ...document.config,
    version: document.version,
    created_at: document.created_at.toISOString(),
    updated_at: document.updated_at.toISOString(),
    archived_at: document.archived_at?.toISOString() ?? null,
  };
}

function asVersion(head: AgentDocument, version: PastVersion): AgentDocument {
  return { ...head, version: version.version, config: version.config, updated_at: version.updated_at };
}

function versionCursor(page: string): number {
  const digits = /^v(\d{1,15})$/.exec(page)?.[1];
  if (digits === undefined) throw new InvalidInputError('is not a page of this list; start again without it', 'page');
  return Number(digits);
}
