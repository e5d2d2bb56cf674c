import { createHash } from 'node:crypto';

export const WHICH = 'Say which one: `/approvals` lists what waits for you, with ids.';

/** The first word of what stands behind a command, and the rest. */
export function idAndRest(args: string): { id: string; rest: string } {
  const [id = '', ...rest] = args.replaceAll('`', '').split(/\s+/);
  return { id, rest: rest.join(' ') };
}

/** The word at the end of a call that was shown: who has it has had all of the call. */
export function readWord(detail: string): string {
  return `read-${createHash('sha256').update(detail).digest('hex').slice(0, 4)}`;
}

/** Characters of a call that a list shows; of a longer one, `/approvals show` does. */
export const LISTED_DETAIL = 1_000;

/** What an approval for the session does beside approving the call itself. */
export const LASTING = {
  tool: 'also lets every further call of this tool run without asking for the rest of the session, whatever its arguments',
  arguments: 'also lets the very same call run without asking whenever it comes again in the session',
};
