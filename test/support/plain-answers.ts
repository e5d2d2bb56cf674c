import type { Answer, ModelRequest } from '../../src/embedded/messages-api.ts';

/** What Claude says once it has seen what a command did, and to everything that is no command. */
export const SEEN = 'I have seen what it did.';
export const HELLO = 'Hello to you.';

/** A text of so many lines: Slack needs a post for each 11,000 characters of it. */
export function lines(count: number, of: string): string {
  return Array.from({ length: count }, (_each, line) => `Line ${line + 1} of ${of}.`).join('\n');
}

/**
 * Claude's answer from what it is asked alone, so that a request that is made again gets the same one: `run …` runs a
 * command, `write … lines` has an answer of so many, and everything else is greeted.
 */
export function plainAnswer(request: ModelRequest): Answer {
  const last = JSON.stringify(request.messages.at(-1)?.content ?? '');
  if (last.includes('"tool_result"')) return { text: SEEN };
  const [, count] = /write (\d+) lines/.exec(last) ?? [];
  if (count !== undefined) return { text: lines(Number(count), 'the answer') };
  const [, command] = /run ([^"\\]+)/.exec(last) ?? [];
  return command === undefined ? { text: HELLO } : { tool_uses: [{ name: 'bash', input: { command } }] };
}
