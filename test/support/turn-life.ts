import type { BetaContentBlock, BetaMessage } from '@anthropic-ai/sdk/resources/beta/messages/messages';
import fc from 'fast-check';
import { createInterruptBell } from '../../src/harness/interrupt-bell.ts';
import type { AskModel, ModelOutcome } from '../../src/harness/model.ts';
import { createStateCache } from '../../src/harness/state-cache.ts';
import { takeTurn } from '../../src/harness/turn.ts';
import type { TurnDeps, TurnSession } from '../../src/harness/turn-parts.ts';
import { createTurnsHere } from '../../src/harness/turns-here.ts';
import { silentLogger } from '../../src/logger.ts';
import { type BroughtMessages, messagesOf } from '../../src/session/brought-messages.ts';
import type { CheckpointStore } from '../../src/session/checkpoint-store.ts';
import { type Actor, isInput, type NewEntry } from '../../src/session/event.ts';
import { derivedId, newId } from '../../src/session/id.ts';
import type { SessionRef } from '../../src/session/log.ts';
import { emptyState } from '../../src/session/session-state.ts';
import { fold } from '../../src/session/state.ts';
import { WorkspaceLostError } from '../../src/tools/workspace.ts';
import { testAgent, testTools } from './harness.ts';
import { createMemoryHints } from './memory-hints.ts';
import { createMemoryLog, type MemoryLog } from './memory-log.ts';
import { refusalOf } from './request-rules.ts';

/** Something from outside that lands in the log. Calls are chosen among all that there were. */
export type Input =
  | { kind: 'message'; texts: string[]; by: Actor | null; note: boolean }
  | { kind: 'stop' }
  | { kind: 'decision'; call: number; result: 'allow' | 'deny' }
  | { kind: 'custom_result'; call: number; text: string };

/** What Claude answers, and what arrives while it does. At a `cut` its worker is told to stop. */
export interface Answer {
  outcome: 'replied' | 'failed' | 'refused_for_good' | 'cut';
  blocks: Block[];
  stop_reason: 'end_turn' | 'tool_use' | 'max_tokens' | 'refusal' | 'pause_turn' | 'model_context_window_exceeded';
  meanwhile: Input[];
}

type Block =
  | { kind: 'text'; text: string }
  | { kind: 'thinking' }
  | { kind: 'compaction' }
  | { kind: 'call'; name: string; input: 'good' | 'bad' };

/** One wake of the session: what arrived before, and after how many appends its worker dies. */
export interface Wake {
  inputs: Input[];
  answers: Answer[];
  dies_after: number | null;
  hands_over: boolean;
  /** The agent has left files on this machine, whose sandbox is out of order. */
  leaves: boolean;
}

const ANA: Actor = { via: 'slack', id: 'U1', name: 'Ana' };
const REF: SessionRef = { workspace_id: 'wrkspc_test', session_id: 'sesn_life' };

const words = fc.constantFrom('hello', '', ' ', '\n', '<sender name="Eve" id="x:y"/>', 'é😀');
const input: fc.Arbitrary<Input> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('message' as const),
      texts: fc.array(words, { minLength: 1, maxLength: 2 }),
      by: fc.constantFrom(ANA, { via: 'api', id: 'key_1', name: 'a key' }, null),
      note: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'stop' as const }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('decision' as const),
      call: fc.nat(1),
      result: fc.constantFrom('allow', 'allow', 'deny'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('custom_result' as const), call: fc.nat(1), text: words }) },
);
const block: fc.Arbitrary<Block> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('text' as const), text: words }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'thinking' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'compaction' as const }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('call' as const),
      name: fc.constantFrom('bash', 'write', 'write', 'read', 'lookup', 'unheard_of'),
      input: fc.constantFrom('good', 'good', 'bad'),
    }),
  },
);
const answer: fc.Arbitrary<Answer> = fc.record({
  outcome: fc.oneof(
    { weight: 7, arbitrary: fc.constant('replied' as const) },
    { weight: 1, arbitrary: fc.constantFrom('failed' as const, 'refused_for_good' as const, 'cut' as const) },
  ),
  blocks: fc.array(block, { maxLength: 3 }),
  stop_reason: fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom('end_turn' as const, 'tool_use' as const) },
    {
      weight: 1,
      arbitrary: fc.constantFrom('max_tokens', 'refusal', 'pause_turn', 'model_context_window_exceeded'),
    },
  ),
  meanwhile: fc.array(input, { maxLength: 1 }),
});
const wake: fc.Arbitrary<Wake> = fc.record({
  inputs: fc.array(input, { maxLength: 2 }),
  answers: fc.array(answer, { maxLength: 4 }),
  dies_after: fc.option(fc.nat(4), { freq: 2 }),
  hands_over: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  leaves: fc.boolean(),
});

/** A session's life: wakes one after another, each of which anything may interrupt. */
export const life: fc.Arbitrary<Wake[]> = fc.array(wake, { minLength: 1, maxLength: 5 });

export interface LivedLife {
  log: MemoryLog;
  /** What tools did, each with an argument of its own. */
  effects: string[];
}

/** Live it with the real turn; at the end nothing is owed. @throws Error for a request that the API would refuse */
export async function live(wakes: readonly Wake[]): Promise<LivedLife> {
  const bell = createInterruptBell();
  const log = createMemoryLog(REF, (entries) => {
    if (!entries.some(({ event }) => isInput(event))) return;
    brought = messagesOf(entries);
    bell.ring(REF.session_id);
  });
  /** Of the latest wake, which by now may be old. */
  let brought: BroughtMessages | null = null;
  const effects: string[] = [];
  let calls = 0;
  let states = createStateCache(NO_CHECKPOINTS);

  function reply({ blocks, stop_reason }: Answer): BetaMessage {
    const content = blocks.map((one): BetaContentBlock => {
      if (one.kind === 'text') return { type: 'text', text: one.text, citations: null };
      if (one.kind === 'thinking') return { type: 'thinking', thinking: 'hm', signature: 'x' };
      if (one.kind === 'compaction') return { type: 'compaction', content: 'so far', encrypted_content: null };
      calls += 1;
      const input = one.input === 'good' ? { text: `call ${calls}` } : { 'a\0b': calls };
      return { type: 'tool_use', id: `toolu_${calls}`, name: one.name, input };
    });
    return { content, stop_reason, stop_details: null, usage: { input_tokens: 1, output_tokens: 1 } } as BetaMessage;
  }

  function asker(answers: Answer[], stopping: AbortController): AskModel {
    return async (request, _listener, signal) => {
      const refusal = refusalOf(request);
      if (refusal !== null) throw new Error(`The API would refuse: ${refusal}\n${JSON.stringify(request.messages)}`);
      const next = answers.shift() ?? QUIET;
      for (const one of next.meanwhile) await send(log, one);
      if (next.outcome === 'cut') stopping.abort();
      // Whatever was rung for has been looked at then.
      await new Promise((resolve) => setImmediate(resolve));
      return outcomeOf(next, signal);
    };
  }

  function outcomeOf(next: Answer, signal: AbortSignal): ModelOutcome {
    const message = reply(next);
    if (signal.aborted) {
      const said = message.content.filter((one) => one.type === 'text').filter(({ text }) => text.trim() !== '');
      return { kind: 'aborted', said, usage: message.usage };
    }
    if (next.outcome === 'replied') return { kind: 'replied', message };
    const retryable = next.outcome === 'failed';
    const failure = { type: 'unknown_error' as const, message: 'It failed.', retryable, retry_after_ms: 0 };
    return { kind: 'failed', failure, usage: null };
  }

  async function wakeUp({ answers, dies_after, hands_over, leaves }: Wake): Promise<void> {
    const stopping = new AbortController();
    if (hands_over) stopping.abort();
    const deps: TurnDeps = {
      log: dies_after === null ? log : log.seenByMortal(dies_after),
      ask: asker([...answers], stopping),
      images: { get: async () => null },
      files: NO_FILES,
      tools: testTools(effects),
      bell,
      here: createTurnsHere(),
      states,
      hints: createMemoryHints(),
      logger: silentLogger,
      sessionOf: () => ({ ...SESSION, hasOutputs: async () => leaves }),
      approvals: { record: async () => undefined, now: async () => Date.now() },
      worker_id: newId('wkr'),
      now: Date.now,
      jitter: () => 0,
      timings: { lease_ms: 60_000, retry_ms: 0, retry_max_ms: 0, max_failures: 3 },
    };
    const request = brought === null ? REF : { ...REF, messages: brought };
    await takeTurn(deps, request, stopping.signal).catch((error: unknown) => {
      if (!(error instanceof Error) || error.message !== 'this worker is dead') throw error;
    });
    log.runOut();
    if (dies_after !== null) states = createStateCache(NO_CHECKPOINTS);
  }

  for (const one of wakes) {
    for (const each of one.inputs) await send(log, each);
    await wakeUp(one);
  }
  for (let count = 0; (await log.head(REF)).owed; count++) {
    if (count > 20) throw new Error('The session never comes to rest');
    await wakeUp({ inputs: [], answers: [], dies_after: null, hands_over: false, leaves: true });
  }
  return { log, effects };
}

const QUIET: Answer = {
  outcome: 'replied',
  blocks: [{ kind: 'text', text: 'ok' }],
  stop_reason: 'end_turn',
  meanwhile: [],
};

/** Lives are too short for them. */
const NO_CHECKPOINTS: CheckpointStore = {
  load: async () => null,
  save: async () => undefined,
};

const noFile = () => Promise.reject(new Error('no files in this test'));
const NO_FILES: TurnDeps['files'] = { max_bytes: 0, keep: noFile, withKey: noFile };

const SESSION: TurnSession = {
  agent: testAgent(),
  budget: null,
  approval_policy: { approvers: [], four_eyes: false, remind_after_ms: null, expire_after_ms: null },
  closed: false,
  hasOutputs: async () => false,
  expectHands: () => undefined,
  openWorkspace: () => Promise.reject(new WorkspaceLostError('no workspace in this test')),
};

async function send(log: MemoryLog, sent: Input): Promise<void> {
  const entries = entriesOf(log, sent);
  if (entries.length > 0) await log.appendInputs(REF, entries);
}

function pick<T>(from: readonly T[], index: number): T | undefined {
  return from[index % Math.max(1, from.length)];
}

/** As the API and chat would put it into the log: nothing for a call that does not wait for it. */
function entriesOf(log: MemoryLog, sent: Input): NewEntry[] {
  const base = { id: newId('sevt'), processed_at: null };
  const open = fold(log.entries, emptyState()).calls;
  switch (sent.kind) {
    case 'message': {
      const content = sent.texts.map((text) => ({ type: 'text' as const, text }));
      const by = sent.by === null ? {} : { by: sent.by };
      const note = {
        ...base,
        id: newId('sevt'),
        type: 'system.message' as const,
        content: [{ type: 'text' as const, text: 'n' }],
      };
      return [{ event: { ...base, type: 'user.message', content }, ...by }, ...(sent.note ? [{ event: note }] : [])];
    }
    case 'stop':
      return [{ event: { ...base, type: 'user.interrupt' }, by: ANA }];
    case 'decision': {
      const call = pick(
        open.filter((one) => one.permission === 'ask' && one.confirmation === null),
        sent.call,
      );
      if (call === undefined) return [];
      const { event_id: tool_use_id } = call;
      const approval_id = derivedId('appr', tool_use_id);
      const outcome = sent.result === 'allow' ? 'allowed' : 'denied';
      const decided = { ...base, id: newId('sevt'), processed_at: '2026-01-01T00:00:00Z', approval_id, tool_use_id };
      return [
        { event: { ...decided, type: 'deckhand.approval_decided', outcome, by: ANA, reason: null } },
        { event: { ...base, type: 'user.tool_confirmation', tool_use_id, result: sent.result }, by: ANA },
      ];
    }
    case 'custom_result': {
      const call = pick(
        open.filter((one) => one.kind === 'custom' && one.result === null),
        sent.call,
      );
      if (call === undefined) return [];
      const content = [{ type: 'text' as const, text: sent.text }];
      return [{ event: { ...base, type: 'user.custom_tool_result', custom_tool_use_id: call.event_id, content } }];
    }
    default:
      return sent satisfies never;
  }
}
