import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { buildHouse } from '../support/house.ts';
import { startTestModel } from '../support/model.ts';
import { install } from '../support/slack/install-stage.ts';
import { startSlackServer } from '../support/slack/server.ts';

const PATIENCE_MS = 30_000;

test('workspaces install the app in a browser, and each is answered, also by a gateway that was not there', {
  timeout: 180_000,
}, async () => {
  await using model = await startTestModel();
  await using slack = await startSlackServer();
  const teams = [slack.team('Acme'), slack.team('Other')];
  await using house = await buildHouse({
    ANTHROPIC_API_KEY: 'test',
    ANTHROPIC_BASE_URL: model.base_url,
    SLACK_CLIENT_ID: slack.tokens.client_id,
    SLACK_CLIENT_SECRET: slack.tokens.client_secret,
    SLACK_TEAMS: 'T0ACME,T0OTHER',
    SLACK_APP_TOKEN: slack.tokens.app,
    SLACK_API_URL: slack.apiUrl,
    DECKHAND_VAULT_KEY: Buffer.alloc(32, 7).toString('base64'),
  });
  const [first] = await Promise.all([house.start('gateway'), house.start('worker')]);
  for (const team of teams) expect(await install(team, first)).toMatchObject({ status: 200 });

  async function asks(words: string): Promise<void> {
    for (const { workspace, user, transcript } of teams) {
      const answer = `${words} in ${workspace.name}`;
      model.reply({ text: answer });
      const thread = user('Ana').mention('ops', `say ${words}`);
      await eventually(() => expect(transcript(thread)).toContain(`deckhand: ${answer}`), PATIENCE_MS);
    }
  }

  await asks('Hello');
  await first.stop();
  const second = await house.start('gateway');
  await asks('Hello again');
  for (const { workspace } of teams) {
    const secrets = slack.installs.tokensOf(workspace);
    for (const secret of secrets) expect(first.output() + second.output()).not.toContain(secret);
  }
});
