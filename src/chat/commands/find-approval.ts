import { createHash } from 'node:crypto';
import { decidable } from '../look-at-approvals.ts';
import type { ConversationKey } from '../place.ts';
import type { CommandDeps, CommandRequest } from './command.ts';

export const WHICH = 'Say which one: `/approvals` lists what waits for you, with ids.';

/** The first word of what stands behind a command, and the rest. */
export function idAndRest(args: string): { id: string; rest: string } {
  const [id = '', ...rest] = args.replaceAll('`', '').split(/\s+/);
  return { id, rest: rest.join(' ') };
}

/**
 * Where this person decides it: where it was asked, when they may decide it from here as well; else where they are, and what
 * they may not do there is said in words.
 */
export async function placeOfDecision(
  deps: CommandDeps,
  { workspace_id, conversation, person }: CommandRequest,
  approval_id: string,
): Promise<ConversationKey> {
  const approval = await deps.approvals.find(workspace_id, approval_id);
  const asked = approval === null ? null : await decidable(deps, approval, { conversation, person });
  const there = asked?.conversation ?? null;
  return there?.connector === conversation.connector ? there : conversation;
}

/** The word at the end of a call that was shown: who has it has had all of the call. */
export function readWord(detail: string): string {
  return `read-${createHash('sha256').update(detail).digest('hex').slice(0, 4)}`;
}

/** Characters of a call that a list shows; of a longer one, `/approvals show` does. */
export const LISTED_DETAIL = 1_000;
