import { expect } from 'vitest';
import { textOut } from '../cards.ts';
import { eventually } from '../eventually.ts';
import { createRecordingReceiver } from '../recording-receiver.ts';
import { STOP_MS } from '../stop.ts';
import { anotherConnector, type FaultRow, PATIENCE_MS } from './fault-scene.ts';
import { type InstallGateway, install, startInstallGateway } from './install-stage.ts';

const soon = (look: () => void | Promise<void>) => eventually(look, PATIENCE_MS);
const HOUR_MS = 3_600_000;

/** How the app comes to speak at all. */
export const INSTALL_ROWS: Record<string, FaultRow> = {
  'auth.test': async ({ slack, strike }) => {
    strike();
    // A start is no matter of luck.
    const { connector, receiver } = anotherConnector(slack);
    await connector.start(receiver);
    await connector.stop(STOP_MS);
  },
  'apps.connections.open': async ({ stage, slack, strike }) => {
    strike();
    const { connector, receiver } = anotherConnector(slack);
    await connector.start(receiver);
    await connector.stop(STOP_MS);
    strike();
    slack.sockets.cut();
    await soon(() => expect(slack.sockets.size).toBe(1));
    slack.user('Ana').mention('ops', 'hello');
    await soon(async () => expect(await stage.entries('user.message')).toHaveLength(1));
  },
  'auth.revoke': async ({ stage, slack, strike }) => {
    await using gateway = await startInstallGateway(slack, stage.db, () => createRecordingReceiver(), {
      teams: ['T0ACME'],
    });
    strike();
    // Its token is kept nowhere, whether or not Slack took it back.
    expect(await install(slack.team('Other'), gateway)).toMatchObject({ status: 403 });
    expect(await stage.db.collection('slack_installations').countDocuments({})).toBe(0);
  },
  'oauth.v2.access': async ({ stage, slack, strike }) => {
    slack.installs.rotate = true;
    const acme = slack.team('Acme');
    await using gateway = await startInstallGateway(slack, stage.db, () => createRecordingReceiver());
    await install(acme, gateway);
    const { channel, ts } = acme.user('Ana').mention('ops', 'hello');
    await acme.outbox.idle();
    await slack.clock.advance(11 * HOUR_MS);
    strike();
    const key = { connector: 'slack', tenant: 'T0ACME', channel, thread: ts };
    const posts = ({ connector }: InstallGateway, words: string) =>
      connector.post(key, textOut(`dlv_${words}`, words), AbortSignal.timeout(PATIENCE_MS));
    // The token that there is still works; whoever comes after that claim has run out gets the next one.
    await posts(gateway, 'before');
    await soon(() => expect(JSON.stringify(gateway.log)).toContain('slack token not renewed;'));
    const claims = stage.db.collection('slack_installations');
    await claims.updateMany({ renewing: { $exists: true } }, { $set: { 'renewing.until': new Date(0) } });
    await using other = await startInstallGateway(slack, stage.db, () => createRecordingReceiver());
    await posts(other, 'after');
    const renewals = () =>
      slack.journal
        .filter(({ method, args }) => method === 'oauth.v2.access' && args.grant_type === 'refresh_token')
        .map(({ outcome }) => outcome);
    await soon(() => expect(renewals()).toEqual([expect.anything(), 'ok']));
    const said = acme.workspace.messages.filter(({ bot_id }) => bot_id !== undefined);
    expect(said).toHaveLength(2);
  },
};
