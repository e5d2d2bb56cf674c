import { deliverHttp, type HttpTarget } from '../../test/support/slack/http-delivery.ts';
import type { MessagePlace } from '../../test/support/slack/person.ts';
import { type SlackServer, startSlackServer } from '../../test/support/slack/server.ts';
import type { Acknowledgement, Envelope } from '../../test/support/slack/socket-mode.ts';
import { type Directive, writeDirective } from '../model/directive.ts';
import { serve } from '../processes/serve.mjs';
import { nextNonce } from './turns.ts';
import { msBetween } from './v1-client.ts';

/** A Slack in a process of its own: what the gateway posts goes there, and events come from there. */
const slack: SlackServer = await startSlackServer();
let target: HttpTarget | null = null;
const CHANNEL = 'ops';
/** One timer sends whatever is due. */
const TICK_MS = 2;

export interface Flood {
  /** From sending an event to its acknowledgement. */
  each_ms: number[];
  /** Events that were not acknowledged. */
  refused: number;
}

/** Send one event to the app, over whichever way it listens on. */
function send(payload: unknown): Promise<Acknowledgement> {
  const envelope: Envelope = { type: 'events_api', payload };
  return target === null ? slack.sockets.send(envelope) : deliverHttp(slack.clock, target, envelope);
}

/** Somebody mentions the bot again in a thread. */
function reply(thread: MessagePlace): unknown {
  const { workspace } = slack;
  const ts = workspace.nextTs();
  return {
    token: 'verification-token',
    team_id: workspace.team_id,
    api_app_id: workspace.app_id,
    event: {
      type: 'message',
      channel_type: 'channel',
      user: slack.user('Ana').user.id,
      team: workspace.team_id,
      channel: thread.channel,
      text: `<@${workspace.bot_user_id}> and also ${writeDirective({ nonce: nextNonce() })}`,
      ts,
      event_ts: ts,
      thread_ts: thread.ts,
    },
    type: 'event_callback',
    event_id: workspace.nextId('Ev'),
    event_time: Math.floor(Date.now() / 1000),
    is_ext_shared_channel: false,
  };
}

let threads: MessagePlace[] = [];

const handlers = {
  access: async () => ({ api_url: slack.apiUrl, tokens: slack.tokens }),
  /** Deliver over HTTP from now on instead of over a socket. */
  async deliverTo(url: string) {
    slack.deliverTo(url);
    target = { url, secret: slack.tokens.signing_secret };
  },
  connections: async () => slack.sockets.size,
  /** Begin so many threads, each with a mention that asks for an answer. */
  async mention(count: number, directive: Omit<Directive, 'nonce'>) {
    threads = Array.from({ length: count }, () =>
      slack.user('Ana').mention(CHANNEL, writeDirective({ ...directive, nonce: nextNonce() })),
    );
    await slack.outbox.idle();
  },
  /** Replies in these threads, so many a second whatever becomes of them, and when each was acknowledged. */
  async flood({ per_second, events }: { per_second: number; events: number }): Promise<Flood> {
    const places = threads.length > 0 ? threads : [slack.user('Ana').says(CHANNEL, 'hello')];
    const result: Flood = { each_ms: [], refused: 0 };
    const underway: Promise<void>[] = [];
    const deliver = async (index: number) => {
      const payload = reply(places[index % places.length] ?? { channel: '', ts: '' });
      const sent = process.hrtime.bigint();
      const { acked } = await send(payload);
      if (acked) result.each_ms.push(msBetween(sent, process.hrtime.bigint()));
      else result.refused += 1;
    };
    const started = performance.now();
    while (underway.length < events) {
      const due = Math.min(events, ((performance.now() - started) * per_second) / 1000);
      while (underway.length < due) underway.push(deliver(underway.length));
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    }
    await Promise.all(underway);
    return result;
  },
};
export type SlackHandlers = typeof handlers;
serve(handlers);
