/** The floors of chat: a Bolt app that acknowledges every event and does nothing else, or keeps it first. */
import bolt from '@slack/bolt';
import { MongoClient } from 'mongodb';
import { serve } from '../processes/serve.mjs';

/**
 * @param {import('@slack/bolt').Receiver} receiver
 * @param {(body: object) => Promise<unknown>} keep
 */
function echo(receiver, keep = async () => undefined) {
  const app = new bolt.App({
    receiver,
    authorize: async () => ({ botToken: 'xoxb-echo', botId: 'B0ECHO', botUserId: 'U0ECHO' }),
    ignoreSelf: false,
    convoStore: false,
  });
  app.use(async ({ body, next }) => {
    await keep(body);
    await next();
  });
  app.event('message', async () => {});
}

/**
 * Writes what comes into a collection, journaled.
 * @param {{ mongodb_uri: string, database: string }} where
 */
function keeper({ mongodb_uri, database }) {
  const kept = new MongoClient(mongodb_uri).db(database).collection('echo', { writeConcern: { w: 1, j: true } });
  return (/** @type {object} */ body) => kept.insertOne({ body });
}

/**
 * Bolt's receiver acknowledges an event before anybody has heard it; this one when the middleware is through, as the gateway.
 * @param {import('@slack/bolt').SocketModeReceiver} receiver
 * @returns {import('@slack/bolt').Receiver}
 */
function keptFirst({ client }) {
  return {
    init(app) {
      client.on('slack_event', ({ ack, body }) => {
        app.processEvent({ body, ack: async () => undefined }).then(() => ack(), fail);
      });
    },
    start: async () => undefined,
    stop: async () => undefined,
  };
}

function fail(/** @type {unknown} */ error) {
  throw error;
}

const handlers = {
  /**
   * @param {string} signingSecret
   * @param {{ mongodb_uri: string, database: string } | null} keep
   */
  async listen(signingSecret, keep = null) {
    // Slack is answered when the middleware is through, as by the gateway.
    const receiver = new bolt.ExpressReceiver({
      signingSecret,
      endpoints: '/slack/events',
      processBeforeResponse: keep !== null,
    });
    echo(receiver, keep === null ? undefined : keeper(keep));
    const address = (await receiver.start(0)).address();
    if (address === null || typeof address === 'string') throw new Error('The echo has no port');
    return `http://127.0.0.1:${address.port}/slack/events`;
  },
  /**
   * @param {{ appToken: string, api_url: string }} options
   * @param {{ mongodb_uri: string, database: string } | null} keep
   */
  async connect({ appToken, api_url }, keep = null) {
    const receiver = new bolt.SocketModeReceiver({
      appToken,
      installerOptions: { clientOptions: { slackApiUrl: api_url } },
    });
    if (keep === null) {
      echo(receiver);
      await receiver.start();
    } else {
      echo(keptFirst(receiver), keeper(keep));
      await receiver.client.start();
    }
  },
};
/** @typedef {typeof handlers} EchoHandlers */

serve(handlers);
