import type { Answer, ModelRequest } from '../../src/embedded/messages-api.ts';
import { TRACE_FILE } from './soak/jobs.ts';

/** Words that stand before what an answer is known by: it is under way for a second and a half. */
export const FIRST = 'word '.repeat(30);
const WORDS_PER_S = 20;

/**
 * Claude's answer from what it is asked alone, so that a request that is made again gets the same one: `say x` is answered
 * `Said x.`, and `do x` is a command that leaves the line `x` in the session's trace, and then `Did x.`
 */
export function sayOrDo({ messages }: ModelRequest): Answer {
  const last = JSON.stringify(messages.at(-1)?.content ?? '');
  const [, , x] = [...JSON.stringify(messages).matchAll(/(say|do) ([\w-]*\d)/g)].at(-1) ?? [];
  const said = (words: string) => ({ text: `${FIRST}${words}`, tokens_per_second: WORDS_PER_S });
  if (last.includes('"tool_result"')) return said(`Did ${x}.`);
  return last.includes(`do ${x}`)
    ? { tool_uses: [{ name: 'bash', input: { command: `echo ${x} >> ${TRACE_FILE}` } }] }
    : said(`Said ${x}.`);
}
