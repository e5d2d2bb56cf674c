import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { MongoClient } from 'mongodb';
import { DeckhandError, messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { glibcVersion, needsNewerLoader, prepareNewerLoader } from './newer-loader.mjs';
import { findProgram } from './program.ts';
import { makeRuntimeDir } from './runtime-dir.ts';
import { spawnTethered, type TetheredProcess } from './tethered-process.ts';

export interface EmbeddedMongoOptions {
  /** Deckhand's data directory; the database lives in `mongo/` below it. */
  data_dir: string;
  logger: Logger;
  /** Where the private Unix socket goes; default `run/mongo` below the data directory. Made, and emptied first. */
  runtime_dir?: string;
  /** A mongod to run; default the one on the PATH. Null: only the embedded engine. */
  mongod?: string | null;
}

export interface EmbeddedMongo {
  /** For any driver of the same user. No sessions, transactions or change streams. */
  uri: string;
  /** Writes the last checkpoint and ends the process. Safe to call twice. */
  close(): Promise<void>;
  /** What serves the data, in words for a person. */
  describe(): string;
}

/** No database could be started. `remedy` says what to do. */
export class EmbeddedMongoError extends DeckhandError {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super('embedded_mongo', message, {
      ...options,
      remedy: 'Set MONGODB_URI to a MongoDB of yours, or put mongod on the PATH.',
    });
  }
}

type EngineName = 'mongod' | 'embedded';

/** Opening takes 0.1 s; recovery after a crash replays a journal of at most a few hundred megabytes. */
const START_TIMEOUT_MS = 60_000;
/** A predecessor that lost its parent needs this long to write its checkpoint and let go of the directory. */
const LOCK_WAIT_MS = 15_000;
const LOCK_RETRY_MS = 200;

/**
 * Serve a MongoDB with its data below the data directory: `mongod` from the PATH, else the embedded engine in a child
 * process. The child ends with this process, however this process ends. Data written by one engine is only ever opened
 * by the same engine, because their file formats differ.
 * @throws {EmbeddedMongoError}
 */
export async function startEmbeddedMongo(options: EmbeddedMongoOptions): Promise<EmbeddedMongo> {
  const { logger } = options;
  const dataDir = join(options.data_dir, 'mongo');
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const mongod = options.mongod === undefined ? await findProgram('mongod') : options.mongod;
  const engine = await engineOf(dataDir, mongod);
  const deadline = Date.now() + LOCK_WAIT_MS;
  for (;;) {
    const runtimeDir = options.runtime_dir ?? (await makeRuntimeDir(options.data_dir, 'mongo'));
    try {
      return engine === 'mongod' && mongod !== null
        ? await startMongod(mongod, dataDir, runtimeDir)
        : await startEngine(dataDir, runtimeDir, logger);
    } catch (error) {
      await rm(runtimeDir, { recursive: true, force: true });
      if (!isLocked(error)) throw error;
      if (Date.now() > deadline) {
        throw new EmbeddedMongoError(`Another process has the database in ${dataDir} open.`, { cause: error });
      }
      logger.debug({ data_dir: dataDir }, 'waiting for the previous database process to end');
      await new Promise((resolve) => setTimeout(resolve, LOCK_RETRY_MS));
    }
  }
}

/** Which engine owns the directory; an empty one goes to mongod where there is one. */
async function engineOf(dataDir: string, mongod: string | null): Promise<EngineName> {
  const marker = join(dataDir, 'ENGINE');
  const written = (await readFile(marker, 'utf8').catch(() => '')).trim();
  if (written === 'embedded') return 'embedded';
  if (written === 'mongod') {
    if (mongod !== null) return 'mongod';
    throw new EmbeddedMongoError(`The data in ${dataDir} was written by mongod, which is no longer on the PATH.`);
  }
  const engine: EngineName = mongod === null ? 'embedded' : 'mongod';
  await writeFile(marker, `${engine}\n`);
  return engine;
}

async function startEngine(dataDir: string, runtimeDir: string, logger: Logger): Promise<EmbeddedMongo> {
  const glibc = glibcVersion();
  const loader = needsNewerLoader(glibc)
    ? await prepareNewerLoader({ onProgress: (line) => logger.info(line) }).catch((error: unknown) => {
        throw new EmbeddedMongoError(messageOf(error), { cause: error });
      })
    : [];
  await mkdir(runtimeDir, { recursive: true, mode: 0o700 });
  const script = fileURLToPath(new URL('./mongo-engine.mjs', import.meta.url));
  const child = await spawnTethered([...loader, process.execPath, script, dataDir], {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
    env: { TMPDIR: runtimeDir },
  });
  const stderr = tailOf(child);
  const { uri } = await firstReport(child, stderr);
  const how = loader.length === 0 ? '' : `, on Debian 13's C library because this system's is ${glibc ?? 'older'}`;
  return handle(child, runtimeDir, uri, `the embedded MongoDB engine with its data in ${dataDir}${how}`);
}

async function startMongod(mongod: string, dataDir: string, runtimeDir: string): Promise<EmbeddedMongo> {
  await mkdir(runtimeDir, { recursive: true, mode: 0o700 });
  const socket = join(runtimeDir, 'mongod.sock');
  const child = await spawnTethered(
    [mongod, '--dbpath', dataDir, '--bind_ip', socket, '--unixSocketPrefix', runtimeDir, '--filePermissions', '0700'],
    { cwd: dataDir, env: { TMPDIR: runtimeDir, LC_ALL: 'C.UTF-8' } },
  );
  const log = tailOf(child, child.stdout);
  const uri = `mongodb://${encodeURIComponent(socket)}/?directConnection=true`;
  let ended: string | null = null;
  void child.ended.then((how) => {
    ended = how;
  });
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!(await answers(uri))) {
    if (ended !== null || Date.now() > deadline) {
      await child.close();
      throw new EmbeddedMongoError(`mongod did not start (${ended ?? 'no answer'}): ${log()}`);
    }
  }
  return handle(child, runtimeDir, uri, `mongod with its data in ${dataDir}`);
}

function handle(child: TetheredProcess, runtimeDir: string, uri: string, description: string): EmbeddedMongo {
  return {
    uri,
    async close() {
      await child.close();
      await rm(runtimeDir, { recursive: true, force: true });
    },
    describe: () => description,
  };
}

/** The engine's one line of JSON. @throws {EmbeddedMongoError} when it says an error, ends or stays silent. */
async function firstReport(child: TetheredProcess, stderr: () => string): Promise<{ uri: string }> {
  const lines = createInterface({ input: child.stdout });
  const report = new Promise<string>((resolve) => {
    lines.once('line', resolve);
  });
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<string>((resolve) => {
    timer = setTimeout(resolve, START_TIMEOUT_MS, '');
  });
  // Output may still be in the pipe when the process has ended.
  const end = child.ended.then((how) => Promise.race([report, nextTick().then(() => how)]));
  const line = await Promise.race([report, end, silence]);
  clearTimeout(timer);
  const message = parseReport(line);
  if (typeof message.uri === 'string') return { uri: message.uri };
  await child.close();
  const reason = message.error ?? stderr();
  throw new EmbeddedMongoError(`The embedded database did not start: ${reason === '' ? line : reason}`);
}

function parseReport(line: string): { uri?: unknown; error?: string } {
  try {
    return JSON.parse(line) as { uri?: unknown; error?: string };
  } catch {
    return {};
  }
}

function nextTick(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 100));
}

/** The last 2,000 characters a process wrote, for an error message; reading also keeps the pipe from filling up. */
function tailOf(child: TetheredProcess, stream = child.stderr): () => string {
  let tail = '';
  for (const source of new Set([stream, child.stderr])) {
    source.setEncoding('utf8').on('data', (chunk: string) => {
      tail = (tail + chunk).slice(-2000);
    });
  }
  return () => tail.trim();
}

async function answers(uri: string): Promise<boolean> {
  const client = new MongoClient(uri, { serverSelectionTimeoutMS: 500 });
  try {
    await client.db('admin').command({ ping: 1 });
    return true;
  } catch {
    return false;
  } finally {
    await client.close();
  }
}

function isLocked(error: unknown): boolean {
  return error instanceof EmbeddedMongoError && error.message.includes('DBPathInUse');
}
