import { randomBytes } from 'node:crypto';
import { chmod, link, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DeckhandError } from '../errors.ts';
import { makeDataDir } from './data-dir.ts';

/**
 * The API key of a Deckhand that was given none: made once, kept in `api-key` below the data directory where only this
 * user can read it, and the same at every later start.
 * @returns the key, and whether it was made just now
 * @throws {DeckhandError} when the file is there but holds no key
 */
export async function bootstrapKey(dataDir: string): Promise<{ api_key: string; made: boolean; path: string }> {
  const path = join(dataDir, 'api-key');
  await makeDataDir(dataDir);
  const kept = await keptKey(path);
  if (kept !== null) return { api_key: kept, made: false, path };

  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  const api_key = `dk_${randomBytes(24).toString('base64url')}`;
  await writeFile(draft, `${api_key}\n`, { mode: 0o600 });
  try {
    // Of two that start at once the first link wins, and both answer with its key.
    await link(draft, path);
    return { api_key, made: true, path };
  } catch (error) {
    const other = await keptKey(path);
    if (other === null) throw error;
    return { api_key: other, made: false, path };
  } finally {
    await rm(draft, { force: true });
  }
}

async function keptKey(path: string): Promise<string | null> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return null;
  const key = text.trim();
  if (key.length < 16) {
    throw new DeckhandError('bad_api_key_file', `${path} holds no API key of at least 16 characters.`, {
      remedy: `Delete ${path} and start again to get a new key, or set DECKHAND_API_KEY.`,
    });
  }
  await chmod(path, 0o600);
  return key;
}
