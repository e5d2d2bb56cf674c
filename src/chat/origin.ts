import type { Inbound } from './inbound-keys.ts';
import type { ConversationKey, Person } from './place.ts';

/** Who it came from, and where they said it. */
export function originOf(inbound: Inbound): { conversation: ConversationKey; person: Person } {
  switch (inbound.kind) {
    case 'message':
      return { conversation: inbound.message.conversation, person: inbound.message.sender };
    case 'change':
      return { conversation: inbound.change.conversation, person: inbound.change.sender };
    case 'decision':
      return inbound.decision;
    case 'stop':
      return inbound.stop;
    case 'feedback':
      return inbound.feedback;
    case 'command':
      return inbound.command;
    default:
      return inbound satisfies never;
  }
}

/** What people press is little, they wait for it, and it may ask the platform who they are: it waits for no message. */
export function needsRoom({ kind }: Inbound): boolean {
  return kind === 'message' || kind === 'change';
}

/**
 * One per conversation; Stop and decisions have one of their own, because they are about what runs, and wait for no message
 * whose files are still being fetched. Not by tenant: a click may name another one than the message that it is about.
 */
export function lineOf(event: Inbound): string {
  const { connector, channel, thread } = originOf(event).conversation;
  const isClick = event.kind === 'stop' || event.kind === 'decision';
  return JSON.stringify([connector, channel, thread, isClick]);
}
