import { LRUCache } from 'lru-cache';
import type { Collection, Db } from 'mongodb';

interface StoredUpload {
  /** The delivery's id. */
  _id: string;
  /** One of each attempt. */
  file_ids: string[];
  at: Date;
}

/**
 * What Slack calls the files of a delivery. A file's message carries no metadata and its name is for people; but its id is
 * known before anybody sees it. On record by then, whoever looks for the delivery later finds it by that.
 */
export interface Uploads {
  createIndexes(): Promise<void>;
  /** It is about to be shown. Resolves when that is kept. */
  begun(deliveryId: string, fileId: string): Promise<void>;
  of(deliveryId: string): Promise<ReadonlySet<string>>;
}

const MOST = 1_000;
/** Nobody looks for a delivery that was tried so long ago. */
const KEPT_SECONDS = 30 * 86_400;

/** @param db null: nothing outlives this process */
export function createUploads(db: Db | null): Uploads {
  const uploads: Collection<StoredUpload> | undefined = db?.collection('slack_uploads', {
    writeConcern: { w: 'majority', journal: true },
  });
  const known = new LRUCache<string, ReadonlySet<string>>({ max: MOST });

  return {
    async createIndexes() {
      await uploads?.createIndex({ at: 1 }, { expireAfterSeconds: KEPT_SECONDS });
    },

    async begun(deliveryId, fileId) {
      const change = { $addToSet: { file_ids: fileId }, $set: { at: new Date() } };
      await uploads?.updateOne({ _id: deliveryId }, change, { upsert: true });
      known.set(deliveryId, new Set([...(known.get(deliveryId) ?? []), fileId]));
    },

    async of(deliveryId) {
      const stored = await uploads?.findOne({ _id: deliveryId });
      return new Set([...(known.get(deliveryId) ?? []), ...(stored?.file_ids ?? [])]);
    },
  };
}
