import type { SessionDocument } from '../../resources/session-document.ts';

/** `$12.30`. */
export function usd(cents: number): string {
  return `$${(cents / 100).toFixed(2)}`;
}

/** `3 runs`, `1 run`. */
export function counted(count: number, one: string): string {
  return `${count.toLocaleString('en')} ${one}${count === 1 ? '' : 's'}`;
}

/** `11 to 20`, `21`. */
export function fromTo(from: number, to: number): string {
  return from === to ? `${to}` : `${from} to ${to}`;
}

/** A moment of the past by the clock of the reader's expectations: `21 Nov, 16:05 UTC`. */
export function moment(at: Date): string {
  const day = at.toLocaleDateString('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' });
  return `${day}, ${at.toISOString().slice(11, 16)} UTC`;
}

/** Text as code, whatever backticks it holds; empty for none. */
export function fenced(text: string): string {
  if (text === '') return '';
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}\n${text}\n${fence}`;
}

/** Said of a session that takes nothing more. */
export const ENDED = 'It has ended. Begin a new one with a new message.';

type SessionState = 'running' | 'waits for approval' | 'at rest' | 'over budget' | 'ended';

export function stateOf({ log, archived_at }: Pick<SessionDocument, 'log' | 'archived_at'>): SessionState {
  if (log.status === 'terminated' || archived_at !== null) return 'ended';
  if (log.owed || log.status !== 'idle') return 'running';
  if (log.stop_reason?.type === 'requires_action') return 'waits for approval';
  return log.stop_reason?.type === 'budget_reached' ? 'over budget' : 'at rest';
}

/** What a session has cost so far, in cents. */
export function centsOf({ log }: Pick<SessionDocument, 'log'>): number {
  return Number(log.usage?.list_cost?.amount ?? 0);
}

/** Its budget is used up: it stays where it is until that is raised. */
export function isSpent(session: Pick<SessionDocument, 'budget' | 'log'>): boolean {
  return session.budget !== null && centsOf(session) >= Number(session.budget.max_list_cost.amount);
}

/** It runs or waits for people in the middle of a run. */
export function isActive(session: Pick<SessionDocument, 'log' | 'archived_at'>): boolean {
  const state = stateOf(session);
  return state === 'running' || state === 'waits for approval';
}

/** Ids with commas between them. */
export function listOf(text: string): string[] {
  return text
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '');
}

/** Names in one line. */
export const NAMED = 20;

/** Names with commas between: so many of them, and how many there are besides. */
export function someOf(names: readonly string[]): string {
  const left = names.length - NAMED;
  return [...names.slice(0, NAMED), ...(left > 0 ? [`${left} more`] : [])].join(', ');
}
