import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { DeckhandError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { findProgram } from './program.ts';
import { makeRuntimeDir } from './runtime-dir.ts';
import { spawnTethered } from './tethered-process.ts';

export interface EmbeddedRedisOptions {
  /** Deckhand's data directory; Redis keeps its append-only file in `redis/` below it. */
  data_dir: string;
  logger: Logger;
  /** Where the private Unix socket goes; default `run/redis` below the data directory. Made, and emptied first. */
  runtime_dir?: string;
}

export interface EmbeddedRedis {
  /** For ioredis and BullMQ: `redis://localhost/?path=<socket>`. */
  url: string;
  /** Writes what is buffered and ends the process. Safe to call twice. */
  close(): Promise<void>;
  describe(): string;
}

/** No Redis could be started. `remedy` says what to do. */
export class EmbeddedRedisError extends DeckhandError {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super('embedded_redis', message, {
      ...options,
      remedy: 'Install redis-server (Debian: apt install redis-server), or set REDIS_URL to a Redis of yours.',
    });
  }
}

/** An empty server answers in 10 ms; a large append-only file takes a second per few hundred megabytes. */
const START_TIMEOUT_MS = 60_000;
/** How long a predecessor that lost its parent may take to let go of its files. */
const PREDECESSOR_WAIT_MS = 15_000;
const POLL_MS = 20;

/**
 * Serve a private Redis on a Unix socket with its data below the data directory, from a configuration of our own.
 * It ends with this process, however this process ends.
 * @throws {EmbeddedRedisError}
 */
export async function startEmbeddedRedis(options: EmbeddedRedisOptions): Promise<EmbeddedRedis> {
  const program = (await findProgram('redis-server')) ?? (await findProgram('valkey-server'));
  if (program === null) throw new EmbeddedRedisError('redis-server is not on the PATH.');

  const dataDir = join(options.data_dir, 'redis');
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  // Redis does not lock its files: two servers on one append-only file would spoil it.
  await untilRefused(join(options.runtime_dir ?? join(options.data_dir, 'run', 'redis'), 'redis.sock'));
  const runtimeDir = options.runtime_dir ?? (await makeRuntimeDir(options.data_dir, 'redis'));
  await mkdir(runtimeDir, { recursive: true, mode: 0o700 });
  const socket = join(runtimeDir, 'redis.sock');
  const config = join(runtimeDir, 'redis.conf');
  await writeFile(config, configuration(dataDir, socket), { mode: 0o600 });

  const child = await spawnTethered([program, config], { cwd: dataDir, env: { LC_ALL: 'C' } });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      log = (log + chunk).slice(-2000);
    });
  }
  const startedAt = Date.now();
  let ended: string | null = null;
  void child.ended.then((how) => {
    ended = how;
  });
  const deadline = startedAt + START_TIMEOUT_MS;
  while (!(await pings(socket))) {
    if (ended !== null || Date.now() > deadline) {
      await child.close();
      await rm(runtimeDir, { recursive: true, force: true });
      throw new EmbeddedRedisError(`redis-server did not start (${ended ?? 'no answer'}): ${log.trim()}`);
    }
    await delay(POLL_MS);
  }
  options.logger.debug({ pid: child.pid, ms: Date.now() - startedAt }, 'embedded redis is up');
  return {
    url: `redis://localhost/?path=${encodeURIComponent(socket)}`,
    async close() {
      await child.close();
      await rm(runtimeDir, { recursive: true, force: true });
    },
    describe: () => `a private redis-server with its data in ${dataDir}`,
  };
}

/** Everything that differs from Redis' built-in defaults. BullMQ asks for `noeviction`. */
function configuration(dataDir: string, socket: string): string {
  return [
    'port 0',
    `unixsocket ${quoted(socket)}`,
    'unixsocketperm 700',
    `dir ${quoted(dataDir)}`,
    'appendonly yes',
    'appendfsync everysec',
    'save ""',
    'maxmemory-policy noeviction',
    'daemonize no',
    'logfile ""',
    '',
  ].join('\n');
}

/** A path as a quoted word of redis.conf. */
function quoted(path: string): string {
  return `"${path.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

async function untilRefused(socket: string): Promise<void> {
  const deadline = Date.now() + PREDECESSOR_WAIT_MS;
  while (await accepts(socket)) {
    if (Date.now() > deadline) throw new EmbeddedRedisError(`Another redis-server is serving ${socket}.`);
    await delay(POLL_MS);
  }
}

function accepts(socket: string): Promise<boolean> {
  return exchange(socket, null).then((reply) => reply !== null);
}

/** Loading its data the server accepts, but answers `-LOADING`. */
function pings(socket: string): Promise<boolean> {
  return exchange(socket, 'PING\r\n').then((reply) => reply?.startsWith('+PONG') ?? false);
}

/** Null when nothing listens; else the first bytes answered, empty when nothing was asked. */
function exchange(path: string, question: string | null): Promise<string | null> {
  return new Promise((resolve) => {
    const connection = createConnection({ path });
    const finish = (reply: string | null) => {
      connection.destroy();
      resolve(reply);
    };
    connection.once('error', () => finish(null));
    connection.once('close', () => finish(null));
    connection.once('connect', () => {
      if (question === null) finish('');
      else connection.write(question);
    });
    connection.once('data', (chunk) => finish(chunk.toString()));
  });
}
