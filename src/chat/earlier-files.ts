import type { FileDocument } from '../resources/files.ts';
import type { UserContent } from '../session/session-state.ts';
import { type AttachDeps, bring, contentOf, said, TOO_MUCH } from './attached-files.ts';
import type { SaidBefore } from './connector.ts';
import type { InboundMessage } from './inbound.ts';
import type { Target } from './inbound-document.ts';
import { loggedMessageId } from './inbound-keys.ts';

/** What of earlier messages comes along, the newest first: what a thread is about, and little beside a message's own files. */
const BUDGET = { files: 10, bytes: 50_000_000 };
const TOO_MANY = `only the ${BUDGET.files} newest of what was said before come along`;
/** Names of those that are left out; of more, how many they are. */
const MOST_NAMED = 10;
const HEADS = {
  kept: 'Files that were attached to these, read-only in the sandbox:',
  missing: 'Attached to these too, and not here:',
};
/** A wait that is over so soon is waited for; for a longer one the message itself does not wait. */
const SOON_MS = 5_000;

/**
 * Bring what was attached to earlier messages into a session, the newest within a budget, each file once however often this
 * is repeated. What is left out or cannot be had is said, and keeps back nothing else.
 * @returns nothing where nothing was attached
 * @throws as `attach`
 */
export async function attachEarlier(
  deps: AttachDeps,
  target: Target,
  { conversation, files: own = [] }: InboundMessage,
  earlier: readonly SaidBefore[],
): Promise<UserContent> {
  // What fails is said, and not tried again: the message itself does not wait for it.
  const soon = { ...deps, is_last_try: true, mayWait: (ms: number) => ms <= SOON_MS && deps.mayWait(ms) };
  const kept: FileDocument[] = [];
  const problems: string[] = [];
  let failed = 0;
  let left_out = 0;
  let room = BUDGET.bytes;
  const leaveOut = (name: string, why: string) => {
    left_out += 1;
    if (left_out <= MOST_NAMED) problems.push(said(name, why));
  };
  for (const message of earlier.toReversed()) {
    const event_id = loggedMessageId(conversation, message.message_id, target.session_id);
    for (const file of message.files ?? []) {
      if (own.some(({ id }) => id === file.id)) continue;
      const isFull = kept.length + failed === BUDGET.files;
      if (isFull || (file.size_bytes ?? 0) > room) {
        leaveOut(file.name, isFull ? TOO_MANY : TOO_MUCH);
        continue;
      }
      const got = await bring(soon, target, { file, conversation, event_id, most_bytes: room });
      if (typeof got === 'string') {
        failed += 1;
        problems.push(got);
      } else {
        kept.push(got);
        room -= got.size_bytes;
      }
    }
  }
  if (left_out > MOST_NAMED) problems.push(`${left_out - MOST_NAMED} older ones`);
  return kept.length + problems.length === 0 ? [] : contentOf(deps, kept, problems, HEADS);
}
