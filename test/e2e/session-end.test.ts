import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, inject, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { buildHouse } from '../support/house.ts';
import { openSession } from '../support/house-session.ts';
import { linkTo } from '../support/link.ts';
import { startTestModel } from '../support/model.ts';

/** Less than the minute between two rounds of housekeeping: who is told must not wait for one. */
const PATIENCE_MS = 30_000;

const ENDINGS = [
  ['archive', 'is told'],
  ['delete', 'is told'],
  ['archive', 'hears nothing'],
  ['delete', 'hears nothing'],
] as const;

for (const [end, told] of ENDINGS) {
  test(`the files of a session go at ${end} from its worker's machine, which ${told}`, {
    timeout: 180_000,
  }, async () => {
    await using model = await startTestModel();
    await using redis = await linkTo(inject('redis_url'));
    await using house = await buildHouse({
      ANTHROPIC_API_KEY: 'test',
      ANTHROPIC_BASE_URL: model.base_url,
      REDIS_URL: redis.uri,
      // Nobody is lost here, however busy the machine.
      DECKHAND_LEASE_MS: '30000',
      DECKHAND_SANDBOX_IDLE_MS: told === 'is told' ? '' : '1000',
    });
    const gateway = await house.start('gateway');
    // The second process has the second data directory.
    await house.start('worker');
    const { id, sessions, say } = await openSession(house, gateway);
    const folder = join(house.data_dir, 'p2', 'sandboxes', 'workspaces', id);

    model.reply({ tool_uses: [{ name: 'bash', input: { command: 'echo secret > file' } }] }, { text: 'Written.' });
    await say('write');
    await eventually(async () => {
      const { status } = await sessions.retrieve(id);
      if (status !== 'idle' || model.requests.length < 2) throw new Error('Not done');
    }, PATIENCE_MS);
    expect(existsSync(join(folder, 'files', 'file'))).toBe(true);

    if (told === 'hears nothing') redis.cut();
    await sessions[end](id);
    await eventually(async () => {
      if (existsSync(folder)) throw new Error('The files are still there');
    }, PATIENCE_MS);
  });
}
