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
 * Three per conversation, and of those for what is asked one per person: nobody's form comes late because of another's command.
 * What is said waits for the files of what was said before; what people press and what they ask the
 * house for does not, because they wait for it: a form is drawn within seconds or not at all. Not by tenant: a click may
 * name another one than the message that it is about.
 */
export function lineOf(event: Inbound): string {
  const { conversation, person } = originOf(event);
  const { connector, channel, thread } = conversation;
  const kind = lineKind(event);
  return JSON.stringify([connector, channel, thread, kind, ...(kind === 'asked' ? [person.id] : [])]);
}

function lineKind(event: Inbound): 'said' | 'pressed' | 'asked' {
  switch (event.kind) {
    case 'message':
    case 'change':
      return 'said';
    case 'stop':
    case 'decision':
    case 'feedback':
      return 'pressed';
    case 'command':
      // What a form asks an agent is said to it, files and all.
      return event.command.name === 'ask' && event.command.fields !== undefined ? 'said' : 'asked';
    default:
      return event satisfies never;
  }
}
