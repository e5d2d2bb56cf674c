import { type Check, ofType, ofTypeWithSeq, textOf } from './check-logs.ts';
import type { SessionEvidence } from './evidence.ts';
import { jobsIn } from './jobs.ts';

/** What was acknowledged stands in one log, once, in the place it was said in; what was not, at most once. */
export const inputsHaveOneEffect: Check = ({ sent, sessions }) => {
  const found = new Map<string, SessionEvidence[]>();
  for (const session of sessions) {
    for (const text of ofType(session.entries, 'user.message').map(textOf)) {
      for (const id of [
        ...jobsIn(text).map((job) => job.id),
        ...[...text.matchAll(/\[chat (\w+)\]/g)].map(([, chat = '']) => chat),
      ]) {
        found.set(id, [...(found.get(id) ?? []), session]);
      }
    }
  }
  const wrong = sent.flatMap(({ id, for_bot, outcome, place }) => {
    const there = found.get(id) ?? [];
    if (!for_bot) return there.length === 0 ? [] : [`${id} was not for the bot, and stands in ${idsOf(there)}`];
    if (there.length > 1) return [`${id} was said once, and stands ${there.length} times: ${idsOf(there)}`];
    const [session] = there;
    if (session === undefined) return outcome === 'acked' ? [`${id} was acknowledged and stands in no log`] : [];
    const at = 'session_id' in place ? place.session_id === session.id : isAt(session, place);
    return at ? [] : [`${id} stands in ${session.id}, which is not where it was said`];
  });
  const known = new Set(sent.map((one) => one.id));
  const invented = [...found.keys()]
    .filter((id) => !known.has(id))
    .map((id) => `${id} stands in a log, and nobody said it`);
  return [...wrong, ...invented];
};

/**
 * A program that waits for each answer before it goes on finds what it said in the order in which it said it. (What Slack
 * delivers to two gateways has no order between them.)
 */
export const inputsKeepTheirOrder: Check = ({ sent, sessions }) =>
  sessions.flatMap(({ id, entries }) => {
    const places = new Map(
      ofTypeWithSeq(entries, 'user.message').flatMap(({ event, seq }) =>
        jobsIn(textOf(event)).map((job): [string, number] => [job.id, seq]),
      ),
    );
    const said = sent.filter(
      ({ place, outcome, id: job }) =>
        'session_id' in place && place.session_id === id && outcome === 'acked' && places.has(job),
    );
    return said.flatMap((one, index) => {
      const before = said[index - 1];
      return before === undefined || (places.get(before.id) ?? 0) < (places.get(one.id) ?? 0)
        ? []
        : [`${id}: ${one.id} was said after ${before.id} and stands before it`];
    });
  });

function isAt({ conversation }: SessionEvidence, place: { channel: string; thread: string }): boolean {
  return conversation?.channel === place.channel && conversation.thread === place.thread;
}

function idsOf(sessions: readonly SessionEvidence[]): string {
  return sessions.map((session) => session.id).join(', ');
}

/** One conversation has one session, however its first messages raced. */
export const conversationsHaveOneSession: Check = ({ sessions }) => {
  const at = new Map<string, string[]>();
  for (const { id, conversation } of sessions) {
    if (conversation === null) continue;
    const key = `${conversation.channel} ${conversation.thread}`;
    at.set(key, [...(at.get(key) ?? []), id]);
  }
  return [...at].flatMap(([key, ids]) => (ids.length === 1 ? [] : [`${key} has ${ids.join(', ')}`]));
};
