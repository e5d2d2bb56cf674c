import { expect } from 'vitest';
import { CLAIM_MS } from '../../../connectors/slack/renewal.ts';
import { textOut } from '../cards.ts';
import { eventually } from '../eventually.ts';
import { createRecordingReceiver } from '../recording-receiver.ts';
import { STOP_MS } from '../stop.ts';
import { anotherConnector, type FaultRow, PATIENCE_MS } from './fault-scene.ts';
import { install, startInstallGateway } from './install-stage.ts';

const soon = (look: () => void | Promise<void>) => eventually(look, PATIENCE_MS);
const HOUR_MS = 3_600_000;

/** How the app comes to speak at all. */
export const INSTALL_ROWS: Record<string, FaultRow> = {
  'auth.test': async ({ slack, strike }) => {
    strike();
    // Whoever starts it is told, and starts it again.
    const first = anotherConnector(slack);
    await expect(first.connector.start(first.receiver)).rejects.toThrow('Slack did not accept the connection');
    await first.connector.stop(STOP_MS);
    const second = anotherConnector(slack);
    await second.connector.start(second.receiver);
    await second.connector.stop(STOP_MS);
  },
  'apps.connections.open': async ({ stage, slack, strike }) => {
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
    const posts = (words: string) =>
      gateway.connector.post(key, textOut(`dlv_${words}`, words), AbortSignal.timeout(PATIENCE_MS));
    // The token that there is still works; the next one comes a moment later.
    await posts('before');
    const renewals = () =>
      slack.journal
        .filter(({ method, args }) => method === 'oauth.v2.access' && args.grant_type === 'refresh_token')
        .map(({ outcome }) => outcome);
    await soon(() => expect(renewals()).toHaveLength(1));
    await soon(async () => {
      await slack.clock.advance(CLAIM_MS);
      await stage.db
        .collection('slack_installations')
        .updateMany({ renewing: { $exists: true } }, { $set: { 'renewing.until': new Date(0) } });
      await gateway.connector.nameOf({ id: newPerson(), name: 'x' }, 'T0ACME');
      expect(renewals().at(-1)).toBe('ok');
    });
    await posts('after');
    const said = acme.workspace.messages.filter(({ bot_id }) => bot_id !== undefined);
    expect(said).toHaveLength(2);
  },
};

let people = 0;

/** Somebody whom nobody has asked for yet. */
function newPerson(): string {
  people += 1;
  return `U_NEW_${people}`;
}
