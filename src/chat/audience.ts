import type { LogEntry } from '../session/event.ts';
import { DECKHAND, type SessionLog, type SessionRef } from '../session/log.ts';
import type { Audience } from './outgoing.ts';
import type { ConversationKey } from './place.ts';

/** Inputs that are looked at. */
const LOOK_BACK = 50;

/** Whom a session's answers are for, by what was said in its conversation. */
export interface Audiences {
  take(entry: LogEntry): void;
  /** Undefined: nobody spoke there, or nobody asks. */
  now(): Promise<Audience | undefined>;
}

interface AudienceDeps {
  log: Pick<SessionLog, 'query'>;
  ref: SessionRef;
  conversation: ConversationKey;
}

/** Where a platform shows everybody the same, nothing is looked up. */
export const ANYBODY: Audiences = { take: () => undefined, now: async () => undefined };

export function createAudiences({ log, ref, conversation }: AudienceDeps): Audiences {
  /** Null: not looked up, or somebody has spoken since. */
  let known: { audience: Audience | undefined } | null = null;

  return {
    take({ event }) {
      if (event.type === 'user.message') known = null;
    },

    async now() {
      known ??= {
        audience: audienceOf(await log.query({ ...ref, types: ['user.message'], order: 'desc', limit: LOOK_BACK })),
      };
      return known.audience;
    },
  };

  /** @param said newest first */
  function audienceOf(said: readonly LogEntry[]): Audience | undefined {
    const people = said.flatMap(({ by }) => (by?.via === conversation.connector ? [by.id] : []));
    const [to] = people;
    if (to === undefined) return undefined;
    // What the house quotes was said before in the same conversation, by whomever.
    const several = people.some((id) => id !== to) || said.some(({ by }) => by?.via === DECKHAND.via);
    return { to, several };
  }
}
