import { InvalidInputError, NotFoundError } from '../../errors.ts';
import type { SessionDocument } from '../../resources/session-document.ts';
import { loggedEventId } from '../inbound-keys.ts';
import { pausedWords } from '../paused.ts';
import { answer, type Command, type CommandDeps, plain, refuse } from './command.ts';
import { onSession } from './find-session.ts';
import { centsOf, ENDED, stateOf, usd } from './words.ts';

const UNLIMITED = 'It has no budget: it may cost what it costs.';

/** Dollars, with cents or without. */
const AMOUNT = /^\$?(\d{1,6}(?:\.\d{1,2})?)$/;

export const setBudget: Command = {
  name: 'budget',
  args: '<id> <dollars>',
  summary: 'what it may cost in all; one that has used up its budget goes on with more',
  run: onSession('raise a budget', async (deps, request, session) => {
    const { kept, workspace_id, person, conversation, args } = request;
    const [, dollars] = AMOUNT.exec(args) ?? [];
    const cents = Math.round(Number(dollars) * 100);
    const isOver = stateOf(session) === 'over budget';
    if (kept.targets === null) {
      const problem = dollars === undefined ? notUnderstood(session, args) : await problemOf(deps, session, cents);
      if (problem !== null) return refuse(problem);
    }
    const ref = { workspace_id, session_id: session._id };
    if (kept.targets === null) await deps.inbound.target(kept, [{ ...ref, after_seq: session.log.seq }]);
    const by = { via: conversation.connector, id: person.id, name: person.name };
    const budget = { type: 'limit' as const, max_list_cost: { amount: String(cents), currency: 'USD' as const } };
    let holds: SessionDocument['budget'];
    try {
      const decision = { event_id: loggedEventId(kept.inbound, session._id), by };
      ({ budget: holds } = await deps.sessions.setBudget(ref, budget, decision));
    } catch (error) {
      if (error instanceof NotFoundError) return refuse(ENDED);
      if (!(error instanceof InvalidInputError)) throw error;
      // It was spent, or changed, since it was looked at.
      const now = await deps.sessions.getSession(ref);
      return refuse(
        (await problemOf(deps, now, cents)) ?? 'Something changed meanwhile, so it stays as it is. Say it again.',
      );
    }
    deps.received({ ...ref, lane: session.log.lane });
    // Somebody may have decided something else right after it.
    if (holds === null) return answer(UNLIMITED);
    return answer(`It may cost ${usd(Number(holds.max_list_cost.amount))} in all now${isOver ? ', and goes on' : ''}.`);
  }),
};

/** Why its budget cannot be made that, and what to do; null when it can. */
async function problemOf(deps: CommandDeps, session: SessionDocument, cents: number): Promise<string | null> {
  const state = stateOf(session);
  if (state === 'ended') return ENDED;
  if (session.budget === null) return UNLIMITED;
  if (!deps.hasListPrice(session.agent.model.id)) {
    return `${plain(session.agent.model.id)} has no list price, so a budget cannot be kept.`;
  }
  const spent = centsOf(session);
  if (cents <= spent) return `It has cost ${usd(spent)} already: say more than that. ${exampleFor(session)}`;
  const agent = (await deps.directory.agents(session.workspace_id)).find(({ id }) => id === session.agent.id);
  // With more it would begin to work again.
  return state === 'over budget' && agent?.paused === true ? pausedWords(agent) : null;
}

function notUnderstood(session: SessionDocument, said: string): string {
  if (session.budget === null) return UNLIMITED;
  const now = `It may cost ${usd(Number(session.budget.max_list_cost.amount))}, and has cost ${usd(centsOf(session))}.`;
  const wrong = said === '' ? '' : `${plain(said)} is no amount. `;
  return `${wrong}${now} ${exampleFor(session)}`;
}

/** A line that may be typed as it stands: twice what it may cost now, or has. */
function exampleFor(session: SessionDocument): string {
  const most = Math.max(centsOf(session), Number(session.budget?.max_list_cost.amount ?? 0));
  const dollars = Math.max(1, Math.ceil((2 * most) / 100));
  return `Say what it may cost in all, in US dollars, as in \`/sessions budget ${session._id} ${dollars}\`.`;
}
