import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Db } from 'mongodb';
import { expect, inject, it } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import { startDeckhand } from '../../src/deckhand.ts';
import { silentLogger } from '../../src/logger.ts';
import { eventually } from '../support/eventually.ts';
import { png } from '../support/images.ts';
import { startTestModel } from '../support/model.ts';
import { testDatabase } from '../support/services.ts';
import { startSlackServer } from '../support/slack/server.ts';

const PATIENCE_MS = 30_000;

it('a file that somebody attaches in Slack is worked on in the sandbox, and what comes of it stands in the thread', async () => {
  await using database = await testDatabase();
  await using model = await startTestModel();
  await using slack = await startSlackServer();
  const data_dir = await mkdtemp(join(tmpdir(), 'deckhand-files-'));
  const config = loadConfig({
    PORT: '0',
    DECKHAND_DATA_DIR: data_dir,
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
  const house = await startDeckhand(config, silentLogger, ['gateway', 'worker']);
  try {
    const ana = slack.user('Ana');
    const sort = 'ls /mnt/session/uploads; sort /mnt/session/uploads/names.txt | tee /mnt/session/outputs/sorted.txt';
    model.reply({ tool_uses: [{ name: 'read', input: { file_path: '/mnt/session/uploads/names.txt' } }] });
    model.reply({ text: 'Sorted, and you see a chart.' });
    const root = ana.mention('ops', 'sort this', [
      { name: 'names.txt', bytes: 'Cleo\nAda\nBob\n' },
      { name: 'chart.png', bytes: png(), mimetype: 'image/png' },
    ]);
    const uploads = () => slack.workspace.messages.filter((one) => one.bot_id !== undefined && one.files !== undefined);
    await eventually(() => expect(slack.transcript(root)).toContain('Sorted, and you see a chart.'), PATIENCE_MS);
    const [first, second] = model.requests;
    expect(JSON.stringify(first?.messages)).toContain('/mnt/session/uploads/names.txt (text/plain, 13 bytes)');
    expect(JSON.stringify(first?.messages)).toContain(png().toString('base64'));
    expect(JSON.stringify(second?.messages)).toContain('Cleo\\nAda\\nBob');
    expect(uploads()).toEqual([]);

    // The next machine has nothing of it yet.
    await house.context.workspaces.destroy((await sessionOf(house.context.db)) ?? '');
    model.reply({ tool_uses: [{ name: 'bash', input: { command: sort } }] }, { text: 'Here.' });
    ana.reply(root, 'now for real', { mention: true });
    await eventually(() => expect(slack.transcript(root)).toContain('Approve'), PATIENCE_MS);
    const card = ana.sees(root).findLast((message) => JSON.stringify(message.blocks).includes('Approve'));
    if (card === undefined) throw new Error('There is no card');
    await ana.click(card, 'Approve');
    await eventually(() => expect(uploads()).toHaveLength(1), PATIENCE_MS);
    const [shared] = uploads();
    expect(shared).toMatchObject({ thread_ts: root.ts, files: [{ title: 'sorted.txt' }] });
    const upload = slack.workspace.uploads.get(shared?.files?.[0]?.id ?? '');
    expect(upload?.bytes?.toString()).toBe('Ada\nBob\nCleo\n');
    expect(JSON.stringify(model.requests.at(-1)?.messages)).toContain('chart.png\\nnames.txt\\nAda');
  } finally {
    await house[Symbol.asyncDispose]();
    await rm(data_dir, { recursive: true, force: true });
  }
}, 120_000);

async function sessionOf(db: Db): Promise<string | undefined> {
  return (await db.collection<{ _id: string }>('sessions').findOne({}))?._id;
}
