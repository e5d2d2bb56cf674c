import { setTimeout as delay } from 'node:timers/promises';
import { type App, type Logger as BoltLogger, type Receiver, SocketModeReceiver } from '@slack/bolt';
import { messageOf } from '../../src/errors.ts';
import type { Logger } from '../../src/logger.ts';
import { withoutSecrets } from './bolt-logger.ts';
import { guarded } from './envelope.ts';
import type { InFlight } from './in-flight.ts';

/*
 * Socket Mode. Bolt's own receiver acknowledges an event before anybody has heard it and, when a reconnection fails for
 * good, leaves a rejection that nobody handles. So only its client is used: an envelope is acknowledged when its
 * listeners are done, and the connection is kept up here.
 *
 *   connecting  asks for an address and opens it; the first failure is the caller's, later ones wait 1, 2, 4… 30 s.
 *   connected   until Slack asks to come again (every few hours), or the line breaks: connecting.
 *   stopped     for good.
 */
const LONGEST_WAIT_MS = 30_000;
/** The client waits for the other end to close; a stop does not wait for ever. */
const DISCONNECT_MS = 2_000;
const REQUEST_MS = 15_000;

/** What the client emits for every envelope. */
interface SocketEvent {
  ack: (response?: unknown) => Promise<void>;
  body: Record<string, unknown>;
  retry_num?: number;
  retry_reason?: string;
}

/** Words of the connection itself; everything else is an envelope with something of Slack's in it. */
const LINK_WORDS: ReadonlySet<unknown> = new Set(['hello', 'disconnect']);

/**
 * Lets the client hear only what it can read. It looks into an event without asking whether it is there, and its
 * rejection would end the process; and it tells its own listeners of every event by its type, which may be a word of its
 * own such as `disconnected`. So an envelope gets a type that means nothing to it, and reaches only `slack_event`.
 */
function guardClient(client: SocketModeReceiver['client'], logger: Logger): void {
  const listeners = client.listeners('ws_message');
  client.removeAllListeners('ws_message');
  client.on('ws_message', (data: unknown, isBinary: boolean) => {
    const message = isBinary ? null : readable(String(data));
    if (message === null) {
      logger.warn({}, 'slack sent something that is no envelope; it is left out');
      return;
    }
    for (const listener of listeners) listener(message, false);
  });
}

/** The message as the client may read it; null when it is none. */
function readable(text: string): string | null {
  try {
    const message: unknown = JSON.parse(text);
    if (typeof message !== 'object' || message === null || !('type' in message)) return null;
    if (LINK_WORDS.has(message.type)) return text;
    if (!('envelope_id' in message) || typeof message.envelope_id !== 'string') return null;
    return JSON.stringify({ ...message, type: 'envelope' });
  } catch {
    return null;
  }
}

export interface SocketLink extends Receiver {
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface SocketLinkParts {
  app_token: string;
  api_url: string | null;
  boltLogger: BoltLogger;
  logger: Logger;
  inFlight: InFlight;
}

export function createSocketLink({ app_token, api_url, boltLogger, logger, inFlight }: SocketLinkParts): SocketLink {
  const { client } = new SocketModeReceiver({
    appToken: app_token,
    logger: boltLogger,
    autoReconnectEnabled: false,
    installerOptions: {
      clientOptions: {
        ...(api_url !== null && { slackApiUrl: api_url }),
        retryConfig: { retries: 0 },
        rejectRateLimitedCalls: true,
        timeout: REQUEST_MS,
      },
    },
  });
  guardClient(client, logger);
  const stopping = new AbortController();
  let keeping: Promise<void> = Promise.resolve();

  /** Listeners first, then the acknowledgement; without one, Slack delivers again. */
  async function handle(app: App, { ack, body, retry_num, retry_reason }: SocketEvent): Promise<void> {
    let answer: { response: unknown } | undefined;
    await app.processEvent({
      body,
      ...(retry_num !== undefined && { retryNum: retry_num }),
      ...(retry_reason !== undefined && { retryReason: retry_reason }),
      ack: async (response: unknown) => {
        answer = { response };
      },
    });
    if (answer !== undefined) await ack(answer.response);
  }

  function disconnected(): Promise<void> {
    return new Promise((resolve) => {
      client.once('disconnected', () => resolve());
    });
  }

  async function hangUp(): Promise<void> {
    const quiet = new AbortController();
    const patience = delay(DISCONNECT_MS, undefined, { signal: quiet.signal, ref: false }).catch(() => undefined);
    await Promise.race([client.disconnect(), patience]);
    quiet.abort();
  }

  async function keepConnected(): Promise<void> {
    let failures = 0;
    await disconnected();
    while (!stopping.signal.aborted) {
      try {
        await client.start();
        // It was being opened while the hang-up of `stop` went out.
        if (stopping.signal.aborted) return await hangUp();
        failures = 0;
        await disconnected();
      } catch (error) {
        failures += 1;
        const wait = Math.min(1_000 * 2 ** (failures - 1), LONGEST_WAIT_MS);
        logger.warn(
          { reason: withoutSecrets(messageOf(error)), wait_ms: wait },
          'slack connection failed, trying again',
        );
        await delay(wait, undefined, { signal: stopping.signal }).catch(() => undefined);
      }
    }
  }

  return {
    init(app) {
      const gate = guarded(app, logger);
      client.on('slack_event', (event: SocketEvent) => {
        const work = inFlight.run(() => handle(gate, event));
        work.catch((error: unknown) => {
          logger.warn({ reason: withoutSecrets(messageOf(error)) }, 'slack envelope not acknowledged');
        });
      });
    },
    async start() {
      await client.start();
      keeping = keepConnected();
    },
    async stop() {
      stopping.abort();
      await hangUp();
      await keeping;
    },
  };
}
