import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/config.ts';
import { type Deckhand, startDeckhand } from '../../src/deckhand.ts';
import { createLogger } from '../../src/logger.ts';
import { eventually } from './eventually.ts';
import { type MessagePlace, threadRoot } from './slack/person.ts';
import { type SlackServer, startSlackServer } from './slack/server.ts';

export interface Demo {
  transcript: string;
  report: { ok: boolean; session_id: string | null; seconds: number; messages: number; approvals: number };
}

/** Longest wait for one step, in milliseconds; each takes about a second. */
const PATIENCE_MS = 30_000;

/**
 * The whole path without a browser, on embedded services: a mention in a Slack of our own, through Slack's own SDK; a
 * command in a sandbox; a risky one that somebody else approves with a click; the results in the thread.
 */
export async function runDemo(): Promise<Demo> {
  const started = performance.now();
  const data_dir = await mkdtemp(join(tmpdir(), 'deckhand-demo-'));
  try {
    await using slack = await startSlackServer();
    const config = loadConfig({
      PORT: '0',
      DECKHAND_DATA_DIR: data_dir,
      SLACK_BOT_TOKEN: slack.tokens.bot,
      SLACK_APP_TOKEN: slack.tokens.app,
      SLACK_API_URL: slack.apiUrl,
    });
    await using deckhand = await startDeckhand(config, createLogger('warn'), ['gateway', 'worker']);
    const thread = await converse(slack);
    return { transcript: slack.transcript(thread), report: await reportOn(deckhand, slack, thread, started) };
  } finally {
    await rm(data_dir, { recursive: true, force: true });
  }
}

async function converse(slack: SlackServer): Promise<MessagePlace> {
  const ana = slack.user('Ana');
  const thread = ana.mention('deploys', 'run `echo "all aboard" && pwd && uname -s`');
  await waitFor(slack, thread, 'It printed');
  ana.reply(thread, 'deploy the app', { mention: true });
  await approveWhenAsked(slack, thread);
  await waitFor(slack, thread, 'deployed\\n');
  return thread;
}

/** Ben approves what waits. */
async function approveWhenAsked(slack: SlackServer, thread: MessagePlace): Promise<void> {
  const card = await eventually(() => {
    const waiting = answersIn(slack, thread).find((message) => JSON.stringify(message.blocks).includes('"Approve"'));
    if (waiting === undefined) throw new Error(`Nothing waits for an approval:\n${slack.transcript(thread)}`);
    return waiting;
  }, PATIENCE_MS);
  await slack.user('Ben').click(card, 'Approve');
}

function waitFor(slack: SlackServer, thread: MessagePlace, text: string): Promise<void> {
  return eventually(() => {
    if (answersIn(slack, thread).some((message) => JSON.stringify(message).includes(text))) return;
    throw new Error(`Nobody said "${text}" in the thread:\n${slack.transcript(thread)}`);
  }, PATIENCE_MS);
}

function answersIn(slack: SlackServer, thread: MessagePlace) {
  const ana = slack.user('Ana').user.id;
  return slack.workspace.messages.filter((one) => one.thread_ts === threadRoot(thread) && one.user !== ana);
}

async function reportOn(
  { context }: Deckhand,
  slack: SlackServer,
  thread: MessagePlace,
  started: number,
): Promise<Demo['report']> {
  const session = await context.db.collection<{ _id: string }>('sessions').findOne({});
  const approvals = await context.db.collection('approvals').countDocuments({ status: 'allowed' });
  const root = threadRoot(thread);
  const messages = slack.workspace.messages.filter((one) => one.ts === root || one.thread_ts === root).length;
  const seconds = Math.round(performance.now() - started) / 1000;
  return { ok: true, session_id: session?._id ?? null, seconds, messages, approvals };
}
