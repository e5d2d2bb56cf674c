import { readableText } from './block-limits.ts';
import { buttonLabels, type MessagePlace, threadRoot } from './person.ts';
import type { SlackMessage, SlackWorkspace } from './workspace.ts';

/** What a person reads in a message: its blocks where it has some, else its text. */
export function readable(message: SlackMessage): string {
  return message.blocks.length > 0
    ? readableText(message.blocks.filter((b) => b.type !== 'actions')).join('\n')
    : message.text;
}

/**
 * A thread as lines a person could read aloud: `Ana: deploy please`, `deckhand (only to Ana): Recorded.`,
 * with buttons as `[Approve] [Deny]`.
 */
export function transcript(workspace: SlackWorkspace, thread: MessagePlace): string {
  const root = threadRoot(thread);
  const name = (id: string) => workspace.users.get(id)?.name ?? id;
  return workspace.messages
    .filter((m) => m.channel === thread.channel && (m.ts === root || m.thread_ts === root))
    .map((message) => {
      const to = message.ephemeral_to === undefined ? '' : ` (only to ${name(message.ephemeral_to)})`;
      const buttons = buttonLabels(message).map((label) => `[${label}]`);
      const said = readable(message).replace(/<@(\w+)>/g, (_all, id: string) => `@${name(id)}`);
      return [`${name(message.user)}${to}: ${said}`, ...(buttons.length > 0 ? [buttons.join(' ')] : [])].join('\n');
    })
    .join('\n');
}
