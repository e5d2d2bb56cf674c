import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import type { SlackClock } from './clock.ts';
import { ACK_MS, type Acknowledgement, type Envelope } from './socket-mode.ts';

/**
 * Post one request to the app, signed as Slack signs it. The timestamp is real time, not the test's clock: the app
 * compares it with its own.
 */
export function signed(secret: string, body: string, timestamp: number): string {
  return `v0=${createHmac('sha256', secret).update(`v0:${timestamp}:${body}`).digest('hex')}`;
}

/** Events are JSON, interactions a form with one JSON field, slash commands a plain form. */
function encode(envelope: Envelope): { body: string; type: string } {
  if (envelope.type === 'events_api') return { body: JSON.stringify(envelope.payload), type: 'application/json' };
  const form = new URLSearchParams();
  if (envelope.type === 'interactive') form.set('payload', JSON.stringify(envelope.payload));
  else for (const [key, value] of Object.entries(envelope.payload ?? {})) form.set(key, String(value));
  return { body: form.toString(), type: 'application/x-www-form-urlencoded' };
}

/** Before the app closes an idle connection itself: Node's servers do so after five seconds. */
const IDLE_MS = 2_000;
/** Cheaper than `fetch`: what a flood of events costs is taken from the app that is measured. */
const connections = new Agent({ keepAlive: true, timeout: IDLE_MS });

async function post(
  url: string,
  body: string,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<Acknowledgement> {
  try {
    const sending = request(url, {
      method: 'POST',
      agent: connections,
      headers: { ...headers, 'content-length': Buffer.byteLength(body) },
      signal,
    });
    const answered: Promise<IncomingMessage[]> = once(sending, 'response');
    sending.end(body);
    const [response] = await answered;
    if (response === undefined) return { acked: false };
    const answer = await text(response);
    const payload: unknown = answer.startsWith('{') ? JSON.parse(answer) : answer;
    return { acked: Math.floor((response.statusCode ?? 0) / 100) === 2, payload };
  } catch {
    return { acked: false };
  }
}

export interface HttpTarget {
  url: string;
  secret: string;
}

/** Deliver and wait for the answer, at most three seconds of the clock. Anything but 2xx is not acknowledged. */
export async function deliverHttp(clock: SlackClock, target: HttpTarget, envelope: Envelope): Promise<Acknowledgement> {
  const { body, type } = encode(envelope);
  const timestamp = Math.floor(Date.now() / 1_000);
  const headers = {
    'content-type': type,
    'user-agent': 'Slackbot 1.0 (+https://api.slack.com/robots)',
    'x-slack-request-timestamp': String(timestamp),
    'x-slack-signature': signed(target.secret, body, timestamp),
    ...(envelope.retry_attempt !== undefined && { 'x-slack-retry-num': String(envelope.retry_attempt) }),
    ...(envelope.retry_reason !== undefined && { 'x-slack-retry-reason': envelope.retry_reason }),
  };
  const hangUp = new AbortController();
  const cancel = clock.after(ACK_MS, () => hangUp.abort());
  try {
    return await post(target.url, body, headers, hangUp.signal);
  } finally {
    cancel();
  }
}
