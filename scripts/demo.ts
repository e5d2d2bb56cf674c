import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../src/config.ts';
import { startDeckhand } from '../src/deckhand.ts';
import { createLogger } from '../src/logger.ts';
import { eventually } from '../test/support/eventually.ts';
import type { MessagePlace } from '../test/support/slack/person.ts';
import { threadRoot } from '../test/support/slack/person.ts';
import { startSlackServer } from '../test/support/slack/server.ts';

/**
 * The whole path without a browser: a mention in a Slack of our own, through Slack's own SDK; a command in a sandbox; a
 * risky one that somebody else approves with a click; the results in the thread. `--json` prints one object.
 */
const json = process.argv.includes('--json');
const started = performance.now();
/** Longest wait for one step, in milliseconds; each takes about a second. */
const PATIENCE_MS = 30_000;

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

  const ana = slack.user('Ana');
  const ben = slack.user('Ben');
  const thread = ana.mention('deploys', 'run `echo "all aboard" && pwd && uname -s`');
  const said = (text: string) => {
    const found = inThread(thread).find((message) => JSON.stringify(message).includes(text));
    if (found === undefined) throw new Error(`Nobody said "${text}" in the thread:\n${slack.transcript(thread)}`);
    return found;
  };
  const waitFor = (text: string) => eventually(() => said(text), PATIENCE_MS);

  function inThread(place: MessagePlace) {
    const root = threadRoot(place);
    return slack.workspace.messages.filter((message) => message.thread_ts === root && message.user !== ana.user.id);
  }

  await waitFor('It printed');
  ana.reply(thread, 'deploy the app', { mention: true });
  await approveWhenAsked();
  await waitFor('deployed\\n');

  /** Ben approves what waits. */
  async function approveWhenAsked(): Promise<void> {
    const card = await eventually(() => {
      const waiting = inThread(thread).find((message) => JSON.stringify(message.blocks).includes('"Approve"'));
      if (waiting === undefined) throw new Error(`Nothing waits for an approval:\n${slack.transcript(thread)}`);
      return waiting;
    }, PATIENCE_MS);
    await ben.click(card, 'Approve');
    await eventually(() => {
      if (JSON.stringify(card.blocks).includes('"Approve"')) throw new Error('The card still waits');
    }, PATIENCE_MS);
  }

  const { db } = deckhand.context;
  const session = await db.collection<{ _id: string }>('sessions').findOne({});
  const approvals = await db.collection('approvals').countDocuments({ status: 'allowed' });
  const seconds = Math.round(performance.now() - started) / 1000;
  const report = {
    ok: true,
    session_id: session?._id ?? null,
    seconds,
    messages: inThread(thread).length + 2,
    approvals,
  };
  if (json) console.log(JSON.stringify(report));
  else
    console.log(
      `${slack.transcript(thread)}\n\nDone in ${seconds} s: session ${report.session_id}, ${approvals} approvals.`,
    );
} finally {
  await rm(data_dir, { recursive: true, force: true });
}
