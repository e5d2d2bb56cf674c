import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { DeckhandError } from './errors.ts';

/** A secret as it lies in a database: base64, with the id of the key that opens it. */
export interface Sealed {
  key_id: string;
  iv: string;
  tag: string;
  data: string;
}

/** Keeps secrets unreadable where they are stored. */
export interface Seal {
  /** Of the key that seals. What another one sealed is opened as well, and should be sealed anew. */
  readonly key_id: string;
  /** @param bound_to what the secret belongs to: it cannot be opened as anything else's */
  seal(secret: string, bound_to: string): Sealed;
  /** @throws SealError when no key fits, or what is sealed is not what was sealed for this */
  open(sealed: Sealed, bound_to: string): string;
}

/** A stored secret cannot be opened. Says nothing of what is in it. */
export class SealError extends DeckhandError {
  constructor(message: string, options: { remedy: string; cause?: unknown }) {
    super('sealed', message, options);
  }
}

/** NIST SP 800-38D: 96 random bits for each message, and 2^32 messages a key at most. */
const IV_BYTES = 12;

/**
 * AES-256-GCM.
 * @param keys 32 bytes each: the first seals, the others only open what they sealed before
 */
export function createSeal(keys: readonly Buffer[]): Seal {
  const [first] = keys;
  if (first === undefined) throw new Error('A seal needs a key');
  const byId = new Map(keys.map((key) => [idOf(key), key]));
  const key_id = idOf(first);

  return {
    key_id,
    seal(secret, bound_to) {
      const iv = randomBytes(IV_BYTES);
      const cipher = createCipheriv('aes-256-gcm', first, iv).setAAD(Buffer.from(bound_to));
      const data = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
      return { key_id, iv: base64(iv), tag: base64(cipher.getAuthTag()), data: base64(data) };
    },
    open(sealed, bound_to) {
      const key = byId.get(sealed.key_id);
      if (key === undefined) {
        throw new SealError(`A stored secret was sealed with key ${sealed.key_id}, which is not configured.`, {
          remedy: 'Put the key that was used before behind the new one in DECKHAND_VAULT_KEY, with a comma between.',
        });
      }
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, bytes(sealed.iv), { authTagLength: 16 });
        decipher.setAAD(Buffer.from(bound_to)).setAuthTag(bytes(sealed.tag));
        return Buffer.concat([decipher.update(bytes(sealed.data)), decipher.final()]).toString('utf8');
      } catch (cause) {
        throw new SealError('A stored secret was changed, or belongs to something else.', {
          cause,
          remedy: 'Store it anew: for a Slack workspace, install the app there again.',
        });
      }
    },
  };
}

const base64 = (of: Buffer) => of.toString('base64');
const bytes = (of: string) => Buffer.from(of, 'base64');

/** Says nothing about the key, and is the same wherever it is configured. */
function idOf(key: Buffer): string {
  return createHash('sha256').update('deckhand key id').update(key).digest('hex').slice(0, 12);
}
