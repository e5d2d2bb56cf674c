import { commandsRanOnce, threadsShowTheLog } from './check-effects.ts';
import {
  type Check,
  callsHaveOneResult,
  conversationsHaveOneSession,
  inputsHaveOneEffect,
  jobsAreDone,
  logsAreWhole,
  questionsAreDecidedOnce,
  runsEnd,
} from './check-logs.ts';
import type { Evidence } from './evidence.ts';

/** What is proved of every soak, by the name that a report gives it. */
export const CHECKS: Record<string, Check> = {
  'the house comes to rest': ({ unrest }) => (unrest === null ? [] : [unrest]),
  'every log is whole': logsAreWhole,
  'every input has one effect': inputsHaveOneEffect,
  'every conversation has one session': conversationsHaveOneSession,
  'every call has one result': callsHaveOneResult,
  'every question is decided once': questionsAreDecidedOnce,
  'every run ends in words': runsEnd,
  'every job is done once': jobsAreDone,
  'every command ran once': commandsRanOnce,
  'every thread shows its log': threadsShowTheLog,
  'no client was refused': ({ refusals }) => refusals,
  'no process ended by itself': processesEndAsTold,
  'no process log holds a secret': secretsStaySecret,
  'nothing is left behind': nothingIsLeft,
};

export interface Violation {
  /** The check that found it. */
  rule: string;
  what: string;
}

/** Prove the invariants of docs/design.md, section 5, over everything that was gathered. */
export function check(evidence: Evidence): Violation[] {
  return Object.entries(CHECKS).flatMap(([rule, one]) => one(evidence).map((what) => ({ rule, what })));
}

/** Node's fetch calls a broken connection a TypeError. */
const SIGNS_OF_BUGS = [
  /UnhandledPromiseRejection/i,
  /MaxListenersExceeded/,
  /TypeError: (?!fetch failed|terminated)/,
  /ReferenceError:/,
];

/**
 * Killed processes die of it and stopped ones end with 0; one that is restarted while its services are away may end with 1,
 * which says that something was cut off (docs/reliability.md). What ends otherwise, or with an unhandled rejection, has a bug.
 */
function processesEndAsTold({ lives }: Evidence): string[] {
  return lives.flatMap(({ member, fate, end, output }, index) => {
    const wrong: string[] = [];
    const name = `life ${index + 1} (${member})`;
    if (fate === null && end === 'not started' && !output.includes('Deckhand cannot start:')) {
      wrong.push(`${name} did not start, and not in words: ${output.slice(-300)}`);
    }
    if (fate === null && end !== 'not started')
      wrong.push(`${name} ended by itself with ${end}: ${output.slice(-300)}`);
    if (fate === 'stopped' && end !== 0) wrong.push(`${name} was stopped and ended with ${end}: ${output.slice(-300)}`);
    if (fate === 'restarted' && end !== 0 && end !== 1)
      wrong.push(`${name} was restarted and ended with ${end}: ${output.slice(-300)}`);
    for (const bad of SIGNS_OF_BUGS) {
      const at = output.search(bad);
      if (at !== -1) wrong.push(`${name} wrote ${output.slice(Math.max(0, at - 100), at + 300)}`);
    }
    return wrong;
  });
}

function secretsStaySecret({ lives, secrets }: Evidence): string[] {
  return lives.flatMap(({ member, output }, index) =>
    secrets
      .filter((secret) => output.includes(secret))
      .map((secret) => `life ${index + 1} (${member}) wrote a secret that begins with ${secret.slice(0, 5)}`),
  );
}

function nothingIsLeft({ leftovers }: Evidence): string[] {
  return Object.entries(leftovers).flatMap(([kind, names]) => names.map((name: string) => `${kind}: ${name}`));
}
