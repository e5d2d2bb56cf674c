/** The floor of chat: a Bolt app that acknowledges every event and does nothing else. */
import bolt from '@slack/bolt';
import { serve } from '../processes/serve.mjs';

/** @param {import('@slack/bolt').Receiver} receiver */
function echo(receiver) {
  const app = new bolt.App({
    receiver,
    authorize: async () => ({ botToken: 'xoxb-echo', botId: 'B0ECHO', botUserId: 'U0ECHO' }),
    ignoreSelf: false,
    convoStore: false,
  });
  app.event('message', async () => {});
}

const handlers = {
  /** @param {string} signingSecret */
  async listen(signingSecret) {
    const receiver = new bolt.ExpressReceiver({ signingSecret, endpoints: '/slack/events' });
    echo(receiver);
    const address = (await receiver.start(0)).address();
    if (address === null || typeof address === 'string') throw new Error('The echo has no port');
    return `http://127.0.0.1:${address.port}/slack/events`;
  },
  /** @param {{ appToken: string, api_url: string }} options */
  async connect({ appToken, api_url }) {
    const receiver = new bolt.SocketModeReceiver({
      appToken,
      installerOptions: { clientOptions: { slackApiUrl: api_url } },
    });
    echo(receiver);
    await receiver.start();
  },
};
/** @typedef {typeof handlers} EchoHandlers */

serve(handlers);
