import type { AgentName } from './session-directory.ts';

type Named = Pick<AgentName, 'id' | 'name'>;

/**
 * The agent whose name or id words begin with, and what stands behind that; null: nobody's. Names may hold spaces and colons:
 * the longest one is meant.
 * @param end what has to stand behind it
 */
export function agentAtStart<A extends Named>(
  agents: readonly A[],
  words: string,
  end: RegExp,
): { agent: A; rest: string } | null {
  const choices = agents
    .flatMap((agent) => [agent.name, agent.id].map((word) => ({ agent, word })))
    .toSorted((a, b) => b.word.length - a.word.length);
  for (const { agent, word } of choices) {
    const rest = words.slice(word.length);
    if (words.slice(0, word.length).toLowerCase() === word.toLowerCase() && end.test(rest)) return { agent, rest };
  }
  return null;
}

/** What may be left of a mention of the bot. */
const OPENING = /^[\s,:;]*@?/;

/**
 * The agent that a message calls at its beginning: `Code Reviewer: look at this`, as a whole name with a colon. Anything else
 * before a colon is a part of what is said. The message keeps the name, as it was said.
 */
export function agentCalled<A extends Named>(agents: readonly A[], text: string): A | null {
  return agentAtStart(agents, text.replace(OPENING, ''), /^\s*:/)?.agent ?? null;
}
