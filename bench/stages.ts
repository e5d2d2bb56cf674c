import type { TurnsResult } from './load/turns.ts';
import type { Span } from './processes/spans.mjs';
import { median } from './statistics.ts';

/** What one process waited for. */
export interface Waits {
  role: string;
  spans: readonly Span[];
}

/** A step of a turn: when it begins after the message was sent, and how long it takes; medians in ms. */
interface Step {
  name: string;
  at: number;
  takes: number;
  turns: number;
}

/** A step that so few turns have belongs to something else: a renewal, a sweep. */
const COMMON = 0.5;

/** The steps of turns that were taken one at a time, in the order of time, as a table for a person. */
export function stagesInWords(waits: readonly Waits[], turns: Pick<TurnsResult, 'started' | 'total_ms'>): string {
  const steps = stagesOf(waits, turns);
  const lines = steps.map(({ name, at, takes }) => `  ${ms(at)}  ${ms(takes)}  ${name}`);
  return [
    `A turn alone, step by step: ms after the message was sent, ms that it takes (medians of ${turns.started.length} turns)`,
    ...lines,
    `  ${ms(median(turns.total_ms))}           the client has its session.status_idle`,
  ].join('\n');
}

export function stagesOf(waits: readonly Waits[], turns: Pick<TurnsResult, 'started' | 'total_ms'>): Step[] {
  const found = new Map<string, { at: number; takes: number }[]>();
  for (const [index, started] of turns.started.entries()) {
    const ended = started + (turns.total_ms[index] ?? 0);
    for (const { role, spans } of waits) {
      const seen = new Map<string, number>();
      const within = spans.filter(({ from }) => from >= started && from < ended).sort((a, b) => a.from - b.from);
      for (const { name, from, to } of within) {
        const nth = (seen.get(name) ?? 0) + 1;
        seen.set(name, nth);
        const step = `${role} ${name}${nth > 1 ? ` (${nth})` : ''}`;
        found.set(step, [...(found.get(step) ?? []), { at: from - started, takes: to - from }]);
      }
    }
  }
  return [...found]
    .filter(([, times]) => times.length >= turns.started.length * COMMON)
    .map(([name, times]) => ({
      name,
      at: median(times.map(({ at }) => at)),
      takes: median(times.map(({ takes }) => takes)),
      turns: times.length,
    }))
    .sort((a, b) => a.at - b.at);
}

function ms(value: number): string {
  return value.toFixed(2).padStart(7);
}
