import { BSON, type Document } from 'mongodb';
import type { Wire } from './wire.ts';

/** A command as MongoDB gets it: `{update: 'sessions', updates: […]}` is an `update` on `sessions`. */
export interface MongoCommand {
  name: string;
  /** Empty for a command on no collection. */
  collection: string;
  database: string;
  /** The whole command, whatever sections it came in. */
  body: Document;
}

/** MongoDB's wire protocol: https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/ */
const OP_MSG = 2013;
const HEADER_BYTES = 16;
const FLAGS_BYTES = 4;
const CHECKSUM_PRESENT = 1;
const CHECKSUM_BYTES = 4;

export function mongoWire(): Wire<MongoCommand> {
  const size = (bytes: Buffer) => (bytes.length < 4 ? null : bytes.readInt32LE(0));
  return {
    requestSize: size,
    answerSize: size,
    // The driver greets with an older message; every command after that is an OP_MSG.
    asked: (request) => (request.readInt32LE(12) === OP_MSG ? request.readInt32LE(4) : null),
    commandOf,
    answered: (answer) => answer.readInt32LE(8),
  };
}

/** Whether this answer says that its command wrote something, or changed what it found. */
export function hadEffect(answer: Buffer): boolean {
  const { value, lastErrorObject, n, nModified, upserted } = bodyOf(answer);
  if (lastErrorObject !== undefined) return lastErrorObject.n > 0 || value != null;
  if (nModified !== undefined) return nModified > 0 || upserted !== undefined;
  return n > 0;
}

function commandOf(message: Buffer): MongoCommand {
  const body = bodyOf(message);
  const [name = ''] = Object.keys(body);
  const { [name]: target, $db: database } = body;
  return { name, collection: typeof target === 'string' ? target : '', database: String(database), body };
}

/** What a message says, whatever sections it comes in. */
function bodyOf(message: Buffer): Document {
  const checksum = (message.readUInt32LE(HEADER_BYTES) & CHECKSUM_PRESENT) !== 0;
  const end = message.length - (checksum ? CHECKSUM_BYTES : 0);
  let body: Document = {};
  const lists: Document = {};
  let at = HEADER_BYTES + FLAGS_BYTES;
  while (at < end) {
    const kind = message.readUInt8(at);
    const size = message.readInt32LE(at + 1);
    const section = message.subarray(at + 1, at + 1 + size);
    if (kind === 0) body = BSON.deserialize(section);
    else Object.assign(lists, listOf(section));
    at += 1 + size;
  }
  return { ...body, ...lists };
}

/** A list that came in a section of its own: its size, its name, and its documents one after another. */
function listOf(section: Buffer): Document {
  const nameEnd = section.indexOf(0, 4);
  const documents: Document[] = [];
  for (let at = nameEnd + 1; at < section.length; at += section.readInt32LE(at)) {
    documents.push(BSON.deserialize(section.subarray(at, at + section.readInt32LE(at))));
  }
  return { [section.toString('utf8', 4, nameEnd)]: documents };
}
