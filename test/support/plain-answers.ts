import type { Answer, ModelRequest } from '../../src/embedded/messages-api.ts';

/** What Claude says once it has seen what a command did, and to everything that is no command. */
export const SEEN = 'I have seen what it did.';
export const HELLO = 'Hello to you.';

/**
 * Claude's answer from what it is asked alone, so that a request that is made again gets the same one: `run …` runs a
 * command, and everything else is greeted.
 */
export function plainAnswer(request: ModelRequest): Answer {
  const last = JSON.stringify(request.messages.at(-1)?.content ?? '');
  if (last.includes('"tool_result"')) return { text: SEEN };
  const [, command] = /run ([^"\\]+)/.exec(last) ?? [];
  return command === undefined ? { text: HELLO } : { tool_uses: [{ name: 'bash', input: { command } }] };
}
