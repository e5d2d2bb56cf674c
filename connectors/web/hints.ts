import type { Logger } from '../../src/logger.ts';
import type { ConversationSummary, StreamEvents } from './wire.ts';

/** Publish and subscribe between replicas: Redis in production. Losing messages costs seconds, never content. */
export interface Hints {
  publish(channel: string, message: string): Promise<unknown>;
  /** Resolves when the subscription stands, with what ends it. */
  subscribe(channel: string, onMessage: (message: string) => void): Promise<() => Promise<void>>;
}

/** What a hint about one conversation says. `changed` says only that: the reader asks the database. */
export type ConversationHint = { type: 'changed'; revision: number } | { type: 'delta'; delta: StreamEvents['delta'] };

/** Hints with names and types; a failed publish is logged, because streams also look by themselves now and then. */
export interface Bell {
  ring(conversationId: string, hint: ConversationHint): void;
  onRing(conversationId: string, listener: (hint: ConversationHint) => void): Promise<() => Promise<void>>;
  /** Tells everybody in the conversation that its entry in their list changed. */
  announce(summary: ConversationSummary): void;
  onAnnounce(personId: string, listener: (summary: ConversationSummary) => void): Promise<() => Promise<void>>;
}

export function createBell(hints: Hints, workspaceId: string, logger: Logger): Bell {
  const conversationChannel = (id: string) => `web:${workspaceId}:conversation:${id}`;
  const personChannel = (id: string) => `web:${workspaceId}:person:${id}`;

  function publish(channel: string, payload: ConversationHint | ConversationSummary): void {
    hints.publish(channel, JSON.stringify(payload)).catch((err: unknown) => {
      logger.warn({ err, channel }, 'web hint not published');
    });
  }

  return {
    ring: (conversationId, hint) => publish(conversationChannel(conversationId), hint),
    onRing: (conversationId, listener) =>
      // Our own JSON, written by `ring` above.
      hints.subscribe(conversationChannel(conversationId), (hint) => listener(JSON.parse(hint) as ConversationHint)),
    announce: (summary) => summary.people.forEach((person) => publish(personChannel(person.id), summary)),
    onAnnounce: (personId, listener) =>
      hints.subscribe(personChannel(personId), (hint) => listener(JSON.parse(hint) as ConversationSummary)),
  };
}
