import type { BetaContentBlock } from '@anthropic-ai/sdk/resources/beta/messages/messages';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Actor, LogEntry, NewEntry, SessionEvent } from '../../../src/session/event.ts';
import { DECKHAND } from '../../../src/session/log.ts';
import { nextStep } from '../../../src/session/next-step.ts';
import { emptyState, type SessionState } from '../../../src/session/session-state.ts';
import { fold } from '../../../src/session/state.ts';
import { cases } from '../../support/cases.ts';
import {
  agentMessage,
  customCall,
  idle,
  note,
  processed,
  running,
  terminated,
  usage,
  userMessage,
} from '../../support/entries.ts';

const ANA: Actor = { via: 'web', id: 'ana', name: 'Ana' };
const BEN: Actor = { via: 'web', id: 'ben', name: 'Ben' };
const AT = '2026-11-20T12:00:00.000Z';

function entriesOf(news: NewEntry[], from = 0): LogEntry[] {
  return news.map((entry, index) => ({ seq: from + index + 1, created_at: new Date(AT), ...entry }));
}

const stateOf = (...news: NewEntry[]): SessionState => fold(entriesOf(news));
const stepOf = (...news: NewEntry[]) => nextStep(stateOf(...news));
const event = (one: SessionEvent): NewEntry => ({ event: one });

function reply(uses: Record<string, string> = {}, content: unknown[] = [{ type: 'text', text: 'ok' }]): NewEntry {
  return event({
    id: 'sevt_reply',
    type: 'deckhand.model_reply',
    model: 'm',
    content: content as BetaContentBlock[],
    stop_reason: 'end_turn',
    tool_use_events: uses,
    cost_micro_usd: 1500,
    processed_at: AT,
  });
}

function call(id: string, evaluated_permission: 'allow' | 'ask' | 'deny'): NewEntry {
  return event({ id, type: 'agent.tool_use', name: 'bash', input: {}, evaluated_permission, processed_at: AT });
}

function result(id: string, text = 'done', is_error = false): NewEntry {
  const content = [{ type: 'text' as const, text }];
  return event({ id: `r_${id}`, type: 'agent.tool_result', tool_use_id: id, content, is_error, processed_at: AT });
}

function confirm(id: string, verdict: 'allow' | 'deny', by: Actor = ANA, deny_message?: string): NewEntry {
  return {
    event: {
      id: `c_${id}`,
      type: 'user.tool_confirmation',
      tool_use_id: id,
      result: verdict,
      ...(deny_message === undefined ? {} : { deny_message }),
      processed_at: null,
    },
    by,
  };
}

/** The answer was cut off. */
function failed(): NewEntry {
  const error = { type: 'unknown_error' as const, message: 'Cut off.', retry_status: { type: 'exhausted' as const } };
  return event({ id: 'sevt_error', type: 'session.error', processed_at: AT, error });
}

function interrupt(id = 'sevt_stop'): NewEntry {
  return { event: { id, type: 'user.interrupt', processed_at: null }, by: BEN };
}

describe('the fold', () => {
  it('of nothing is an idle session that rests', () => {
    expect(fold([])).toEqual(emptyState());
    expect(nextStep(emptyState())).toEqual({ do: 'rest' });
  });

  it('of a run that is over but for its files ends it, whatever else is queued, unless somebody presses Stop', () => {
    const end = { stop_reason: { type: 'end_turn' as const }, stop_details: null, answered: 2 };
    const ending = event({ id: 'sevt_ending', type: 'deckhand.run_ending', processed_at: AT, ...end });
    const asked = userMessage('a', ANA);
    const run = [asked, running(), processed(asked.event.id), reply(), ending];
    expect(stepOf(...run)).toEqual({ do: 'end', end });
    expect(stepOf(...run, userMessage('b', BEN))).toEqual({ do: 'end', end });
    expect(stepOf(...run, userMessage('b', BEN), interrupt())).toEqual({ do: 'interrupt' });
    expect(stepOf(...run, idle())).toEqual({ do: 'rest' });
    expect(stepOf(...run, userMessage('b', BEN), idle())).toEqual({ do: 'ask_model' });
  });

  it('tells the agent what people were told of its files, once and before their next message', () => {
    const [a, b, c] = [userMessage('a', ANA), userMessage('b', BEN), userMessage('c', ANA)];
    const withheld = event({
      id: 'sevt_withheld',
      type: 'deckhand.output_withheld',
      processed_at: AT,
      files: [],
      waiting: 1,
      text: 'One.\nTwo.',
    });
    const run = [a, running(), processed(a.event.id), reply(), withheld, idle()];
    expect(stepOf(...run)).toEqual({ do: 'rest' });
    const { transcript, untold } = stateOf(...run, b, processed(b.event.id), reply(), c, processed(c.event.id));
    expect(untold).toEqual([]);
    expect(transcript.map(({ role }) => role)).toEqual(['user', 'assistant', 'system', 'user', 'assistant', 'user']);
    expect(JSON.stringify(transcript[2])).toContain('/mnt/session/outputs:\\n> One.\\n> Two.');
  });

  it('refuses a gap, a repetition and a wrong start', () => {
    const [one, two, three] = entriesOf([note('1'), note('2'), note('3')]);
    const of = (...entries: Array<LogEntry | undefined>) => entries.filter((entry) => entry !== undefined);
    expect(() => fold(of(one, three))).toThrow(/gap/);
    expect(() => fold(of(one, one))).toThrow(/gap/);
    expect(() => fold(of(two))).toThrow(/gap/);
  });

  it('keeps messages queued until they are taken up, in their order and with who sent them', () => {
    const [a, b] = [userMessage('a', ANA), userMessage('b', BEN)];
    const queued = stateOf(a, b);
    expect(queued.transcript).toEqual([]);
    expect(queued.queued.map((one) => one.by)).toEqual([ANA, BEN]);
    expect(nextStep(queued)).toEqual({ do: 'ask_model' });
    const taken = stateOf(a, b, processed(a.event.id));
    expect(taken.transcript).toMatchObject([{ role: 'user', by: ANA, content: [{ text: 'a' }] }]);
    expect(taken.queued.map((one) => one.event_id)).toEqual([b.event.id]);
    expect(taken.requesters).toEqual([ANA]);
  });

  it('counts all who spoke since the last turn that came to its end as requesters, each once, the first one first', () => {
    const [a, b, c] = [userMessage('a', ANA), userMessage('faster', BEN), userMessage('and now', ANA)];
    const log = [a, running(), processed(a.event.id), reply({}), b, c, processed(b.event.id, c.event.id)];
    expect(stateOf(...log).requesters).toEqual([ANA, BEN]);
    const d = userMessage('go on', BEN);
    const goesOn = (end: NewEntry) => stateOf(...log, end, d, running(), processed(d.event.id)).requesters;
    expect(goesOn(idle('budget_reached'))).toEqual([ANA, BEN]);
    expect(goesOn(idle('end_turn'))).toEqual([BEN]);
    const stop = interrupt();
    const stopped = [stop, processed(stop.event.id), idle('end_turn'), d, running(), processed(d.event.id)];
    expect(stateOf(...log, ...stopped).requesters).toEqual([ANA, BEN]);
    expect(stateOf(...log, failed(), idle('end_turn'), d, running(), processed(d.event.id)).requesters).toEqual([
      ANA,
      BEN,
    ]);
    // Nobody spoke since: whatever goes on is still theirs.
    expect(stateOf(...log, idle('end_turn'), running()).requesters).toEqual([ANA, BEN]);
  });

  it('counts nobody for what was said before, which is handed over with the first message', () => {
    const [before, asked] = [userMessage('> Ben: it is red', DECKHAND), userMessage('why?', ANA)];
    expect(stateOf(before, asked, running(), processed(before.event.id, asked.event.id)).requesters).toEqual([ANA]);
  });

  it('gathers the results of one reply, whatever their order, in the order of its calls', () => {
    const log = [reply({ toolu_1: 'e1', toolu_2: 'e2' }), call('e1', 'allow'), call('e2', 'allow')];
    const half = stateOf(...log, result('e2', 'second'));
    expect(half.transcript.at(-1)?.role).toBe('assistant');
    const whole = stateOf(...log, result('e2', 'second', true), result('e1', 'first'));
    expect(whole.transcript.at(-1)).toMatchObject({
      role: 'tools',
      results: [
        { tool_use_id: 'toolu_1', content: [{ text: 'first' }], is_error: false },
        { tool_use_id: 'toolu_2', content: [{ text: 'second' }], is_error: true },
      ],
    });
    expect(whole.calls).toEqual([]);
  });

  it('takes the first result and the first confirmation of a call, and no more', () => {
    const log = [reply({ t1: 'e1', t2: 'e2' }), call('e1', 'ask'), call('e2', 'ask')];
    const state = stateOf(
      ...log,
      confirm('e1', 'deny', ANA, 'no'),
      confirm('e1', 'allow', BEN),
      result('e1', 'x'),
      result('e1', 'y'),
    );
    expect(state.calls[0]).toMatchObject({
      confirmation: { result: 'deny', message: 'no', by: ANA },
      result: { content: [{ text: 'x' }] },
    });
    expect(state.unmarked).toEqual(['c_e1', 'c_e1']);
  });

  it('remembers which calls may have had an effect', () => {
    const started = event({
      id: 's',
      type: 'deckhand.tool_started',
      tool_use_ids: ['e2'],
      worker: 'wkr_1',
      processed_at: AT,
    });
    const state = stateOf(reply({ t1: 'e1', t2: 'e2' }), call('e1', 'allow'), call('e2', 'allow'), started);
    expect(state.calls.map((one) => one.starts)).toEqual([0, 1]);
  });

  it('adds up what requests cost, and knows when it does not know', () => {
    expect(stateOf(reply(), reply())).toMatchObject({ cost_micro_usd: 3000, unpriced: false });
    const { event: priced } = reply();
    const unpriced = { ...priced, cost_micro_usd: null } as SessionEvent;
    expect(stateOf(reply(), event(unpriced))).toMatchObject({ cost_micro_usd: 1500, unpriced: true });
  });

  it('forgets what a compaction stands for, but still begins with the user', () => {
    const older = userMessage('older');
    const message = userMessage('old');
    const compacted = reply({}, [
      { type: 'compaction', content: 'summary' },
      { type: 'text', text: 'ok' },
    ]);
    const both = processed(older.event.id, message.event.id);
    const state = stateOf(older, message, both, reply(), compacted);
    expect(state.transcript.map((item) => item.role)).toEqual(['user', 'assistant']);
    expect(state.transcript[0]).toMatchObject({ content: [{ text: 'old' }] });
  });

  it('follows status, stop reason and usage', () => {
    expect(stateOf(running())).toMatchObject({ status: 'running', stopped: false });
    expect(stateOf(running(), usage('7'), idle())).toMatchObject({
      status: 'idle',
      stop_reason: { type: 'end_turn' },
      stopped: true,
      running_since: null,
      usage: { list_cost: { amount: '7' } },
    });
    expect(stateOf(running(), terminated()).status).toBe('terminated');
  });

  it('counts failures until something goes right or somebody says something', () => {
    const failed = event({
      id: 'x',
      type: 'session.error',
      error: { type: 'unknown_error', message: 'm', retry_status: { type: 'retrying' } },
      processed_at: AT,
    });
    expect(stateOf(failed, failed).failures).toBe(2);
    expect(stateOf(failed, reply()).failures).toBe(0);
    const message = userMessage('again');
    expect(stateOf(failed, message, processed(message.event.id)).failures).toBe(0);
  });

  it('in two parts is the fold of the whole, leaves the first part as it was, and survives JSON', () => {
    const message = userMessage('a', ANA);
    const story: NewEntry[] = [
      message,
      running(),
      processed(message.event.id),
      reply({ t1: 'e1', t2: 'e2', t3: 'e3' }),
      call('e1', 'allow'),
      call('e2', 'ask'),
      customCall('e3'),
      result('e1'),
      userMessage('b', BEN),
      confirm('e2', 'allow'),
      result('e2'),
      interrupt(),
      event({ id: 'u', type: 'user.custom_tool_result', custom_tool_use_id: 'e3', processed_at: null }),
      processed('sevt_stop', 'u', 'c_e2'),
      usage('3'),
      agentMessage('x'),
      idle(),
    ];
    const whole = fold(entriesOf(story));
    fc.assert(
      fc.property(fc.nat(story.length), fc.nat(story.length), (one, two) => {
        const [first, second] = [Math.min(one, two), Math.max(one, two)];
        const start = fold(entriesOf(story.slice(0, first)));
        const before = structuredClone(start);
        const checkpoint: SessionState = JSON.parse(
          JSON.stringify(fold(entriesOf(story.slice(first, second), first), start)),
        );
        expect(start).toEqual(before);
        expect(fold(entriesOf(story.slice(second), second), checkpoint)).toEqual(whole);
      }),
      cases(),
    );
  });
});

describe('the next step', () => {
  const asked = [reply({ t1: 'e1', t2: 'e2' }), call('e1', 'ask'), call('e2', 'allow')];

  it('is to answer an interrupt before anything else', () => {
    expect(stepOf(...asked, userMessage('x'), interrupt())).toEqual({ do: 'interrupt' });
    expect(stepOf(interrupt(), processed('sevt_stop'))).toEqual({ do: 'rest' });
  });

  it('is to run what may run, and to wait for people only then', () => {
    const step = stepOf(...asked);
    expect(step).toMatchObject({ do: 'resolve', calls: [{ event_id: 'e2' }], waiting: [{ event_id: 'e1' }] });
    expect(stepOf(...asked, result('e2'))).toMatchObject({ do: 'wait', waiting: [{ event_id: 'e1' }] });
    expect(stepOf(...asked, result('e2'), userMessage('x')).do).toBe('wait');
  });

  it('is to resolve a call that was decided, either way, and one that was refused', () => {
    expect(stepOf(...asked, result('e2'), confirm('e1', 'deny'))).toMatchObject({
      do: 'resolve',
      calls: [{ event_id: 'e1' }],
    });
    expect(stepOf(...asked, result('e2'), confirm('e1', 'allow'))).toMatchObject({ do: 'resolve', waiting: [] });
    expect(stepOf(reply({ t1: 'e1' }), call('e1', 'deny')).do).toBe('resolve');
  });

  it('is to wait for a custom tool’s client', () => {
    expect(stepOf(reply({ t1: 'e1' }), customCall('e1'))).toMatchObject({ do: 'wait', waiting: [{ event_id: 'e1' }] });
  });

  it('is to ask Claude when all results are there, also after a pause for a person', () => {
    const waiting = event({
      id: 'i',
      type: 'session.status_idle',
      stop_reason: { type: 'requires_action', event_ids: ['e1'] },
      stop_details: null,
      processed_at: AT,
    });
    const log = [running(), ...asked, result('e2'), waiting, confirm('e1', 'allow'), result('e1')];
    expect(stepOf(...log)).toEqual({ do: 'ask_model' });
    expect(stepOf(...log, idle())).toEqual({ do: 'rest' });
  });

  it('is to rest after an answer, an end or a lost budget, until something new comes', () => {
    const message = userMessage('a');
    const log = [message, running(), processed(message.event.id), reply()];
    expect(stepOf(...log)).toEqual({ do: 'rest' });
    expect(stepOf(...log, idle(), userMessage('b'))).toEqual({ do: 'ask_model' });
    expect(stepOf(...log, terminated(), userMessage('b'))).toEqual({ do: 'rest' });
  });

  it('is to go on when a budget that stopped the run was raised', () => {
    const message = userMessage('a');
    const stopped = [message, running(), processed(message.event.id), idle('budget_reached')];
    expect(stepOf(...stopped)).toEqual({ do: 'rest' });
    const updated = (more: object) => event({ id: 'u', type: 'session.updated', processed_at: AT, ...more });
    expect(stepOf(...stopped, updated({ title: 't' }))).toEqual({ do: 'rest' });
    expect(stepOf(...stopped, updated({ budget: null }))).toEqual({ do: 'ask_model' });
  });
});
