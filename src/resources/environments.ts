import type { BetaEnvironment } from '@anthropic-ai/sdk/resources/beta/environments/environments';
import type { Collection, Db } from 'mongodb';
import { ConflictError, InvalidInputError, NotFoundError } from '../errors.ts';
import { isDuplicate } from '../session/duplicate.ts';
import { newId } from '../session/id.ts';
import {
  type EnvironmentConfig,
  type EnvironmentCreate,
  type EnvironmentUpdate,
  resolveConfig,
  workspaceLimitsOf,
} from './environment-config.ts';
import { type Metadata, patchMetadata } from './metadata.ts';
import { type PageOf, type PageRequest, readPage } from './page.ts';
import { isGiven } from './parse.ts';

export interface EnvironmentDocument {
  _id: string;
  workspace_id: string;
  name: string;
  description: string | null;
  config: EnvironmentConfig;
  metadata: Metadata;
  created_at: Date;
  updated_at: Date;
  archived_at: Date | null;
}

/** How sandboxes are made: networking and limits. */
export interface Environments {
  /** `id` is for environments that must exist once. @throws InvalidInputError, ConflictError when `id` is taken */
  create(workspace_id: string, params: EnvironmentCreate, id?: string): Promise<EnvironmentDocument>;
  /** @throws NotFoundError */
  get(workspace_id: string, id: string): Promise<EnvironmentDocument>;
  list(
    workspace_id: string,
    request: PageRequest & { include_archived?: boolean },
  ): Promise<PageOf<EnvironmentDocument>>;
  /** @throws NotFoundError, InvalidInputError */
  update(workspace_id: string, id: string, params: EnvironmentUpdate): Promise<EnvironmentDocument>;
  /** No new session; those that have it go on. @throws NotFoundError */
  archive(workspace_id: string, id: string): Promise<EnvironmentDocument>;
  /** @throws NotFoundError, ConflictError while a session refers to it */
  remove(workspace_id: string, id: string): Promise<void>;
}

const MAX_TRIES = 20;

export function createEnvironments(db: Db): Environments {
  const environments: Collection<EnvironmentDocument> = db.collection('environments');

  async function get(workspace_id: string, id: string): Promise<EnvironmentDocument> {
    const found = await environments.findOne({ _id: id, workspace_id });
    if (found === null) throw new NotFoundError('Environment', id);
    return found;
  }

  return {
    async create(workspace_id, params, id = newId('env')) {
      const now = new Date();
      const document: EnvironmentDocument = {
        _id: id,
        workspace_id,
        name: params.name,
        description: params.description ?? null,
        config: resolveConfig(params.config),
        metadata: params.metadata ?? {},
        created_at: now,
        updated_at: now,
        archived_at: null,
      };
      workspaceLimitsOf(document);
      try {
        await environments.insertOne(document);
      } catch (error) {
        if (isDuplicate(error)) throw new ConflictError(`Environment ${id} exists already.`, { cause: error });
        throw error;
      }
      return document;
    },

    get,

    list(workspace_id, request) {
      const filter = { workspace_id, ...(request.include_archived === true ? {} : { archived_at: null }) };
      return readPage(environments, filter, request);
    },

    async update(workspace_id, id, params) {
      for (let attempt = 1; attempt <= MAX_TRIES; attempt++) {
        const before = await get(workspace_id, id);
        if (before.archived_at !== null) {
          throw new InvalidInputError(`Environment ${id} is archived.`, undefined, 'environment_archived');
        }
        const after = await environments.findOneAndUpdate(
          { _id: id, workspace_id, updated_at: before.updated_at, archived_at: null },
          { $set: changed(before, params) },
          { returnDocument: 'after' },
        );
        if (after !== null) return after;
      }
      throw new ConflictError(`Environment ${id} keeps changing; try again.`);
    },

    async archive(workspace_id, id) {
      const now = new Date();
      const archived = await environments.findOneAndUpdate(
        { _id: id, workspace_id, archived_at: null },
        { $set: { archived_at: now, updated_at: now } },
        { returnDocument: 'after' },
      );
      return archived ?? get(workspace_id, id);
    },

    async remove(workspace_id, id) {
      await get(workspace_id, id);
      const used = await db.collection('sessions').findOne({ workspace_id, environment_id: id });
      if (used !== null) {
        throw new ConflictError(
          `Environment ${id} is used by session ${String(used._id)}: delete it first, or archive.`,
        );
      }
      await environments.deleteOne({ _id: id, workspace_id });
    },
  };
}

/** As the API shows it. */
export function toEnvironment(document: EnvironmentDocument): BetaEnvironment {
  return {
    id: document._id,
    type: 'environment',
    name: document.name,
    description: document.description,
    config: document.config,
    metadata: document.metadata,
    scope: 'organization',
    created_at: document.created_at.toISOString(),
    updated_at: document.updated_at.toISOString(),
    archived_at: document.archived_at?.toISOString() ?? null,
  };
}

function changed(before: EnvironmentDocument, params: EnvironmentUpdate): Partial<EnvironmentDocument> {
  const metadata = patchMetadata(before.metadata, emptyDeletes(params.metadata ?? {}));
  workspaceLimitsOf({ metadata });
  return {
    ...(isGiven(params.name) ? { name: params.name } : {}),
    ...(params.description === undefined ? {} : { description: params.description }),
    config: resolveConfig(params.config, before.config),
    metadata,
    // Always later than before, so that it tells whether somebody else was faster.
    updated_at: new Date(Math.max(Date.now(), before.updated_at.getTime() + 1)),
  };
}

/** Unlike other resources, an environment also takes an empty string to delete a key. */
function emptyDeletes(patch: Record<string, string | null>): Record<string, string | null> {
  return Object.fromEntries(Object.entries(patch).map(([key, text]) => [key, text === '' ? null : text]));
}
