import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildPrompt } from '../../src/harness/prompt.ts';
import type { LogEntry } from '../../src/session/event.ts';
import { isInput } from '../../src/session/event.ts';
import { nextStep } from '../../src/session/next-step.ts';
import { emptyState, type SessionState } from '../../src/session/session-state.ts';
import { fold } from '../../src/session/state.ts';
import { CASES_TIMEOUT_MS, cases } from '../support/cases.ts';
import { testAgent } from '../support/harness.ts';
import { refusalOf } from '../support/request-rules.ts';
import { life, live } from '../support/turn-life.ts';

/** Whatever people do and Claude answers, whenever workers die: logs as the real turn leaves them. */
describe('any life of a session', () => {
  it(
    'asks the API for nothing that it refuses, comes to rest, and repeats nothing blindly',
    async () => {
      await fc.assert(
        fc.asyncProperty(life, async (wakes) => {
          const { log, effects } = await live(wakes);
          const end = nextStep(fold(log.entries)).do;
          expect(end).toMatch(/^(rest|wait)$/);
          const once = effects.filter((effect) => !effect.startsWith('read '));
          expect(new Set(once).size).toBe(once.length);
          const results = resultsPerCall(log.entries);
          expect(results.filter((count) => count > 1)).toEqual([]);
          // While a call waits for a person, so do the messages that came after it.
          if (end === 'rest') {
            expect(results.filter((count) => count === 0)).toEqual([]);
            expect(unprocessed(log.entries)).toEqual([]);
          }
        }),
        cases(400),
      );
    },
    CASES_TIMEOUT_MS,
  );

  it(
    'can be read in pieces, from any place on and from a checkpoint, and always says what to do next',
    async () => {
      await fc.assert(
        fc.asyncProperty(life, fc.infiniteStream(fc.nat(5)), async (wakes, sizes) => {
          const { entries } = (await live(wakes)).log;
          let inPieces = emptyState();
          for (let at = 0; at < entries.length; ) {
            const size = sizes.next().value ?? 1;
            const before = freeze(inPieces);
            const checkpoint: SessionState = JSON.parse(JSON.stringify(before));
            inPieces = fold(entries.slice(at, at + size), before);
            expect(fold(entries.slice(at, at + size), checkpoint)).toEqual(inPieces);
            at += size;
            isReady(inPieces);
          }
          expect(inPieces).toEqual(fold(entries));
          for (const { seq } of entries) isReady(fold(entries.slice(0, seq)));
        }),
        cases(100),
      );
    },
    CASES_TIMEOUT_MS,
  );
});

/** It says what to do, and if that is to ask Claude, the request is one that the API takes. */
function isReady(state: SessionState): void {
  const next = nextStep(state);
  const prompt = buildPrompt(state, testAgent(), []);
  if (next.do === 'ask_model' && state.queued.length === 0) expect(refusalOf(prompt)).toBeNull();
}

function resultsPerCall(entries: readonly LogEntry[]): number[] {
  const counts = new Map<string, number>();
  const add = (id: string, count: number) => counts.set(id, (counts.get(id) ?? 0) + count);
  for (const { event } of entries) {
    if (event.type === 'agent.tool_use' || event.type === 'agent.custom_tool_use') add(event.id, 0);
    if (event.type === 'agent.tool_result') add(event.tool_use_id, 1);
    if (event.type === 'user.custom_tool_result') add(event.custom_tool_use_id, 1);
  }
  return [...counts.values()];
}

/** Inputs that no turn has marked as processed. */
function unprocessed(entries: readonly LogEntry[]): string[] {
  const marked = new Set(
    entries.flatMap(({ event }) => (event.type === 'deckhand.input_processed' ? event.event_ids : [])),
  );
  return entries.flatMap(({ event }) => (isInput(event) && !marked.has(event.id) ? [event.type] : []));
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const one of Object.values(value)) freeze(one);
  }
  return value;
}
