import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { NOT_GIVEN } from '../../src/chat/receive-stop.ts';
import type { EventOf, EventType, LogEntry } from '../../src/session/event.ts';
import { eventually } from '../support/eventually.ts';
import { type KillStage, killStage, MARK } from '../support/kill/kill-stage.ts';
import { matrixRows } from '../support/kill/matrix-page.ts';
import { tableOf } from '../support/kill/recoveries.ts';
import {
  appends,
  claimsDelivery,
  claimsEscalation,
  claimsReminder,
  claimsSession,
  confirmsDelivery,
  countsVote,
  decides,
  endsWaiting,
  expires,
  keepsChatEvent,
  putsOff,
  recordsQuestion,
  storesBytes,
  takesChatEvent,
  wakesWorker,
} from '../support/kill/steps.ts';
import { boundsOf } from '../support/kill/timings.ts';
import { HELLO, lines, SEEN } from '../support/plain-answers.ts';
import type { MessagePlace } from '../support/slack/person.ts';
import { readable } from '../support/slack/transcript.ts';
import { directChannel } from '../support/slack/workspace.ts';

const SLOW = { timeout: 300_000 };
/** She is in no channel: what only she may decide has to be brought to her. */
const OWNER = 'Olga';
const POSTING = ['chat.postMessage', 'chat.startStream'];
/** Seconds that Slack asks to wait: longer than any test. */
const LONG_S = 1_000;
const MAKE_FILE = 'run echo made > /mnt/session/outputs/made.txt';

let on: KillStage;

beforeAll(async () => {
  on = await killStage();
}, SLOW.timeout);

beforeEach(() => on.ready(), SLOW.timeout);

afterAll(async () => {
  process.stdout.write(`Until somebody else went on:\n${tableOf(on.recoveries.all)}\n`);
  await using house = on;
  // Here, so that it holds for a single row too.
  await house.leavesNothing();
}, SLOW.timeout);

function eventsOf<T extends EventType>(log: readonly LogEntry[], type: T): EventOf<T>[] {
  return log.flatMap(({ event }) => (event.type === type ? [event as EventOf<T>] : []));
}

/** The answer stands in the thread and in the log, once, and everything has come to rest. */
async function answeredOnce(thread: MessagePlace, words: string): Promise<LogEntry[]> {
  await on.heard(thread, words);
  const log = await on.atRest();
  expect(on.said(thread, words)).toHaveLength(1);
  expect(eventsOf(log, 'user.message')).toHaveLength(1);
  expect(eventsOf(log, 'agent.message').at(-1)).toMatchObject({ content: [{ text: words }] });
  return log;
}

/** The steps in their order, each with a test of its name. docs/reliability.md says what comes of each. */
const STEPS: Record<string, () => Promise<void>> = {
  'chat event kept, not acknowledged': async () => {
    const held = on.gateway.mongo.holdAnswer(keepsChatEvent);
    const thread = on.says('hello');
    await held.reached;
    await on.kill('gateway', appends('user.message'));
    // Slack knows of nothing, and delivers it again.
    expect((await on.slack.outbox.redeliverLast()).acked).toBe(true);
    await answeredOnce(thread, HELLO);
  },

  'chat event acknowledged, not in the log': async () => {
    const held = on.gateway.mongo.holdRequest(appends('user.message'));
    const thread = on.says('hello');
    await held.reached;
    await on.slack.outbox.idle();
    await on.kill('gateway', appends('user.message'));
    await answeredOnce(thread, HELLO);
    expect((await on.slack.outbox.redeliverLast()).acked).toBe(true);
    await answeredOnce(thread, HELLO);
  },

  'attached file on its way': async () => {
    const held = on.slack.faults.hold('download');
    const thread = on.slack.user('Ana').mention('ops', 'hello', [{ name: 'plan.txt' }]);
    await held.reached;
    const killed = on.kill('gateway', appends('user.message'));
    held.end('dropped');
    await killed;
    await cameWithFile(thread);
  },

  'file must wait, not noted': async () => {
    const held = on.gateway.mongo.holdRequest(putsOff);
    const thread = saysWithFileThatMustWait();
    await held.reached;
    await on.kill('gateway', appends('user.message'));
    await cameWithFile(thread);
  },

  'file waits, its person not told': async () => {
    const held = on.gateway.mongo.holdAnswer(putsOff);
    const thread = saysWithFileThatMustWait();
    await held.reached;
    await on.kill('gateway', appends('user.message'));
    on.recoveries.fallsDue();
    await waitIsOver();
    await cameWithFile(thread);
  },

  'wait is over, message not taken': async () => {
    const thread = saysWithFileThatMustWait();
    await waitsForFile(thread);
    const held = on.gateway.mongo.holdRequest(takesChatEvent);
    await waitIsOver();
    await held.reached;
    await on.kill('gateway', appends('user.message'));
    await cameWithFile(thread);
  },

  'wait is over, message taken, not in the log': async () => {
    const thread = saysWithFileThatMustWait();
    await waitsForFile(thread);
    const held = on.gateway.mongo.holdRequest(appends('user.message'));
    await waitIsOver();
    await held.reached;
    await on.kill('gateway', appends('user.message'));
    await cameWithFile(thread);
  },

  'Stop of what waits, waiting not ended': async () => {
    const ana = on.slack.user('Ana');
    const thread = on.says('hello');
    await answeredOnce(thread, HELLO);
    on.slack.faults.rateLimit('download', LONG_S);
    ana.reply(thread, 'and this', { mention: true, files: [{ name: 'plan.txt' }] });
    await waitsForFile(thread);
    const held = on.gateway.mongo.holdRequest(endsWaiting);
    ana.stop(thread);
    await held.reached;
    await on.kill('gateway', endsWaiting);
    await eventually(() => expect(ana.sees(thread).map(readable).join()).toContain(NOT_GIVEN), SLOW.timeout);
    // Ended, not only overdue: nothing of it comes to the agent.
    await waitIsOver();
    await answeredOnce(thread, HELLO);
  },

  'input in the log, turn not queued': async () => {
    const sweep = await on.holdSweep('worker');
    const held = on.gateway.redis.holdRequest(wakesWorker);
    const thread = on.says('hello');
    await held.reached;
    const killed = on.kill('gateway', claimsSession);
    sweep.release();
    await killed;
    await answeredOnce(thread, HELLO);
  },

  'job taken': async () => {
    const held = on.worker.mongo.holdRequest(claimsSession);
    const thread = on.says('hello');
    await held.reached;
    await on.kill('worker', claimsSession);
    await answeredOnce(thread, HELLO);
  },

  'lease taken': async () => {
    const held = on.worker.mongo.holdAnswer(claimsSession);
    const thread = on.says('hello');
    await held.reached;
    await on.kill('worker', claimsSession);
    await answeredOnce(thread, HELLO);
  },

  'Claude answers': async () => {
    const held = on.model.replyHeld({ text: 'Words that nobody will hear the end of.' }, 3);
    const thread = on.says('hello');
    await held.asked;
    await on.kill('worker', claimsSession);
    held.release();
    await answeredOnce(thread, HELLO);
    expect(on.said(thread, 'the end of')).toEqual([]);
  },

  'long answer in its third post': async () => {
    const lost = lines(500, 'words that nobody will hear the end of');
    const held = on.model.replyHeld({ text: lost }, lost.split(/\s+/).length - 1);
    const answer = lines(600, 'the answer');
    const thread = on.says('write 600 lines');
    await on.heard(thread, 'Line 500 of words');
    const before = on.said(thread, '').map(({ ts }) => ts);
    expect(before).toHaveLength(3);
    await on.kill('worker', claimsSession);
    held.release();
    await on.heard(thread, 'Line 600 of the answer.');
    expect(eventsOf(await on.atRest(), 'agent.message')).toMatchObject([{ content: [{ text: answer }] }]);
    const posts = on.said(thread, '');
    expect(posts.map(({ ts }) => ts)).toEqual(before);
    const [first = '', second = '', third = ''] = posts.map(readable);
    const numbers = /Line \d+ of the answer/g;
    expect((first + second).match(numbers)).toEqual(answer.match(numbers));
    expect(first + second).not.toContain('nobody');
    // What was streamed begins with the line that says who speaks.
    expect(third).toMatch(/^deckhand · AI\nLine \d+ of words.*\*\(broken off\)\*$/s);
  },

  'tool call in the log, not begun': async () => {
    await on.commands('always_allow');
    const held = on.worker.mongo.holdAnswer(appends('agent.tool_use'));
    const thread = on.says(`run ${MARK}`);
    await held.reached;
    await on.kill('worker', claimsSession);
    await lostMidway(thread, 0);
  },

  'tool runs': async () => {
    await on.commands('always_allow');
    const thread = on.says(`run ${MARK}; sleep 600`);
    await eventually(async () => {
      await on.log();
      expect(on.marks()).toBe(1);
    }, SLOW.timeout);
    await on.kill('worker', claimsSession);
    await lostMidway(thread, 1);
  },

  'tool done, result not in the log': async () => {
    await on.commands('always_allow');
    const held = on.worker.mongo.holdRequest(appends('agent.tool_result'));
    const thread = on.says(`run ${MARK}`);
    await held.reached;
    await on.kill('worker', claimsSession);
    await lostMidway(thread, 1);
  },

  'answer in the log, its file not stored': async () => {
    await on.commands('always_allow');
    const held = on.worker.mongo.holdRequest(storesBytes);
    const thread = on.says(MAKE_FILE);
    await held.reached;
    await on.heard(thread, SEEN);
    await on.kill('worker', claimsSession);
    await sharedByTheNextRun(thread);
  },

  'file stored, the end of the run not in the log': async () => {
    await on.commands('always_allow');
    const held = on.worker.mongo.holdRequest(appends('deckhand.output_shared'));
    const thread = on.says(MAKE_FILE);
    await held.reached;
    await on.heard(thread, SEEN);
    await on.kill('worker', claimsSession);
    await sharedByTheNextRun(thread);
  },

  'question in the log, not on record': async () => {
    await on.commands('always_ask');
    const held = on.worker.mongo.holdRequest(recordsQuestion);
    const thread = on.says(`run ${MARK}`);
    await held.reached;
    await on.kill('worker', claimsSession);
    expect((await on.slack.user('Ben').click(await on.card(thread), 'Approve')).acked).toBe(true);
    await ranOnce(thread);
  },

  'question of an API session in the log, not on record': async () => {
    await on.commands('always_ask', { deckhand_expire_after: '2h' });
    const sweep = await on.holdSweep('gateway');
    const held = on.worker.mongo.holdRequest(recordsQuestion);
    const client = on.api();
    const [agent] = (await client.beta.agents.list()).data;
    const [environment] = (await client.beta.environments.list()).data;
    const session = await client.beta.sessions.create({
      agent: agent?.id ?? '',
      environment_id: environment?.id ?? '',
    });
    const text = [{ type: 'text' as const, text: `run ${MARK}` }];
    await client.beta.sessions.events.send(session.id, { events: [{ type: 'user.message', content: text }] });
    await held.reached;
    const killed = on.kill('worker', recordsQuestion);
    sweep.release();
    await killed;
    // Nobody looks at it and nobody clicks: only what is on record expires.
    const approvals = on.house.database.db.collection('approvals');
    const isOnRecord = () => approvals.countDocuments({ session_id: session.id, status: 'pending' });
    await eventually(async () => expect(await isOnRecord()).toBe(1), SLOW.timeout);
    await fallsDue('expires_at');
    await eventually(async () => {
      expect((await on.log()).at(-1)?.event).toMatchObject({ stop_reason: { type: 'end_turn' } });
    }, SLOW.timeout);
    const log = await on.atRest();
    expect(eventsOf(log, 'deckhand.approval_decided')).toMatchObject([{ outcome: 'expired' }]);
    expect(eventsOf(log, 'agent.message')).toMatchObject([{ content: [{ text: SEEN }] }]);
    expect(on.marks()).toBe(0);
  },

  'click acknowledged, not decided': async () => {
    const thread = await asked();
    const held = on.gateway.mongo.holdRequest(decides);
    const ben = on.slack.user('Ben');
    const click = ben.click(await on.card(thread), 'Approve');
    await held.reached;
    expect((await click).acked).toBe(true);
    await on.kill('gateway', decides);
    await ranOnce(thread);
    // Who finishes the work tells whoever waits for it.
    await eventually(() => expect(ben.sees(thread).map(({ text }) => text)).toContain('Approved.'), SLOW.timeout);
  },

  'approval decided, not in the log': async () => {
    const thread = await asked();
    const held = on.gateway.mongo.holdRequest(appends('deckhand.approval_decided'));
    const click = on.slack.user('Ben').click(await on.card(thread), 'Approve');
    await held.reached;
    expect((await click).acked).toBe(true);
    await on.kill('gateway', appends('deckhand.approval_decided'));
    await ranOnce(thread);
  },

  'approval in the log, turn not queued': async () => {
    const thread = await asked();
    const sweep = await on.holdSweep('worker');
    const held = on.gateway.redis.holdRequest(wakesWorker);
    const click = on.slack.user('Ben').click(await on.card(thread), 'Approve');
    await held.reached;
    const killed = on.kill('gateway', claimsSession);
    sweep.release();
    await killed;
    await click;
    await ranOnce(thread);
  },

  'vote acknowledged, not counted': async () => {
    const thread = await asked({ deckhand_quorum: '2' });
    const held = on.gateway.mongo.holdRequest(countsVote);
    const click = on.slack.user('Ana').click(await on.card(thread), 'Approve');
    await held.reached;
    expect((await click).acked).toBe(true);
    await on.kill('gateway', countsVote);
    await votedOnce(thread);
  },

  'vote counted, not in the log': async () => {
    const thread = await asked({ deckhand_quorum: '2' });
    const held = on.gateway.mongo.holdRequest(appends('deckhand.approval_voted'));
    const click = on.slack.user('Ana').click(await on.card(thread), 'Approve');
    await held.reached;
    expect((await click).acked).toBe(true);
    await on.kill('gateway', appends('deckhand.approval_voted'));
    await votedOnce(thread);
  },

  'idle in the log, nothing delivered': async () => {
    const held = on.gateway.mongo.holdRequest(claimsDelivery);
    const thread = on.says('hello');
    await held.reached;
    await eventually(async () => expect((await on.log()).at(-1)?.event.type).toBe('session.status_idle'), SLOW.timeout);
    expect(on.said(thread, '')).toEqual([]);
    await on.kill('gateway', claimsDelivery);
    await answeredOnce(thread, HELLO);
  },

  'posting, and Slack never gets it': async () => {
    const held = on.slack.faults.hold(...POSTING);
    const thread = on.says('hello');
    await held.reached;
    const killed = on.kill('gateway', confirmsDelivery);
    held.end('dropped');
    await killed;
    await answeredOnce(thread, HELLO);
  },

  'posting, and Slack takes it': async () => {
    const held = on.slack.faults.hold(...POSTING);
    const thread = on.says('hello');
    await held.reached;
    const killed = on.kill('gateway', confirmsDelivery);
    held.end('taken');
    await killed;
    await answeredOnce(thread, HELLO);
  },

  'posted, not confirmed': async () => {
    const held = on.gateway.mongo.holdRequest(confirmsDelivery);
    const thread = on.says('hello');
    await held.reached;
    expect(on.said(thread, HELLO)).toHaveLength(1);
    await on.kill('gateway', confirmsDelivery);
    await answeredOnce(thread, HELLO);
  },

  'file posting, and Slack takes it': async () => {
    await on.commands('always_allow');
    const held = on.slack.faults.hold('files.completeUploadExternal');
    const thread = on.says(MAKE_FILE);
    await held.reached;
    const killed = on.kill('gateway', confirmsDelivery);
    held.end('taken');
    await killed;
    await madeOnce(thread);
  },

  'question shown, its owner not asked': async () => {
    await on.commands('always_ask', { deckhand_owners: `slack:${on.slack.user(OWNER).user.id}` });
    const held = on.slack.faults.hold('chat.getPermalink');
    const thread = on.says(`run ${MARK}`);
    await held.reached;
    const killed = on.kill('gateway', confirmsDelivery);
    held.end('dropped');
    await killed;
    await ownerAskedOnce(thread);
  },

  'question shown, its owner asked, and Slack takes it': async () => {
    await on.commands('always_ask', { deckhand_owners: `slack:${on.slack.user(OWNER).user.id}` });
    const link = on.slack.faults.hold('chat.getPermalink');
    const thread = on.says(`run ${MARK}`);
    await link.reached;
    const held = on.slack.faults.hold('chat.postMessage');
    link.end('taken');
    await held.reached;
    const killed = on.kill('gateway', confirmsDelivery);
    held.end('taken');
    await killed;
    await ownerAskedOnce(thread);
  },

  'timer due, not taken': async () => {
    const thread = await asked();
    const held = on.gateway.mongo.holdRequest(claimsReminder);
    await held.reached;
    await fallsDue('remind_at');
    await on.kill('gateway', claimsReminder);
    await remindedOnce(thread);
  },

  'timer taken, not fired': async () => {
    const thread = await asked();
    const held = on.gateway.mongo.holdRequest(appends('deckhand.approval_reminded'));
    await fallsDue('remind_at');
    await held.reached;
    await on.kill('gateway', appends('deckhand.approval_reminded'));
    await remindedOnce(thread);
  },

  'escalation due, not taken': async () => {
    const thread = await asked(escalation());
    const held = on.gateway.mongo.holdRequest(claimsEscalation);
    await held.reached;
    await fallsDue('escalate_at');
    await on.kill('gateway', claimsEscalation);
    await othersAskedOnce(thread);
  },

  'escalation taken, others not asked': async () => {
    const thread = await asked(escalation());
    const held = on.gateway.mongo.holdRequest(appends('deckhand.approval_escalated'));
    await fallsDue('escalate_at');
    await held.reached;
    await on.kill('gateway', appends('deckhand.approval_escalated'));
    await othersAskedOnce(thread);
  },

  'expiry due, not taken': async () => {
    const thread = await asked({ deckhand_expire_after: '2h' });
    const held = on.gateway.mongo.holdRequest(expires);
    await fallsDue('expires_at');
    await held.reached;
    await on.kill('gateway', expires);
    await expiredOnce(thread);
  },

  'expiry taken, not in the log': async () => {
    const thread = await asked({ deckhand_expire_after: '2h' });
    const held = on.gateway.mongo.holdRequest(appends('deckhand.approval_decided'));
    await fallsDue('expires_at');
    await held.reached;
    await on.kill('gateway', appends('deckhand.approval_decided'));
    await expiredOnce(thread);
  },

  'gateway and worker at once': async () => {
    const held = on.model.replyHeld({ text: 'Words that nobody will hear the end of.' }, 3);
    const thread = on.says('hello');
    await held.asked;
    await on.kill(['gateway', 'worker'], claimsSession);
    held.release();
    await answeredOnce(thread, HELLO);
  },
};

/** Ana's message with a file for which Slack asks to wait, so long that only `waitIsOver` ends it. */
function saysWithFileThatMustWait(): MessagePlace {
  on.slack.faults.rateLimit('download', LONG_S);
  return on.slack.user('Ana').mention('ops', 'hello', [{ name: 'plan.txt' }]);
}

/** It is noted, and Ana is told. */
async function waitsForFile(thread: MessagePlace): Promise<void> {
  const told = () => on.slack.user('Ana').sees(thread).map(readable).join();
  await eventually(() => expect(told()).toContain('asks me to wait'), SLOW.timeout);
}

async function waitIsOver(): Promise<void> {
  const due = { $set: { next_attempt_at: new Date(0) } };
  await on.house.database.db.collection('inbound').updateMany({ put_off: { $exists: true }, state: 'received' }, due);
}

/** The message is with the agent, once, and its file with it. */
async function cameWithFile(thread: MessagePlace): Promise<void> {
  const log = await answeredOnce(thread, HELLO);
  expect(JSON.stringify(eventsOf(log, 'user.message'))).toContain('/mnt/session/uploads/plan.txt');
  expect(await filesKept()).toHaveLength(1);
}

/** Files of the latest session. */
async function filesKept(): Promise<object[]> {
  const { db } = on.house.database;
  const [session] = await db.collection('sessions').find().sort({ created_at: -1 }).limit(1).toArray();
  return db.collection('files').find({ session_id: session?._id, state: 'kept' }).toArray();
}

/** Titles of the files that the bot has put into a thread. */
function filesIn(thread: MessagePlace): string[] {
  return on.slack.workspace.messages
    .filter((one) => one.channel === thread.channel && one.thread_ts === thread.ts && one.bot_id !== undefined)
    .flatMap(({ files = [] }) => files.map(({ title }) => title));
}

/** The run ends elsewhere without the file and without another question to Claude; the machine that has it shares it later. */
async function sharedByTheNextRun(thread: MessagePlace): Promise<void> {
  await answeredOnce(thread, SEEN);
  expect(on.model.requests).toHaveLength(2);
  expect(filesIn(thread)).toEqual([]);
  await on.kill('worker');
  on.slack.user('Ana').reply(thread, 'hello', { mention: true });
  await madeOnce(thread);
}

/** The file stands in the thread and in the log, once. */
async function madeOnce(thread: MessagePlace): Promise<void> {
  await eventually(() => expect(filesIn(thread)).toEqual(['made.txt']), SLOW.timeout);
  const log = await on.atRest();
  expect(filesIn(thread)).toEqual(['made.txt']);
  expect(eventsOf(log, 'deckhand.output_shared')).toHaveLength(1);
}

/** Claude is told that the worker was lost; the command has left this many marks and leaves no more. */
async function lostMidway(thread: MessagePlace, marks: number): Promise<void> {
  const log = await answeredOnce(thread, SEEN);
  const results = eventsOf(log, 'agent.tool_result');
  expect(results).toMatchObject([{ is_error: true }]);
  expect(JSON.stringify(results)).toContain('was lost before the result was recorded');
  expect(on.marks()).toBe(marks);
}

/** Somebody asked for a command that now waits for a person. */
async function asked(rules: Record<string, string> = {}): Promise<MessagePlace> {
  await on.commands('always_ask', rules);
  const thread = on.says(`run ${MARK}`);
  await on.card(thread);
  await on.atRest();
  return thread;
}

async function ranOnce(thread: MessagePlace, by = 'Ben'): Promise<LogEntry[]> {
  const log = await answeredOnce(thread, SEEN);
  expect(eventsOf(log, 'agent.tool_result')).toMatchObject([{ is_error: false }]);
  expect(eventsOf(log, 'deckhand.approval_decided')).toMatchObject([{ outcome: 'allowed', by: { name: by } }]);
  expect(on.marks()).toBe(1);
  return log;
}

async function fallsDue(timer: 'remind_at' | 'escalate_at' | 'expires_at'): Promise<void> {
  await on.house.database.db
    .collection('approvals')
    .updateMany({ status: 'pending' }, { $set: { [timer]: new Date(0) } });
}

/** Ana's approval counts once, and Ben's is the second of two. */
async function votedOnce(thread: MessagePlace): Promise<void> {
  await eventually(async () => {
    expect(eventsOf(await on.log(), 'deckhand.approval_voted')).toMatchObject([{ by: { name: 'Ana' } }]);
  }, SLOW.timeout);
  await on.slack.user('Ben').click(await on.card(thread), 'Approve');
  const log = await ranOnce(thread);
  expect(eventsOf(log, 'deckhand.approval_voted').filter(({ by }) => by.name === 'Ana')).toHaveLength(1);
}

function escalation(): Record<string, string> {
  return {
    deckhand_escalate_to: `slack:channel:${on.slack.channel('oncall').id}`,
    deckhand_escalate_after: '1h',
  };
}

/** The others see the card once, and a click there lets the call run once. */
async function othersAskedOnce(thread: MessagePlace): Promise<void> {
  await elsewhereOnce(thread, on.slack.channel('oncall').id);
  expect(eventsOf(await on.log(), 'deckhand.approval_escalated')).toHaveLength(1);
}

/** The card stands in its owner's direct messages once, and a click there lets the call run once. */
async function ownerAskedOnce(thread: MessagePlace): Promise<void> {
  const owner = on.slack.user(OWNER);
  await elsewhereOnce(thread, directChannel(on.slack.workspace, owner.user.id).id, OWNER);
}

/** The card stands in this channel once, and somebody's click there lets the call run once. */
async function elsewhereOnce(thread: MessagePlace, id: string, by = 'Ben'): Promise<void> {
  const waiting = () =>
    on.slack.workspace.messages.filter(
      ({ channel, ts, ephemeral_to }) => channel === id && ts > thread.ts && ephemeral_to === undefined,
    );
  await eventually(() => expect(waiting()).toHaveLength(1), SLOW.timeout);
  await on.atRest();
  const [card] = waiting();
  if (card === undefined) throw new Error('Nobody else was asked');
  await on.slack.user(by).click(card, 'Approve');
  await ranOnce(thread, by);
  expect(waiting()).toHaveLength(1);
}

/** The call never runs, Claude is told why, and the card says it. */
async function expiredOnce(thread: MessagePlace): Promise<void> {
  const log = await answeredOnce(thread, SEEN);
  expect(eventsOf(log, 'deckhand.approval_decided')).toMatchObject([{ outcome: 'expired', by: null }]);
  expect(eventsOf(log, 'user.tool_confirmation')).toMatchObject([{ result: 'deny' }]);
  expect(eventsOf(log, 'agent.tool_result')).toMatchObject([{ is_error: true }]);
  expect(on.said(thread, 'Expired')).toHaveLength(1);
  expect(on.marks()).toBe(0);
}

async function remindedOnce(thread: MessagePlace): Promise<void> {
  await on.heard(thread, 'A reminder');
  expect(eventsOf(await on.atRest(), 'deckhand.approval_reminded')).toHaveLength(1);
  expect(on.said(thread, 'A reminder')).toHaveLength(1);
  // The question is still there to be answered.
  await on.slack.user('Ben').click(await on.card(thread), 'Approve');
  await ranOnce(thread);
}

describe('killed with -9', () => {
  test.for(Object.keys(STEPS))('%s', SLOW, async (step) => {
    await STEPS[step]?.();
    const row = matrixRows().find((one) => one.step === step);
    const recovery = await on.recoveries.ended(step);
    const bounds = boundsOf(row?.noticed_after ?? '');
    expect(recovery.sweeps).toBeLessThanOrEqual(bounds.sweeps);
    expect(recovery.took_ms).toBeLessThanOrEqual(bounds.took_ms);
    expect(recovery.rest_ms).toBeLessThanOrEqual(bounds.rest_ms);
  });
});

test('docs/reliability.md names every step, in this order', () => {
  expect(matrixRows().map(({ step }) => step)).toEqual(Object.keys(STEPS));
});
