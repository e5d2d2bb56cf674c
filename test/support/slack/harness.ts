import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { parseButtonValue } from '../../../connectors/slack/approval-blocks.ts';
import { createSlackConnector, type SlackConnector, type SlackOptions } from '../../../connectors/slack/index.ts';
import type { Receiver } from '../../../src/chat/inbound.ts';
import type { ConversationKey } from '../../../src/chat/place.ts';
import { silentLogger } from '../../../src/logger.ts';
import type { ConnectorHarness, HarnessPerson, VisibleMessage } from '../../contract/connector-harness.ts';
import { STOP_MS } from '../stop.ts';
import { buttonsOf } from './block-limits.ts';
import { buttonLabels, type MessagePlace, type SlackPerson } from './person.ts';
import { type SlackServer, startSlackServer } from './server.ts';
import { readable } from './transcript.ts';
import { channelNamed } from './workspace.ts';

export interface SlackHarness extends ConnectorHarness {
  readonly connector: SlackConnector;
  readonly slack: SlackServer;
  /** Where the connector is served. */
  readonly url: string;
}

const POSTING = ['chat.postMessage', 'chat.startStream'];

function placeOfKey(key: ConversationKey): MessagePlace {
  return { channel: key.channel, ts: key.thread };
}

/** The connector's options for this server; say only what differs. */
export function slackOptions(slack: SlackServer, over: Partial<SlackOptions> = {}): SlackOptions {
  return {
    bot_token: slack.tokens.bot,
    oauth: null,
    app_token: slack.tokens.app,
    signing_secret: slack.tokens.signing_secret,
    api_url: slack.apiUrl,
    mode: 'socket',
    stream_channels: 'alone',
    db: null,
    logger: silentLogger,
    now: () => slack.clock.now(),
    after: (ms, run) => slack.clock.after(ms, run),
    ...over,
  };
}

/** Serve the connector as the gateway does. */
export async function serve({ router, inFrontOf }: SlackConnector): Promise<{ url: string } & AsyncDisposable> {
  const app = express();
  if (router !== null) app.use(router);
  const server = createServer(inFrontOf(app));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}

function personOf(slack: SlackServer, person: SlackPerson, place: 'channel' | 'dm'): HarnessPerson {
  return {
    async says(text, { mention = true, in: key } = {}) {
      channelNamed(slack.workspace, 'ops').members.add(person.user.id);
      if (key !== undefined) person.reply(placeOfKey(key), text, { mention });
      else if (place === 'dm') person.dm(text);
      else if (mention) person.mention('ops', text);
      else person.says('ops', text);
    },
    async clicks(approvalId, decision, key, reason) {
      const holds = (value: unknown) => parseButtonValue(String(value))?.approval_id === approvalId;
      const card = person
        .sees(placeOfKey(key))
        .find((message) => buttonsOf(message.blocks).some((b) => holds(b.value)));
      if (card === undefined) throw new Error(`${person.user.name} sees no buttons of ${approvalId}`);
      const ack = await person.click(card, decision === 'allow' ? 'Approve' : 'Deny');
      if (decision === 'deny') await person.submit(reason === undefined ? {} : { reason });
      if (!ack.acked) throw new Error('Slack shows a warning sign beside the button');
    },
  };
}

/**
 * The real connector, connected to a test Slack. In `dm` people talk to the bot directly.
 * @param over options that differ, which may depend on that Slack
 */
export async function startSlackHarness(
  receiver: Receiver,
  over: Partial<SlackOptions> | ((slack: SlackServer) => Partial<SlackOptions>) = {},
  place: 'channel' | 'dm' = 'channel',
): Promise<SlackHarness> {
  const slack = await startSlackServer();
  const options = slackOptions(slack, typeof over === 'function' ? over(slack) : over);
  const connector = createSlackConnector(options);
  const served = await serve(connector);
  const { url } = served;
  // Slack comes to the address of those who have no connection of their own.
  if (options.mode === 'http') slack.deliverTo(`${url}/slack/events`);
  await connector.start(receiver);
  return {
    connector,
    slack,
    url,
    person: (name) => personOf(slack, slack.user(name), place),
    async visibleTo(name, key): Promise<VisibleMessage[]> {
      return slack
        .user(name)
        .sees(placeOfKey(key))
        .map((message) => ({
          text: readable(message),
          buttons: buttonLabels(message),
          private: message.ephemeral_to !== undefined,
          from_bot: message.bot_id !== undefined,
        }));
    },
    async redeliverLast() {
      await slack.outbox.redeliverLast();
    },
    faults: {
      loseNextResponse: () => slack.faults.loseResponse(...POSTING),
      rateLimitNext: (ms) => slack.faults.rateLimit(POSTING, ms / 1_000),
    },
    async [Symbol.asyncDispose]() {
      await connector.stop(STOP_MS);
      await slack[Symbol.asyncDispose]();
      await served[Symbol.asyncDispose]();
    },
  };
}
