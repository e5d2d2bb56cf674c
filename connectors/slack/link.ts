import type { RequestListener } from 'node:http';
import type { Logger as BoltLogger, Receiver as BoltReceiver } from '@slack/bolt';
import { DeckhandError } from '../../src/errors.ts';
import type { Logger } from '../../src/logger.ts';
import { createHttpLink } from './http-link.ts';
import type { InFlight } from './in-flight.ts';
import { needed } from './needed.ts';
import { createSocketLink } from './socket-link.ts';

export interface LinkOptions {
  mode: 'socket' | 'http';
  /** Needed by `socket`. */
  app_token: string | null;
  /** Needed by `http`. */
  signing_secret: string | null;
  /** Another Slack than slack.com. */
  api_url: string | null;
  logger: Logger;
}

/** How events come in: over a connection of ours, or to an address of ours. */
export interface SlackLink {
  receiver: BoltReceiver;
  /** Answers what Slack delivers, in mode `http`, and leaves every other request to `next`. */
  inFrontOf(next: RequestListener): RequestListener;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** @throws DeckhandError when what its mode needs is missing */
export function createLink(
  { mode, app_token, signing_secret, api_url, logger }: LinkOptions,
  boltLogger: BoltLogger,
  inFlight: InFlight,
): SlackLink {
  switch (mode) {
    case 'socket': {
      const token = needed(app_token, 'SLACK_APP_TOKEN', mode);
      const socket = createSocketLink({ app_token: token, api_url, boltLogger, logger, inFlight });
      return { receiver: socket, inFrontOf: (next) => next, start: socket.start, stop: socket.stop };
    }
    case 'http': {
      const http = createHttpLink(needed(signing_secret, 'SLACK_SIGNING_SECRET', mode), logger);
      // The house listens, and stops listening, for all that answer there.
      const nothing = async () => undefined;
      return { ...http, start: nothing, stop: nothing };
    }
    default:
      throw new DeckhandError('slack_configuration', `Slack knows no mode ${String(mode satisfies never)}.`);
  }
}
