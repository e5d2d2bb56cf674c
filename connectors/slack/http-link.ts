import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { type App, type Receiver as BoltReceiver, HTTPModuleFunctions as http, type ReceiverEvent } from '@slack/bolt';
import { messageOf } from '../../src/errors.ts';
import type { Logger } from '../../src/logger.ts';
import { guarded } from './envelope.ts';

/** Slack delivers to a public address: the receiver for Bolt, and what answers there. */
export interface HttpLink {
  receiver: BoltReceiver;
  /**
   * Answers `POST /slack/events` and leaves every other request to `next`. Mount it before anything that reads bodies: the
   * signature is over the bytes as they came.
   *
   *   200  kept, so that Slack need not send it again; also what nobody here wants or can read
   *   400  signed, and neither JSON nor a form
   *   401  not signed by Slack, or more than five minutes ago
   *   413  more than 4 MB
   *   500  not kept: Slack sends it again
   */
  inFrontOf(next: RequestListener): RequestListener;
}

const ADDRESS = /^\/slack\/events\/?(?:\?|$)/i;

/**
 * Bolt's own receivers for HTTP answer 404 to what is being kept for longer than they wait; every event pays for the
 * one's router of Express, and the other would end the process at a body of `null`. So only their parts are used.
 */
export function createHttpLink(signing_secret: string, logger: Logger): HttpLink {
  let app: App | null = null;

  /** @returns null: it was refused, and answered so */
  async function read(
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<{ body: ReceiverEvent['body'] | null } | null> {
    const refuse = (status: number, error: unknown) => {
      logger.warn({ status, reason: messageOf(error) }, 'slack request refused');
      // The rest of a body that is too long is not read, nor what comes after it.
      if (status === 413) response.setHeader('connection', 'close');
      http.buildNoBodyResponse(response, status);
      return null;
    };
    let signed: Parameters<typeof http.parseHTTPRequestBody>[0];
    try {
      signed = await http.parseAndVerifyHTTPRequest(
        { signingSecret: signing_secret, bodyLimit: http.defaultBodyLimit },
        request,
      );
    } catch (error) {
      return refuse(http.isRawBodyError(error) ? error.statusCode : 401, error);
    }
    try {
      return { body: http.parseHTTPRequestBody(signed) };
    } catch (error) {
      return refuse(400, error);
    }
  }

  /** The answer waits for the listeners, so that a 200 means "kept". */
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const found = await read(request, response);
    if (found === null) return;
    const { body } = found;
    // Whether the address is there and is served over TLS, which Slack asks once.
    if (body?.['ssl_check'] === '1') return http.buildSSLCheckResponse(response);
    if (body?.['type'] === 'url_verification') return http.buildUrlVerificationResponse(response, body);
    const retryNum = http.extractRetryNumFromHTTPRequest(request);
    const retryReason = http.extractRetryReasonFromHTTPRequest(request);
    let acknowledged: unknown;
    await app?.processEvent({
      body: body ?? {},
      ...(retryNum !== undefined && { retryNum }),
      ...(retryReason !== undefined && { retryReason }),
      async ack(given) {
        acknowledged = given;
      },
    });
    http.buildContentResponse(response, acknowledged);
  }

  return {
    receiver: {
      init(given) {
        app = guarded(given, logger);
      },
      start: async () => undefined,
      stop: async () => undefined,
    },
    inFrontOf: (next) => (request, response) => {
      if (request.method !== 'POST' || !ADDRESS.test(request.url ?? '')) return next(request, response);
      answer(request, response).catch(() => {
        // Why is in the log by then (`app.error`), and is no failure while this process stops.
        if (!response.headersSent) http.buildNoBodyResponse(response, 500);
      });
    },
  };
}
