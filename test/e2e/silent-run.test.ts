import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import { afterEach, expect, inject, test, vi } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import { startDeckhand } from '../../src/deckhand.ts';
import { silentLogger } from '../../src/logger.ts';
import { eventually } from '../support/eventually.ts';
import { startTestModel } from '../support/model.ts';
import { plainAnswer, SEEN } from '../support/plain-answers.ts';
import { testDatabase } from '../support/services.ts';
import { startSlackServer } from '../support/slack/server.ts';
import { readable } from '../support/slack/transcript.ts';

const MINUTE = 60_000;
const PATIENCE_MS = 60_000;
const KEY = 'test-key-0123456789abcdef';
/** A status is set again after a minute. The lease, which no leap renews, must last: a second is missing at the end. */
const SILENCE = [...Array.from({ length: 9 }, () => MINUTE), MINUTE - 1_000];

afterEach(() => {
  vi.restoreAllMocks();
});

test('a command that prints nothing for ten minutes keeps its status in Slack, and is answered', {
  timeout: 180_000,
}, async () => {
  const data_dir = await mkdtemp(join(tmpdir(), 'deckhand-silent-'));
  await using database = await testDatabase();
  await using model = await startTestModel();
  await using slack = await startSlackServer();
  model.otherwise(plainAnswer);
  const config = loadConfig({
    PORT: '0',
    DECKHAND_API_KEY: KEY,
    DECKHAND_DATA_DIR: data_dir,
    // The longest there is: nothing renews a lease while the clock leaps.
    DECKHAND_LEASE_MS: String(10 * MINUTE),
    DECKHAND_SWEEP_MS: '100',
    MONGODB_URI: inject('mongodb_uri'),
    MONGODB_DATABASE: database.name,
    REDIS_URL: inject('redis_url'),
    ANTHROPIC_API_KEY: 'test',
    ANTHROPIC_BASE_URL: model.base_url,
    SLACK_BOT_TOKEN: slack.tokens.bot,
    SLACK_APP_TOKEN: slack.tokens.app,
    SLACK_API_URL: slack.apiUrl,
  });
  // The clock by which statuses are set again. Slack's own, by which it forgets them, leaps with it.
  const realNow = performance.now.bind(performance);
  let leapt = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => realNow() + leapt);
  const house = await startDeckhand(config, silentLogger, ['gateway', 'worker']);
  try {
    const { beta } = new Anthropic({ baseURL: house.url ?? '', apiKey: KEY, maxRetries: 0 });
    const [agent] = (await beta.agents.list()).data;
    await beta.agents.update(agent?.id ?? '', {
      version: agent?.version ?? 0,
      tools: [{ type: 'agent_toolset_20260401', default_config: { permission_policy: { type: 'always_allow' } } }],
    });
    const thread = slack.user('Ana').mention('ops', 'run touch began; until [ -e go ]; do sleep 0.1; done');
    const words = () => slack.workspace.thread_status.get(`${thread.channel}:${thread.ts}`)?.text ?? '';
    const timesSet = () => slack.journal.filter(({ method }) => method === 'assistant.threads.setStatus').length;
    const files = await eventually(async () => {
      const [session] = (await beta.sessions.list()).data;
      const path = join(data_dir, 'sandboxes', 'workspaces', session?.id ?? '', 'files');
      await access(join(path, 'began'));
      return path;
    }, PATIENCE_MS);
    await eventually(() => expect(words()).toMatch(/^Run/), PATIENCE_MS);
    const said = words();

    for (const ms of SILENCE) {
      const before = timesSet();
      leapt += ms;
      await slack.clock.advance(ms);
      expect(words()).toBe(said);
      await eventually(() => expect(timesSet()).toBeGreaterThan(before), PATIENCE_MS);
    }
    expect(words()).toBe(said);

    await writeFile(join(files, 'go'), '');
    const answers = () =>
      slack.workspace.messages.filter((message) => message.thread_ts === thread.ts && readable(message).includes(SEEN));
    await eventually(() => expect(answers()).toHaveLength(1), PATIENCE_MS);
    await eventually(() => expect(words()).toBe(''), PATIENCE_MS);
  } finally {
    await house[Symbol.asyncDispose]();
    await rm(data_dir, { recursive: true, force: true });
  }
});
