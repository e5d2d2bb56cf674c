import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { MongoClient } from 'mongodb';
import { DeckhandError, messageOf } from './errors.ts';

/** How often a MongoDB that is away is looked for: so much later at most is it noticed that it is back. */
const HEARTBEAT_MS = 1_000;
/** How long a connection may take to stand: MongoDB's own default for its monitors. */
const CONNECT_MS = 10_000;

/** What the driver's class of connections has besides its published types, in 7.8 and 7.9. */
interface DriverConnection {
  socket: Socket;
  /** Every end of a connection comes through here, once or more, and leaves the connection with an error. */
  cleanup(error: Error): void;
}

/** The one client of this process, not connected yet: journaled writes, quick to notice that MongoDB is back. */
export function createMongoClient(uri: string): MongoClient {
  endWaitsOfBrokenConnections();
  return new MongoClient(uri, {
    ignoreUndefined: true,
    appName: 'deckhand',
    heartbeatFrequencyMS: HEARTBEAT_MS,
    connectTimeoutMS: CONNECT_MS,
    // Acknowledged means journaled, wherever nothing else is said.
    writeConcern: { w: 'majority', journal: true },
  });
}

/** What a start that needs MongoDB fails with. */
export function mongodbUnreachable(cause: unknown): DeckhandError {
  return new DeckhandError('mongodb_unreachable', `MongoDB cannot be reached or used: ${messageOf(cause)}.`, {
    cause,
    remedy: 'Check MONGODB_URI and that MongoDB runs, or leave MONGODB_URI out for the embedded one.',
  });
}

let ended = false;

/**
 * Mend the driver: a command that is written in the moment between a socket's end and its `close` waits for the socket to
 * drain, which never happens, and no timeout covers it. Its caller waits for ever: a turn with its lease renewed beside it,
 * or the driver's monitor, after which this process never looks for MongoDB again. When a connection is cleaned up, all that
 * wait are woken, and find the connection's error; a command that comes later finds it at once.
 */
function endWaitsOfBrokenConnections(): void {
  if (ended) return;
  const { prototype } = driverConnection();
  const { cleanup } = prototype;
  prototype.cleanup = function (error) {
    cleanup.call(this, error);
    this.socket.write = () => true;
    this.socket.emit('drain');
  };
  ended = true;
}

function driverConnection(): { prototype: DriverConnection } {
  const loaded: { Connection?: { prototype?: Partial<DriverConnection> } } = createRequire(import.meta.url)(
    'mongodb/lib/cmap/connection.js',
  );
  const prototype = loaded.Connection?.prototype;
  if (typeof prototype?.cleanup !== 'function') {
    throw new DeckhandError('mongodb_driver', 'This version of the MongoDB driver is not one that Deckhand knows.', {
      remedy: 'Install the versions that package-lock.json names: npm ci.',
    });
  }
  return { prototype: prototype as DriverConnection };
}
