import { type Logger as BoltLogger, type Receiver as BoltReceiver, ExpressReceiver } from '@slack/bolt';
import type { Logger } from '../../src/logger.ts';
import { guarded } from './envelope.ts';

/** Slack delivers to a public address: the receiver for Bolt, and the router that answers `POST /slack/events`. */
export interface HttpLink {
  receiver: BoltReceiver;
  router: ExpressReceiver['router'];
}

export function createHttpLink(signing_secret: string, boltLogger: BoltLogger, logger: Logger): HttpLink {
  const http = new ExpressReceiver({
    signingSecret: signing_secret,
    logger: boltLogger,
    endpoints: '/slack/events',
    // The 200 waits for the listeners, so that it means "kept".
    processBeforeResponse: true,
    // Slack stops waiting after three seconds and sends it again. Bolt would answer 404 then, also to what is
    // still being kept.
    unhandledRequestTimeoutMillis: 30_000,
    // Why is in the log by then (`app.error`), and is no failure while this process stops: Bolt would call it one.
    async processEventErrorHandler({ response }) {
      if (!response.headersSent) response.writeHead(500).end();
      return false;
    },
  });
  return {
    router: http.router,
    receiver: {
      init: (app) => http.init(guarded(app, logger)),
      start: async () => undefined,
      stop: async () => undefined,
    },
  };
}
