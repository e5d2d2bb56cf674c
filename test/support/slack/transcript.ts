import { readableText } from './block-limits.ts';
import { buttonLabels, type MessagePlace, threadRoot } from './person.ts';
import type { SlackMessage, SlackWorkspace } from './workspace.ts';

/**
 * What a person reads in a message: its blocks where it has some, else its text. Without the buttons, and the line that
 * stands above those below an answer.
 */
export function readable({ blocks, text }: SlackMessage): string {
  if (blocks.length === 0) return text;
  const rating = blocks.findIndex((block) => block.type === 'context_actions');
  const said = blocks.filter((block, at) => {
    if (block.type === 'actions' || at === rating) return false;
    return !(rating > 0 && at === rating - 1 && block.type === 'context');
  });
  return readableText(said).join('\n');
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
