import { installedWorkspaceOf } from '../connectors/slack/installation-store.ts';
import type { Config } from './config.ts';
import { DeckhandError } from './errors.ts';
import { createMongoClient, mongodbUnreachable } from './mongo-client.ts';
import { createApiKeys } from './resources/api-keys.ts';
import { DEFAULT_WORKSPACE } from './resources/defaults.ts';

/**
 * API keys of the workspace that a Slack team or organisation has, for the operator to hand over: `T0123ABCD` makes one,
 * `T0123ABCD revoke key_…` ends it.
 * @returns what to say of it; the key itself is said here and never again
 * @throws DeckhandError with a remedy
 */
export async function teamKey(config: Config, args: readonly string[]): Promise<string> {
  const [team, verb, key_id, ...more] = args;
  const isRevoked = verb === 'revoke' && key_id !== undefined && more.length === 0;
  if (team === undefined || !(verb === undefined || isRevoked)) {
    throw new DeckhandError('usage', 'It is not clear which key is meant.', {
      remedy: 'Say `key T0123ABCD` for a new one, or `key T0123ABCD revoke key_…`.',
    });
  }
  if (config.mongodb_uri === null) {
    throw new DeckhandError('usage', 'Keys are made in the database of a running Deckhand.', {
      remedy: 'Set MONGODB_URI (and MONGODB_DATABASE) as the gateways have it.',
    });
  }
  const mongo = createMongoClient(config.mongodb_uri);
  try {
    await mongo.connect().catch((cause: unknown) => {
      throw mongodbUnreachable(cause);
    });
    const db = mongo.db(config.mongodb_database);
    const workspace_id = await installedWorkspaceOf(db, team);
    if (workspace_id === null) {
      throw new DeckhandError('unknown_team', `${team} has never installed the app.`, {
        remedy: 'Somebody there opens /slack/install first (docs/slack.md).',
      });
    }
    const keys = createApiKeys(db);
    if (isRevoked) {
      await keys.revoke(workspace_id, key_id);
      return `${key_id} opens nothing any more.`;
    }
    if (workspace_id === DEFAULT_WORKSPACE) {
      throw new DeckhandError('shared_workspace', `${team} was here before it had a workspace of its own.`, {
        remedy:
          'Its key would open what everybody in the default workspace has. Whoever may have all of that is given DECKHAND_API_KEY.',
      });
    }
    const made = await keys.create(workspace_id, team);
    return `A key of ${team}'s workspace (${workspace_id}), which is shown this once: ${made.key}\nIts id, to revoke it: ${made.key_id}`;
  } finally {
    await mongo.close();
  }
}
