import { createHash, randomBytes } from 'node:crypto';
import { InvalidStateError, type StateStore } from '@slack/oauth';
import type { Collection, Db } from 'mongodb';

/** How long somebody may take to say yes; the browser's cookie lives as long. */
export const STATE_SECONDS = 600;

interface StoredState {
  /** The hash of the state: whoever reads the database cannot use it. */
  _id: string;
  scopes: string[];
  expires_at: Date;
}

export interface InstallStates extends StateStore {
  createIndexes(): Promise<void>;
}

/** The states of installations that were begun: each is good once, whichever gateway it comes back to. */
export function createInstallStates(db: Db): InstallStates {
  const states: Collection<StoredState> = db.collection('slack_install_states', {
    writeConcern: { w: 'majority', journal: true },
  });

  return {
    async createIndexes() {
      await states.createIndex({ expires_at: 1 }, { expireAfterSeconds: 0 });
    },
    async generateStateParam({ scopes }, now) {
      const state = randomBytes(32).toString('base64url');
      await states.insertOne({
        _id: hashOf(state),
        scopes: [scopes].flat(),
        expires_at: new Date(now.getTime() + STATE_SECONDS * 1_000),
      });
      return state;
    },
    async verifyStateParam(now, state) {
      const found = await states.findOneAndDelete({ _id: hashOf(state) });
      if (found === null || found.expires_at <= now) {
        throw new InvalidStateError('The state is not known, was used before, or is too old');
      }
      return { scopes: found.scopes };
    },
  };
}

function hashOf(state: string): string {
  return createHash('sha256').update(state).digest('hex');
}
