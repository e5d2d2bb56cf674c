import { Binary, type Collection, type Db } from 'mongodb';

/**
 * The bytes of files, cut into documents as GridFS does it, but without the driver's bucket: that reads 16 MB at a time,
 * and its own record of a file could disagree with ours.
 */
export interface FileChunks {
  /** The next chunk, at most CHUNK_BYTES. Resolves when it is journaled. */
  write(file_id: string, n: number, bytes: Uint8Array): Promise<void>;
  /** In order; never more than two chunks in memory. */
  read(file_id: string): AsyncGenerator<Uint8Array>;
  erase(file_id: string): Promise<void>;
}

export const CHUNK_BYTES = 1024 * 1024;
const READ_AHEAD = 2;

interface ChunkDocument {
  file_id: string;
  n: number;
  data: Binary;
}

const CHUNKS = 'file_chunks';

export async function createChunkIndexes(db: Db): Promise<void> {
  await db.collection(CHUNKS).createIndexes([{ key: { file_id: 1, n: 1 }, unique: true }]);
}

export function createFileChunks(db: Db): FileChunks {
  const chunks: Collection<ChunkDocument> = db.collection(CHUNKS, { writeConcern: { w: 'majority', journal: true } });
  return {
    async write(file_id, n, bytes) {
      await chunks.insertOne({ file_id, n, data: new Binary(bytes) });
    },
    async *read(file_id) {
      const found = chunks.find({ file_id }, { projection: { data: 1 }, sort: { n: 1 }, batchSize: READ_AHEAD });
      for await (const { data } of found) yield data.buffer.subarray(0, data.position);
    },
    async erase(file_id) {
      await chunks.deleteMany({ file_id });
    },
  };
}

/** The same bytes in pieces of CHUNK_BYTES; the last one may be smaller. */
export async function* inChunks(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let waiting: Uint8Array[] = [];
  let size = 0;
  for await (const piece of content) {
    for (let at = 0; at < piece.length; ) {
      const part = piece.subarray(at, at + CHUNK_BYTES - size);
      waiting.push(part);
      size += part.length;
      at += part.length;
      if (size < CHUNK_BYTES) continue;
      yield Buffer.concat(waiting);
      waiting = [];
      size = 0;
    }
  }
  if (size > 0) yield Buffer.concat(waiting);
}
