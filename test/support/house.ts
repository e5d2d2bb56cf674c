import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject } from 'vitest';
import { type TestDatabase, testDatabase } from './services.ts';

/** A real process of Deckhand's, as `npm start` starts it. */
export interface HouseProcess {
  /** Of a gateway; empty for a worker. */
  url: string;
  pid: number;
  /** Everything it has written so far. */
  output(): string;
  /** SIGKILL: nothing is cleaned up. */
  kill(): Promise<void>;
  /** SIGTERM unless another is named, and its exit code. */
  stop(signal?: 'SIGTERM' | 'SIGINT'): Promise<number | null>;
}

/** A database, a data directory and as many processes over them as a test likes. */
export interface House extends AsyncDisposable {
  database: TestDatabase;
  data_dir: string;
  api_key: string;
  start(role?: 'gateway' | 'worker', env?: Record<string, string>): Promise<HouseProcess>;
}

/** Only what hangs takes this long, however busy the machine is. */
const START_MS = 60_000;

export async function buildHouse(common: Record<string, string> = {}): Promise<House> {
  const database = await testDatabase();
  const data_dir = await mkdtemp(join(tmpdir(), 'deckhand-house-'));
  const api_key = 'test-key-0123456789abcdef';
  const children: ChildProcess[] = [];
  let count = 0;

  async function start(role?: 'gateway' | 'worker', env: Record<string, string> = {}): Promise<HouseProcess> {
    const child = spawn(process.execPath, ['--import', 'tsx', 'src/main.ts', ...(role === undefined ? [] : [role])], {
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: data_dir,
        PORT: '0',
        MONGODB_URI: inject('mongodb_uri'),
        MONGODB_DATABASE: database.name,
        REDIS_URL: inject('redis_url'),
        DECKHAND_API_KEY: api_key,
        // One directory per process: several of them stand for several machines.
        DECKHAND_DATA_DIR: join(data_dir, `p${++count}`),
        DECKHAND_LEASE_MS: '1000',
        DECKHAND_SWEEP_MS: '200',
        DECKHAND_RETRY_MS: '50',
        LOG_LEVEL: 'info',
        ...common,
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.push(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    await until(
      child,
      () => output.includes('Deckhand is running'),
      () => output,
    );
    return {
      url: /Page: (\S+)/.exec(output)?.[1] ?? '',
      pid: child.pid ?? 0,
      output: () => output,
      async kill() {
        child.kill('SIGKILL');
        if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      },
      async stop(signal = 'SIGTERM') {
        if (child.exitCode !== null) return child.exitCode;
        const ended = once(child, 'exit');
        child.kill(signal);
        await ended;
        return child.exitCode;
      },
    };
  }

  return {
    database,
    data_dir,
    api_key,
    start,
    async [Symbol.asyncDispose]() {
      for (const child of children) {
        if (child.exitCode !== null || child.signalCode !== null) continue;
        const ended = once(child, 'exit');
        child.kill('SIGKILL');
        await ended;
      }
      // Embedded services end a moment after the process that started them, and write until then.
      await rm(data_dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
      await database[Symbol.asyncDispose]();
    },
  };
}

async function until(child: ChildProcess, ready: () => boolean, output: () => string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`Deckhand did not start:\n${output()}`)), START_MS);
    const look = () => {
      if (!ready()) return;
      clearTimeout(timer);
      resolve();
    };
    child.stdout?.on('data', look);
    // Not `exit`: its last words may still be on their way then.
    child.once('close', (code) => {
      clearTimeout(timer);
      reject(new Error(`Deckhand ended at start with ${code}:\n${output()}`));
    });
  });
}
