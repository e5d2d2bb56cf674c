import { expect, test } from 'vitest';
import type { EventOf, LogEntry, SessionEvent } from '../../../src/session/event.ts';
import { derivedId } from '../../../src/session/id.ts';
import { emptyLog } from '../../../src/session/log-document.ts';
import type { JournalEntry } from '../../support/slack/web-api.ts';
import type { SlackMessage, SlackMetadata } from '../../support/slack/workspace.ts';
import { CHECKS, check } from '../../support/soak/checker.ts';
import type { Evidence, Sent, SessionEvidence } from '../../support/soak/evidence.ts';
import { jobText } from '../../support/soak/jobs.ts';

const AT = '2026-11-21T12:00:00.000Z';
const THREAD = { channel: 'C1', thread: '1.1' };
const JOB = { id: 's1m1', kind: 'steps', size: 1 } as const;

/** One session of a soak that went well: a command, an edit that people approved, an answer. */
function session(): SessionEvidence {
  const events: SessionEvent[] = [
    { id: 'sevt_in', type: 'user.message', content: [{ type: 'text', text: jobText(JOB) }], processed_at: AT },
    { id: 'sevt_run', type: 'session.status_running', processed_at: AT },
    { id: 'sevt_ask', type: 'span.model_request_start', processed_at: AT },
    { id: 'sevt_text', type: 'agent.message', content: [{ type: 'text', text: 'working on it' }], processed_at: AT },
    toolUse('sevt_bash', 'bash', { command: "echo 's1m1.1.1' >> trace; sleep 0.3" }),
    toolUse('sevt_make', 'bash', { command: 'printf x > s1m1.1.edit' }),
    {
      id: 'sevt_go',
      type: 'deckhand.tool_started',
      tool_use_ids: ['sevt_bash', 'sevt_make'],
      worker: 'w',
      processed_at: AT,
    },
    toolUse('sevt_edit', 'edit', { file_path: 's1m1.1.edit' }),
    question('sevt_question', 'sevt_edit'),
    {
      id: 'sevt_answered',
      type: 'span.model_request_end',
      model_request_start_id: 'sevt_ask',
      is_error: false,
      model_usage: {
        input_tokens: 0,
        output_tokens: 0,
        cache_creation_input_tokens: 0,
        cache_read_input_tokens: 0,
      },
      processed_at: AT,
    },
    result('sevt_result_1', 'sevt_bash'),
    result('sevt_result_0', 'sevt_make'),
    idle('sevt_wait', 'requires_action'),
    { id: 'sevt_yes', type: 'user.tool_confirmation', tool_use_id: 'sevt_edit', result: 'allow', processed_at: AT },
    decision('sevt_decided', 'sevt_edit', 'allowed'),
    { id: 'sevt_go_2', type: 'deckhand.tool_started', tool_use_ids: ['sevt_edit'], worker: 'w', processed_at: AT },
    result('sevt_result_2', 'sevt_edit'),
    { id: 'sevt_end', type: 'agent.message', content: [{ type: 'text', text: 'done (s1m1)' }], processed_at: AT },
    idle('sevt_idle', 'end_turn'),
  ];
  const head = { ...emptyLog(), seq: events.length };
  return { id: 'sesn_1', conversation: THREAD, head, entries: placed(events), copied: [] };
}

function placed(events: readonly SessionEvent[]): LogEntry[] {
  return events.map((event, index) => ({ seq: index + 1, created_at: new Date(AT), event }));
}

function toolUse(id: string, name: string, input: Record<string, unknown>): SessionEvent {
  return { id, type: 'agent.tool_use', name, input, evaluated_permission: 'allow', processed_at: AT };
}

function approvalOf(tool_use_id: string): string {
  return tool_use_id.replace('sevt', 'appr');
}

function question(id: string, tool_use_id: string): SessionEvent {
  return {
    id,
    type: 'deckhand.approval_requested',
    approval_id: approvalOf(tool_use_id),
    tool_use_id,
    tool_name: 'edit',
    summary: '',
    detail: '',
    requested_by: null,
    policy: { approvers: [], four_eyes: false, remind_after_ms: null, expire_after_ms: null },
    processed_at: AT,
  };
}

function decision(id: string, tool_use_id: string, outcome: 'allowed' | 'denied'): SessionEvent {
  return {
    id,
    type: 'deckhand.approval_decided',
    approval_id: approvalOf(tool_use_id),
    tool_use_id,
    outcome,
    by: null,
    reason: null,
    processed_at: AT,
  };
}

function result(id: string, tool_use_id: string, is_error = false): SessionEvent {
  return { id, type: 'agent.tool_result', tool_use_id, content: [], is_error, processed_at: AT };
}

function idle(id: string, type: 'end_turn' | 'requires_action' | 'retries_exhausted' | 'refusal'): SessionEvent {
  const stop_reason = type === 'requires_action' ? { type, event_ids: ['sevt_edit'] } : { type };
  return { id, type: 'session.status_idle', stop_reason, stop_details: null, processed_at: AT };
}

function post(event_id: string, text: string, over: Partial<SlackMessage> = {}): SlackMessage {
  return {
    ts: event_id,
    channel: THREAD.channel,
    thread_ts: THREAD.thread,
    user: 'U0',
    bot_id: 'B0',
    text,
    blocks: [],
    metadata: delivery(event_id),
    ...over,
  };
}

function delivery(event_id: string): SlackMetadata {
  return { event_type: 'deckhand_delivery', event_payload: { delivery_id: derivedId('dlv', event_id) } };
}

function call(
  at: number,
  method: string,
  args: JournalEntry['args'],
  outcome = 'ok',
  wait?: JournalEntry['wait'],
): JournalEntry {
  const entry = { came_at: at, at, caller: 'life-3', method, team_id: 'T1', args, outcome };
  return wait === undefined ? entry : { ...entry, wait };
}

function evidence(): Evidence {
  return {
    unrest: null,
    sent: [{ id: 's1m1', session: 's1', for_bot: true, place: THREAD, outcome: 'acked' }],
    refusals: [],
    sessions: [session()],
    approvals: [{ id: 'appr_edit', session_id: 'sesn_1', status: 'allowed', record: { detail: 'an edit' } }],
    traces: [
      {
        session_id: 'sesn_1',
        lines: ['s1m1.1.1'],
        edits: { 's1m1.1.edit': 'xx' },
        files: [{ path: '/x/seen', content: 'HOME=/' }],
      },
    ],
    journal: [
      call(1_000, 'chat.postMessage', { channel: 'C1', metadata: delivery('sevt_text') }),
      call(2_000, 'chat.postMessage', { channel: 'C1', metadata: delivery('sevt_question') }, '500'),
      call(2_500, 'chat.postMessage', { channel: 'C1', metadata: delivery('sevt_question') }),
      call(4_000, 'chat.update', { channel: 'C1', ts: 'sevt_question' }, '429', { over_at: 5_000, told_at: 4_010 }),
      // Another one, which was not told; one that was on its way; another place; and, when the time is over, the same again.
      { ...call(4_500, 'chat.update', { channel: 'C1', ts: 'sevt_text' }), caller: 'life-4' },
      call(4_015, 'chat.update', { channel: 'C1', ts: 'sevt_text' }),
      call(4_500, 'chat.startStream', { channel: 'C1', chunks: '[{"block_id":"delivery:dlv_other"}]' }, 'lost'),
      call(5_000, 'chat.update', { channel: 'C1', ts: 'sevt_question' }),
    ],
    presses: [
      { by: 'U1', card: { channel: 'C1', ts: 'sevt_question' }, at: 3_000, acked: true, modal: false },
      { by: 'U2', card: { channel: 'C1', ts: 'sevt_question' }, at: 9_000, acked: true, modal: true },
      { by: 'U2', card: { channel: 'C1', ts: 'sevt_question' }, at: 9_000, acked: false, modal: false },
    ],
    shown: { states: { 'C1:1.1': 'active' }, marks: [] },
    deliveries: [],
    timeline: [],
    messages: [post('sevt_text', 'working on it'), post('sevt_question', 'Approved'), post('sevt_end', 'done (s1m1)')],
    lives: [
      { ...told(1_000, 1_001), member: 'worker-1', pid: 1, fate: 'killed', end: 'SIGKILL', output: 'all is well' },
      { ...told(99_000, 99_500), member: 'worker-1', pid: 2, fate: 'stopped', end: 0, output: '' },
      { ...told(20_000, 36_000), member: 'gateway-1', pid: 3, fate: 'restarted', end: 1, output: '' },
      { ...told(60_000, 60_500), member: 'gateway-1', pid: 4, fate: 'restarted', end: 0, output: '' },
    ],
    outages: [{ service: 'mongodb', kind: 'cut', from: 18_000, until: 19_000 }],
    model_requests: [{ system: 'You are Deckhand.' }],
    leftovers: { processes: [], cgroups: [], mounts: [], folders: [], documents: [] },
    secrets: ['xoxb-secret'],
  };
}

function told(told_at: number, ended_at: number): { told_at: number; ended_at: number } {
  return { told_at, ended_at };
}

function theSession(from: Evidence): SessionEvidence {
  const [one] = from.sessions;
  if (one === undefined) throw new Error('There is a session');
  return one;
}

/** Put it where it belongs: a log without gaps, so that only what is planted is wrong. */
function change(from: Evidence, edit: (events: SessionEvent[]) => SessionEvent[]): void {
  const one = theSession(from);
  one.entries = placed(edit(one.entries.map(({ event }) => event)));
  one.head = { ...one.head, seq: one.entries.length };
}

const without = (id: string) => (events: SessionEvent[]) => events.filter((event) => event.id !== id);
const withAfter =
  (id: string, ...more: SessionEvent[]) =>
  (events: SessionEvent[]) =>
    events.flatMap((event) => (event.id === id ? [event, ...more] : [event]));
const instead = (id: string, other: SessionEvent) => (events: SessionEvent[]) =>
  events.map((event) => (event.id === id ? other : event));
/** The first start names this call alone. */
const begunOnly = (call: string) =>
  instead('sevt_go', {
    id: 'sevt_go',
    type: 'deckhand.tool_started',
    tool_use_ids: [call],
    worker: 'w',
    processed_at: AT,
  });

/** An event stands in the tail and as a copy, which differs by `over`. */
function copiedAs(from: Evidence, id: string, over: Partial<LogEntry>): void {
  const one = theSession(from);
  const tail = one.entries.find(({ event }) => event.id === id) ?? expect.unreachable();
  one.copied.push({ tail, copy: { ...tail, ...over } });
}

test('what went well has no violation', () => {
  expect(check(evidence())).toEqual([]);
});

test('what no stream could be begun for may be posted at once', () => {
  const from = evidence();
  from.journal.push(
    call(8_000, 'chat.startStream', { channel: 'C1' }, '429', { over_at: 9_000, told_at: 8_010 }),
    call(8_500, 'chat.postMessage', { channel: 'C1' }),
  );
  expect(check(from).filter(({ rule }) => rule === 'no call comes before its time')).toEqual([]);
});

test('an answer that broke off has none either where each of its posts says so', () => {
  const named = (delivery_id: string) => ({
    metadata: { event_type: 'deckhand_delivery', event_payload: { delivery_id } },
  });
  const from = evidence();
  from.messages.push(post('sevt_lost', 'line 1 *(broken off)*', named('dlv_lost')));
  from.messages.push(post('sevt_lost_1', 'line 2 *(broken off)*', named('dlv_lost.1')));
  expect(check(from)).toEqual([]);
  from.messages.push(post('sevt_lost_2', 'line 3', named('dlv_lost.2')));
  const wrong = check(from);
  expect(wrong.map(({ rule }) => rule)).toEqual(['every thread shows its log']);
  expect(wrong[0]?.what).toContain('dlv_lost.2 shows what no event says: line 3');
});

test('a copy may say when an input was taken up, which the tail does not', () => {
  const from = evidence();
  change(from, instead('sevt_in', { ...again, id: 'sevt_in', processed_at: null }));
  copiedAs(from, 'sevt_in', { event: { ...again, id: 'sevt_in' } });
  expect(check(from).filter(({ rule }) => rule === 'every log is whole')).toEqual([]);
});

test('what got no answer may land late', () => {
  const from = evidence();
  from.sent = programSaid('unknown');
  change(from, (events) => [second, ...events]);
  expect(check(from).filter(({ rule }) => rule === 'inputs stand in their order')).toEqual([]);
});

const confirmedAgain: SessionEvent = {
  id: 'sevt_yes_2',
  type: 'user.tool_confirmation',
  tool_use_id: 'sevt_edit',
  result: 'allow',
  processed_at: AT,
};
const failed: EventOf<'session.error'> = {
  id: 'sevt_failed',
  type: 'session.error',
  error: { type: 'unknown_error', message: 'no luck', retry_status: { type: 'exhausted' } },
  processed_at: AT,
};
/** A program's second message, and what it knows of both: the second got its answer, or none. */
const second: SessionEvent = {
  id: 'sevt_in_2',
  type: 'user.message',
  content: [{ type: 'text', text: jobText({ id: 's1m2', kind: 'say', size: 1 }) }],
  processed_at: AT,
};
function programSaid(outcome: Sent['outcome']): Sent[] {
  const said = { session: 's1', for_bot: true, place: { session_id: 'sesn_1' } };
  return [
    { ...said, id: 's1m1', outcome: 'acked' },
    { ...said, id: 's1m2', outcome },
  ];
}
const again: EventOf<'user.message'> = {
  id: 'sevt_twice',
  type: 'user.message',
  content: [{ type: 'text', text: jobText(JOB) }],
  processed_at: AT,
};
const decidedAgain = decision('sevt_decided_2', 'sevt_edit', 'denied');

/** What is planted, the check that must see it, and a word of what it says. */
const PLANTED: [string, keyof typeof CHECKS, RegExp, (from: Evidence) => void][] = [
  ['no rest', 'the house comes to rest', /owed/, (from) => Object.assign(from, { unrest: '1 session owed' })],
  [
    'a gap in the log',
    'every log is whole',
    /place 4/,
    (from) => {
      theSession(from).entries.splice(3, 1);
    },
  ],
  [
    'an event at the end that the head does not count',
    'every log is whole',
    /head counts/,
    (from) => {
      theSession(from).head.seq -= 1;
    },
  ],
  [
    'one event twice',
    'every log is whole',
    /stands in sesn_1 too/,
    (from) => change(from, withAfter('sevt_run', { id: 'sevt_run', type: 'session.status_running', processed_at: AT })),
  ],
  [
    'a copy that says something else than the tail',
    'every log is whole',
    /sesn_1: the tail has sevt_end as event \d+, and its copy \(event \d+\) differs/,
    (from) => copiedAs(from, 'sevt_end', { event: { ...again, id: 'sevt_end' } }),
  ],
  [
    'a copy that stands elsewhere than in the tail',
    'every log is whole',
    /the tail has sevt_end as event 18, and its copy \(event 7\) differs/,
    (from) => copiedAs(from, 'sevt_end', { seq: 7 }),
  ],
  ['a lost input', 'every input has one effect', /stands in no log/, (from) => change(from, without('sevt_in'))],
  [
    'a doubled input',
    'every input has one effect',
    /stands 2 times/,
    (from) => change(from, withAfter('sevt_in', again)),
  ],
  [
    'an input in another session than it was said in',
    'every input has one effect',
    /not where it was said/,
    (from) => {
      for (const one of from.sent) one.place = { channel: 'C2', thread: '2.2' };
    },
  ],
  [
    'words that were not for the bot',
    'every input has one effect',
    /not for the bot/,
    (from) => {
      for (const one of from.sent) one.for_bot = false;
    },
  ],
  [
    'an input that nobody said',
    'every input has one effect',
    /nobody said it/,
    (from) => {
      from.sent.length = 0;
    },
  ],
  [
    'an input that overtook another of its program',
    'inputs stand in their order',
    /sesn_1: s1m2 was said after s1m1 and stands before it/,
    (from) => {
      from.sent = programSaid('acked');
      change(from, (events) => [second, ...events]);
    },
  ],
  [
    'two sessions of one thread',
    'every conversation has one session',
    /sesn_1, sesn_2/,
    (from) => {
      from.sessions.push({ id: 'sesn_2', conversation: THREAD, head: emptyLog(), entries: [], copied: [] });
    },
  ],
  [
    'a call without a result',
    'every call has one result',
    /0 results/,
    (from) => change(from, without('sevt_result_1')),
  ],
  [
    'a call with two results',
    'every call has one result',
    /2 results/,
    (from) => change(from, withAfter('sevt_result_1', result('sevt_result_x', 'sevt_bash'))),
  ],
  [
    'a result that nobody asked for',
    'every call has one result',
    /nobody called/,
    (from) => change(from, withAfter('sevt_result_1', result('sevt_result_x', 'sevt_other'))),
  ],
  [
    'a call that was started twice',
    'every call has one result',
    /started more than once/,
    (from) =>
      change(
        from,
        withAfter('sevt_go', {
          id: 'sevt_go_x',
          type: 'deckhand.tool_started',
          tool_use_ids: ['sevt_bash'],
          worker: 'v',
          processed_at: AT,
        }),
      ),
  ],
  [
    'a result before its call',
    'every call has one result',
    /before it was made/,
    (from) =>
      change(from, (events) =>
        withAfter('sevt_text', result('sevt_result_1', 'sevt_bash'))(without('sevt_result_1')(events)),
      ),
  ],
  [
    'a question without a decision',
    'every question is decided once',
    /0 decisions/,
    (from) => change(from, without('sevt_decided')),
  ],
  [
    'two decisions',
    'every question is decided once',
    /2 decisions/,
    (from) => change(from, withAfter('sevt_decided', decidedAgain)),
  ],
  [
    'a denied call that ran',
    'every question is decided once',
    /without leave/,
    (from) => change(from, instead('sevt_decided', decidedAgain)),
  ],
  [
    'a denied call that worked without a start',
    'every question is decided once',
    /worked without leave/,
    (from) => change(from, (events) => instead('sevt_decided', decidedAgain)(without('sevt_go_2')(events))),
  ],
  [
    'a decision without a confirmation',
    'every question is decided once',
    /0 confirmations instead of 1/,
    (from) => change(from, without('sevt_yes')),
  ],
  [
    'two confirmations',
    'every question is decided once',
    /2 confirmations instead of 1/,
    (from) => change(from, withAfter('sevt_yes', confirmedAgain)),
  ],
  [
    'a question without a record',
    'every question is decided once',
    /has no record/,
    (from) => {
      from.approvals.length = 0;
    },
  ],
  [
    'a record that says something else than the log',
    'every question is decided once',
    /by its record/,
    (from) => {
      for (const one of from.approvals) one.status = 'denied';
    },
  ],
  ['a run without an end', 'every run ends in words', /ends with/, (from) => change(from, without('sevt_idle'))],
  [
    'a run that ends in silence',
    'every run ends in words',
    /without a word/,
    (from) => change(from, withAfter('sevt_idle', idle('sevt_idle_2', 'end_turn'))),
  ],
  [
    'a run that ends for no reason of these days',
    'every run ends in words',
    /which nothing here explains/,
    (from) => change(from, withAfter('sevt_wait', idle('sevt_idle_2', 'refusal'))),
  ],
  [
    'a failure that is not explained',
    'every run ends in words',
    /says not why/,
    (from) => change(from, instead('sevt_idle', idle('sevt_idle', 'retries_exhausted'))),
  ],
  [
    'an input that was never taken up',
    'every run ends in words',
    /never taken up/,
    (from) => change(from, instead('sevt_in', { ...again, id: 'sevt_in', processed_at: null })),
  ],
  ['a request without an end', 'every run ends in words', /no end/, (from) => change(from, without('sevt_answered'))],
  ['a job that was dropped', 'every job is done once', /never done/, (from) => change(from, without('sevt_end'))],
  [
    'an answer given twice',
    'every job is done once',
    /2 times/,
    (from) =>
      change(
        from,
        withAfter('sevt_end', {
          id: 'sevt_end_2',
          type: 'agent.message',
          content: [{ type: 'text', text: 'done (s1m1)' }],
          processed_at: AT,
        }),
      ),
  ],
  [
    'a command run twice',
    'every command ran once',
    /run 2 times for 1 call/,
    (from) => {
      from.traces[0]?.lines.push('s1m1.1.1');
    },
  ],
  [
    'a command that the log does not know',
    'every command ran once',
    /no call of the log/,
    (from) => {
      from.traces[0]?.lines.push('s1m1.1.2');
    },
  ],
  [
    'a denied command that ran, without a start',
    'every command ran once',
    /s1m1.1.1 was run, and its call was never begun, or denied/,
    (from) =>
      change(from, (events) => {
        const denied = withAfter(
          'sevt_bash',
          question('sevt_question_2', 'sevt_bash'),
          decision('sevt_denied', 'sevt_bash', 'denied'),
        )(events);
        return instead('sevt_result_1', result('sevt_result_1', 'sevt_bash', true))(begunOnly('sevt_make')(denied));
      }),
  ],
  [
    'a denied command that ran, with a start',
    'every command ran once',
    /s1m1.1.1 was run, and its call was never begun, or denied/,
    (from) =>
      change(
        from,
        withAfter(
          'sevt_bash',
          question('sevt_question_2', 'sevt_bash'),
          decision('sevt_denied', 'sevt_bash', 'denied'),
        ),
      ),
  ],
  [
    'a command that ran before it was begun',
    'every command ran once',
    /s1m1.1.1 was run, and its call was never begun, or denied/,
    (from) => change(from, begunOnly('sevt_make')),
  ],
  [
    'a denied edit that was made, without a start',
    'every command ran once',
    /s1m1.1.edit was changed more often than it was begun/,
    (from) => change(from, (events) => instead('sevt_decided', decidedAgain)(without('sevt_go_2')(events))),
  ],
  [
    'a file that was made before its call was begun',
    'every command ran once',
    /s1m1.1.edit was made, and no call was begun/,
    (from) => change(from, begunOnly('sevt_bash')),
  ],
  [
    'a command that only the log knows',
    'every command ran once',
    /left nothing behind/,
    (from) => {
      for (const trace of from.traces) trace.lines.length = 0;
    },
  ],
  [
    'an edit made twice',
    'every command ran once',
    /more often/,
    (from) => {
      for (const trace of from.traces) trace.edits['s1m1.1.edit'] = 'xxxx';
    },
  ],
  [
    'an edit that only the log knows',
    'every command ran once',
    /should have been changed/,
    (from) => {
      for (const trace of from.traces) trace.edits['s1m1.1.edit'] = 'x';
    },
  ],
  [
    'a text that was not posted',
    'every thread shows its log',
    /the log says/,
    (from) => {
      from.messages.splice(0, 1);
    },
  ],
  [
    'a text that was posted in part',
    'every thread shows its log',
    /the log says/,
    (from) => Object.assign(from.messages[0] ?? {}, { text: 'working on' }),
  ],
  ['texts out of order', 'every thread shows its log', /the log says/, (from) => void from.messages.reverse()],
  [
    'a text posted twice',
    'every thread shows its log',
    /stands 2 times in Slack/,
    (from) => {
      from.messages.push(post('sevt_end', 'done (s1m1)'));
    },
  ],
  [
    'a post that no event explains',
    'every thread shows its log',
    /no event says/,
    (from) => {
      from.messages.push(post('sevt_unknown', 'who said this?'));
    },
  ],
  [
    'a question without a card',
    'every thread shows its log',
    /no card asks/,
    (from) => {
      from.messages.splice(1, 1);
    },
  ],
  [
    'a card that still has its buttons',
    'every thread shows its log',
    /still asks/,
    (from) => {
      const button = { type: 'button', text: { type: 'plain_text', text: 'Approve' } };
      Object.assign(from.messages[1] ?? {}, { blocks: [{ type: 'actions', elements: [button] }] });
    },
  ],
  [
    'a failure that nobody was told of',
    'every thread shows its log',
    /nobody was told of sevt_failed: no luck/,
    (from) => change(from, withAfter('sevt_end', failed)),
  ],
  [
    'a post that is still being written',
    'every thread shows its log',
    /still being written/,
    (from) =>
      Object.assign(from.messages[0] ?? {}, { stream: { state: 'in_progress', started_at: 0, recipient: null } }),
  ],
  [
    'a post of ours without a delivery',
    'every thread shows its log',
    /without a delivery/,
    (from) => {
      const { metadata: _none, ...bare } = post('sevt_end', 'who said this?');
      from.messages.push(bare);
    },
  ],
  [
    'a post that was made twice and taken back',
    'nothing is posted twice or taken back',
    /was posted 2 times[^]*message 7.7 was taken back/,
    (from) => {
      from.journal.push(call(6_000, 'chat.postMessage', { channel: 'C1', metadata: delivery('sevt_text') }, 'lost'));
      from.journal.push(call(7_000, 'chat.delete', { channel: 'C1', ts: '7.7' }));
    },
  ],
  [
    'a stream begun twice',
    'nothing is posted twice or taken back',
    /dlv_other was posted 2 times/,
    (from) =>
      void from.journal.push(call(6_000, 'chat.startStream', { chunks: '[{"block_id":"delivery:dlv_other"}]' })),
  ],
  [
    'an edit while edits have to wait',
    'no call comes before its time',
    /life-3 called chat.appendStream \(edits\) 500 ms before/,
    (from) => void from.journal.push(call(4_500, 'chat.appendStream', { channel: 'C1', ts: 'x' })),
  ],
  [
    'a post where posts have to wait',
    'no call comes before its time',
    /life-3 called chat.startStream \(posts in C1\) 500 ms before/,
    (from) =>
      void from.journal.push(
        call(4_000, 'chat.postMessage', { channel: 'C1' }, '429', { over_at: 5_000, told_at: 4_010 }),
      ),
  ],
  [
    'a stream where streams have to wait',
    'no call comes before its time',
    /life-3 called chat.startStream \(posts in C1\) 500 ms before/,
    (from) =>
      void from.journal.push(
        call(4_000, 'chat.startStream', { channel: 'C1' }, '429', { over_at: 5_000, told_at: 4_010 }),
      ),
  ],
  [
    'a session that seems at work for ever',
    'nothing in Slack seems unfinished',
    /C1:1.1 as processing/,
    (from) => {
      from.shown.states['C1:1.1'] = 'processing';
    },
  ],
  [
    'a reaction that stays',
    'nothing in Slack seems unfinished',
    /still shows :eyes: on C1/,
    (from) => void from.shown.marks.push(':eyes: on C1 1.1'),
  ],
  [
    'a press that came to nothing',
    'every press of a button is answered',
    /U1 pressed a button of sevt_question at 6000/,
    (from) =>
      void from.presses.push({
        by: 'U1',
        card: { channel: 'C1', ts: 'sevt_question' },
        at: 6_000,
        acked: true,
        modal: false,
      }),
  ],
  ['a refused client', 'no client was refused', /400/, (from) => void from.refusals.push('400 no')],
  [
    'a process that ended by itself',
    'no process ended by itself',
    /ended by itself with 1/,
    (from) => Object.assign(from.lives[0] ?? {}, { fate: null, end: 1 }),
  ],
  [
    'a start that failed in no words',
    'no process ended by itself',
    /did not start, and not in words/,
    (from) => Object.assign(from.lives[0] ?? {}, { fate: null, end: 'not started' }),
  ],
  [
    'a killed process that ended otherwise',
    'no process ended by itself',
    /life 1 \(worker-1\) was killed and ended with 1/,
    (from) => Object.assign(from.lives[0] ?? {}, { end: 1 }),
  ],
  [
    'a restart that was cut off with its services there',
    'no process ended by itself',
    /life 4 \(gateway-1\) was restarted with its services there and ended with 1/,
    (from) => Object.assign(from.lives[3] ?? {}, { end: 1 }),
  ],
  [
    'a restart that ended otherwise while services were away',
    'no process ended by itself',
    /was restarted and ended with SIGSEGV/,
    (from) => Object.assign(from.lives[2] ?? {}, { end: 'SIGSEGV' }),
  ],
  [
    'a stop that failed',
    'no process ended by itself',
    /was stopped and ended with 1/,
    (from) => Object.assign(from.lives[1] ?? {}, { end: 1 }),
  ],
  [
    'an unhandled rejection',
    'no process ended by itself',
    /UnhandledPromiseRejection/,
    (from) => Object.assign(from.lives[0] ?? {}, { output: 'UnhandledPromiseRejectionWarning: oh' }),
  ],
  [
    'a secret that a process wrote',
    'nobody sees a secret',
    /life 1 \(worker-1\) holds a secret that begins with xoxb-/,
    (from) => Object.assign(from.lives[0] ?? {}, { output: 'token xoxb-secret' }),
  ],
  [
    'a secret in the log of a session',
    'nobody sees a secret',
    /the log of sesn_1 holds/,
    (from) => change(from, instead('sevt_bash', toolUse('sevt_bash', 'bash', { command: 'echo xoxb-secret' }))),
  ],
  [
    'a secret in a record',
    'nobody sees a secret',
    /the record of appr_edit holds/,
    (from) => Object.assign(from.approvals[0] ?? {}, { record: { detail: 'xoxb-secret' } }),
  ],
  [
    'a secret in a message',
    'nobody sees a secret',
    /message sevt_text holds/,
    (from) => Object.assign(from.messages[0] ?? {}, { blocks: [{ type: 'markdown', text: 'it is xoxb-secret' }] }),
  ],
  [
    'a secret that Slack was told, and that was edited away',
    'nobody sees a secret',
    /a call of chat.postMessage holds/,
    (from) => void from.journal.push(call(0, 'chat.postMessage', { channel: 'C1', text: 'xoxb-secret' })),
  ],
  [
    'a secret in a file of a sandbox',
    'nobody sees a secret',
    /\/x\/seen holds/,
    (from) => void from.traces[0]?.files.push({ path: '/x/seen', content: 'TOKEN=xoxb-secret' }),
  ],
  [
    'a secret that Claude was told',
    'nobody sees a secret',
    /a model request holds/,
    (from) => void from.model_requests.push({ messages: ['xoxb-secret'] }),
  ],
  ['a folder that is left', 'nothing is left behind', /folders: x/, (from) => void from.leftovers.folders.push('x')],
  [
    'a document of a deleted session that is left',
    'nothing is left behind',
    /documents: deliveries dlv_1 names sesn_1/,
    (from) => void from.leftovers.documents.push('deliveries dlv_1 names sesn_1'),
  ],
];

test.each(PLANTED)('%s is seen', (_what, rule, words, plant) => {
  const planted = evidence();
  plant(planted);
  const seen = check(planted).filter((violation) => violation.rule === rule);
  expect(seen.map(({ what }) => what).join('\n')).toMatch(words);
});

const asked: SessionEvent = { ...again, id: 'sevt_in' };
const stop: SessionEvent = { id: 'sevt_stop', type: 'user.interrupt', processed_at: AT };
function takenUp(...inputs: SessionEvent[]): SessionEvent {
  const event_ids = inputs.map(({ id }) => id);
  return { id: `sevt_taken_${event_ids.join('_')}`, type: 'deckhand.input_processed', event_ids, processed_at: AT };
}
const over = idle('sevt_over', 'end_turn');
const overAgain = idle('sevt_over_2', 'end_turn');

const undoneIn = (log: readonly SessionEvent[]): string[] => {
  const from = evidence();
  change(from, () => [...log]);
  return check(from).flatMap(({ rule, what }) => (rule === 'every job is done once' ? [what] : []));
};

test.each<[string, SessionEvent[]]>([
  ['was stopped', [asked, takenUp(asked), stop, takenUp(stop), over]],
  ['failed in words', [asked, takenUp(asked), failed, idle('sevt_over', 'retries_exhausted')]],
  [
    'was stopped while people were asked',
    [asked, takenUp(asked), idle('sevt_wait', 'requires_action'), stop, takenUp(stop), over],
  ],
  ['was that of a Stop, which found it waiting', [asked, stop, takenUp(stop, asked), over]],
  ['was the next one, and was stopped', [asked, over, takenUp(asked), stop, takenUp(stop), overAgain]],
  ['was begun after the Stop that ended it', [asked, stop, takenUp(asked), takenUp(stop), over]],
])('a job need not be done whose run %s', (_what, log) => {
  expect(undoneIn(log)).toEqual([]);
});

test.each<[string, SessionEvent[]]>([
  ['a later run was stopped', [asked, takenUp(asked), over, second, takenUp(second), stop, takenUp(stop), overAgain]],
  ['a later run failed', [asked, takenUp(asked), over, second, takenUp(second), failed, overAgain]],
  ['the run before it was stopped', [stop, asked, takenUp(stop), over, takenUp(asked), overAgain]],
  ['the run that it waited for failed', [asked, failed, over, takenUp(asked), overAgain]],
  [
    'its run was asked again',
    [asked, takenUp(asked), { ...failed, error: { ...failed.error, retry_status: { type: 'retrying' } } }, over],
  ],
  ['nobody took it up', [asked, failed, over]],
])('a job has to be done although %s', (_what, log) => {
  expect(undoneIn(log)).toEqual(['sesn_1: s1m1 was never done']);
});

test('every check has something planted for it', () => {
  expect(new Set(PLANTED.map(([, rule]) => rule))).toEqual(new Set(Object.keys(CHECKS)));
});
