import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { access, constants, link, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { DeckhandError, messageOf } from '../errors.ts';

const run = promisify(execFile);

/** The data directory belongs to another process that is alive. */
export class DataDirInUseError extends DeckhandError {
  constructor(dir: string, holder: Holder) {
    super('data_dir_in_use', `${dir} is in use by another Deckhand: process ${holder.pid}, since ${holder.since}.`, {
      remedy: `Stop that one (kill ${holder.pid}), or set DECKHAND_DATA_DIR (and PORT) for this one.`,
    });
  }
}

interface Holder {
  pid: number;
  /** Tells this process from a later one with the same pid, also after a reboot. */
  identity: string;
  since: string;
}

export interface DataDirLock {
  /** Let the next process in. Safe to call twice. */
  release(): Promise<void>;
}

const LOCK_FILE = /^lock\.(\d+)$/;

/** @throws DeckhandError when it can be neither made nor written to */
export async function makeDataDir(dir: string): Promise<void> {
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    await access(dir, constants.W_OK);
  } catch (cause) {
    throw new DeckhandError('data_dir_unusable', `The data directory cannot be used: ${messageOf(cause)}.`, {
      cause,
      remedy: 'Set DECKHAND_DATA_DIR to a folder that this user may make and write to.',
    });
  }
}

/**
 * Make the data directory and claim it for this process; a claim of a process that is gone is taken over.
 *
 * Claims are files `lock.<n>`; the highest of a living process is the owner. Whoever finds the highest one dead claims
 * the next number, which the file system gives to one process only, and steps back when a higher one has appeared
 * meanwhile: so of any number of processes that start together, exactly one gets in.
 * @throws {DataDirInUseError}
 */
export async function lockDataDir(dataDir: string): Promise<DataDirLock> {
  const dir = resolve(dataDir);
  await makeDataDir(dir);
  const identity = await identityOf(process.pid);
  const holder: Holder = { pid: process.pid, identity: identity ?? '', since: new Date().toISOString() };
  const draft = join(dir, `lock-draft-${randomUUID()}`);
  await writeFile(draft, JSON.stringify(holder), { mode: 0o600 });
  try {
    for (;;) {
      const highest = await highestClaim(dir);
      if (highest !== null) {
        const owner = await holderOf(join(dir, `lock.${highest}`));
        if (owner !== null && (await identityOf(owner.pid)) === owner.identity) throw new DataDirInUseError(dir, owner);
      }
      const mine = (highest ?? 0) + 1;
      if (!(await claim(draft, join(dir, `lock.${mine}`)))) continue;
      if ((await highestClaim(dir)) !== mine) {
        await rm(join(dir, `lock.${mine}`), { force: true });
        continue;
      }
      await removeBelow(dir, mine);
      return { release: () => rm(join(dir, `lock.${mine}`), { force: true }) };
    }
  } finally {
    await rm(draft, { force: true });
  }
}

/** A link appears whole or not at all, and only one process can make it. */
async function claim(draft: string, path: string): Promise<boolean> {
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function claims(dir: string): Promise<number[]> {
  return (await readdir(dir)).flatMap((name) => {
    const number = LOCK_FILE.exec(name)?.[1];
    return number === undefined ? [] : [Number(number)];
  });
}

async function highestClaim(dir: string): Promise<number | null> {
  const numbers = await claims(dir);
  return numbers.length === 0 ? null : Math.max(...numbers);
}

async function removeBelow(dir: string, mine: number): Promise<void> {
  for (const number of await claims(dir)) {
    if (number < mine) await rm(join(dir, `lock.${number}`), { force: true });
  }
}

/** Null when the claim has been given up meanwhile, or is not one. */
async function holderOf(path: string): Promise<Holder | null> {
  try {
    const { pid, identity, since } = JSON.parse(await readFile(path, 'utf8')) as Partial<Holder>;
    return typeof pid === 'number' && identity !== undefined && since !== undefined ? { pid, identity, since } : null;
  } catch {
    return null;
  }
}

/** What stays the same while the process lives and is never seen again after; null when there is no such process. */
async function identityOf(pid: number): Promise<string | null> {
  try {
    if (process.platform === 'linux') {
      const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
      // The name in parentheses may hold anything; of the fields after it the first is the state, the 20th the start time.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return fields[0] === 'Z' ? null : `${boot}:${fields[19] ?? ''}`;
    }
    const { stdout } = await run('ps', ['-o', 'lstart=', '-p', String(pid)]);
    return stdout.trim() === '' ? null : stdout.trim();
  } catch {
    return null;
  }
}
