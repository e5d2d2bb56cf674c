import { commandsRanOnce, threadsShowTheLog } from './check-effects.ts';
import { conversationsHaveOneSession, inputsHaveOneEffect, inputsKeepTheirOrder } from './check-inputs.ts';
import {
  type Check,
  callsHaveOneResult,
  jobsAreDone,
  logsAreWhole,
  questionsAreDecidedOnce,
  runsEnd,
} from './check-logs.ts';
import { nothingSeemsUnfinished, postedOnce, pressesAreAnswered, waitsAreKept } from './check-slack.ts';
import type { Life } from './crew.ts';
import type { Evidence } from './evidence.ts';
import type { Outage } from './own-services.ts';

/** What is proved of every soak, by the name that a report gives it. */
export const CHECKS: Record<string, Check> = {
  'the house comes to rest': ({ unrest }) => (unrest === null ? [] : [unrest]),
  'every log is whole': logsAreWhole,
  'every input has one effect': inputsHaveOneEffect,
  'inputs stand in their order': inputsKeepTheirOrder,
  'every conversation has one session': conversationsHaveOneSession,
  'every call has one result': callsHaveOneResult,
  'every question is decided once': questionsAreDecidedOnce,
  'every run ends in words': runsEnd,
  'every job is done once': jobsAreDone,
  'every command ran once': commandsRanOnce,
  'every thread shows its log': threadsShowTheLog,
  'nothing is posted twice or taken back': postedOnce,
  'no call comes before its time': waitsAreKept,
  'nothing in Slack seems unfinished': nothingSeemsUnfinished,
  'every press of a button is answered': pressesAreAnswered,
  'no client was refused': ({ refusals }) => refusals,
  'no process ended by itself': processesEndAsTold,
  'nobody sees a secret': secretsStaySecret,
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

/** A client may take so long to find a service again that is back, in milliseconds: between two looks of ioredis or the driver. */
const FOUND_AGAIN_MS = 5_000;

/**
 * Killed processes die of it and stopped ones end with 0; one that is restarted while its services are away may end with 1,
 * which says that something was cut off (docs/reliability.md). What ends otherwise, or with an unhandled rejection, has a bug.
 */
function processesEndAsTold({ lives, outages }: Evidence): string[] {
  return lives.flatMap((life, index) => {
    const { member, output } = life;
    const name = `life ${index + 1} (${member})`;
    const wrong = endedWrongly(life, outages).map((how) => `${name} ${how}: ${output.slice(-300)}`);
    for (const bad of SIGNS_OF_BUGS) {
      const at = output.search(bad);
      if (at !== -1) wrong.push(`${name} wrote ${output.slice(Math.max(0, at - 100), at + 300)}`);
    }
    return wrong;
  });
}

function endedWrongly(life: Life, outages: readonly Outage[]): string[] {
  const { fate, end, output } = life;
  switch (fate) {
    case null:
      if (end !== 'not started') return [`ended by itself with ${end}`];
      return output.includes('Deckhand cannot start:') ? [] : ['did not start, and not in words'];
    case 'killed':
      return end === 'SIGKILL' ? [] : [`was killed and ended with ${end}`];
    case 'stopped':
      return end === 0 ? [] : [`was stopped and ended with ${end}`];
    case 'restarted':
      if (end === 0) return [];
      if (end !== 1) return [`was restarted and ended with ${end}`];
      return outages.some((outage) => isWithin(life, outage))
        ? []
        : ['was restarted with its services there and ended with 1'];
    default:
      return fate satisfies never;
  }
}

/** The service was away, or not found again yet, at some time of this end. */
function isWithin({ told_at, ended_at }: Life, { from, until }: Outage): boolean {
  return from <= (ended_at ?? Infinity) && (until ?? Infinity) + FOUND_AGAIN_MS >= (told_at ?? 0);
}

/** Invariant 8, wherever somebody could read: logs of processes and sessions, chat, records, sandboxes, Claude's requests. */
function secretsStaySecret(evidence: Evidence): string[] {
  const { lives, sessions, approvals, messages, journal, traces, model_requests, secrets } = evidence;
  const places: [string, string][] = [
    ...lives.map(({ member, output }, index): [string, string] => [`life ${index + 1} (${member})`, output]),
    ...sessions.map(({ id, entries }): [string, string] => [`the log of ${id}`, JSON.stringify(entries)]),
    ...approvals.map(({ id, record }): [string, string] => [`the record of ${id}`, JSON.stringify(record)]),
    ...messages.map((message): [string, string] => [`message ${message.ts}`, JSON.stringify(message)]),
    ...journal.map(({ method, args }): [string, string] => [`a call of ${method}`, JSON.stringify(args)]),
    ...traces.flatMap(({ files }) => files.map(({ path, content }): [string, string] => [path, content])),
    ...model_requests.map((request): [string, string] => ['a model request', JSON.stringify(request)]),
  ];
  return places.flatMap(([place, text]) =>
    secrets
      .filter((secret) => text.includes(secret))
      .map((secret) => `${place} holds a secret that begins with ${secret.slice(0, 5)}`),
  );
}

function nothingIsLeft({ leftovers }: Evidence): string[] {
  return Object.entries(leftovers).flatMap(([kind, names]) => names.map((name: string) => `${kind}: ${name}`));
}
