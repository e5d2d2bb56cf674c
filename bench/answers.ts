import type { Db } from 'mongodb';
import { readAnswer, readDirective } from './model/directive.ts';
import { storedEvents } from './stored-events.ts';

/** What was said in one session, in words. */
interface Said {
  asked: string[];
  answered: string[];
}

/** What is wrong, in words, unless so many sessions were asked once each and each has one answer, to its question and whole. */
export async function wrongAnswers(db: Db, expected: { sessions: number; tokens: number }): Promise<string[]> {
  const sessions = new Map<string, Said>();
  for await (const { session_id, entry } of storedEvents(db, ['user.message', 'agent.message'])) {
    const said = sessions.get(session_id) ?? { asked: [], answered: [] };
    sessions.set(session_id, said);
    const { event } = entry;
    (event.type === 'user.message' ? said.asked : said.answered).push(textOf(event.content));
  }
  const asked = [...sessions.values()].filter((said) => said.asked.length > 0).length;
  return [
    ...(asked === expected.sessions ? [] : [`${asked} of ${expected.sessions} sessions were asked`]),
    ...[...sessions].flatMap(([session_id, said]) => {
      const wrong = wrongIn(said, expected.tokens);
      return wrong === null ? [] : [`${session_id}: ${wrong}`];
    }),
  ];
}

function wrongIn({ asked, answered }: Said, tokens: number): string | null {
  const [question, ...doubles] = asked;
  if (question === undefined || doubles.length > 0) return `asked ${asked.length} times`;
  const [answer, ...more] = answered;
  if (answer === undefined || more.length > 0) return `answered ${answered.length} times`;
  if (readAnswer(answer)?.nonce !== readDirective(question)?.directive.nonce) return 'the answer is to something else';
  const words = answer.split(' word').length - 1;
  return words === tokens ? null : `the answer has ${words} words of ${tokens}`;
}

function textOf(content: readonly { type: string; text?: string }[]): string {
  return content.map((block) => block.text ?? '').join('');
}
