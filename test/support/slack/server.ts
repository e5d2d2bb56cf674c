import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SlackApiError } from './api-error.ts';
import { shown } from './chat-methods.ts';
import { createSlackClock, type SlackClock } from './clock.ts';
import { createFaultPlan, type SlackFaults } from './faults.ts';
import { createInteractions } from './interactions.ts';
import type { MethodScene } from './method.ts';
import { createOtherBot, type OtherBot } from './other-bot.ts';
import { createOutbox, type Outbox } from './outbox.ts';
import { createPerson, type MessagePlace, type SlackPerson } from './person.ts';
import { serveDownload } from './shared-files.ts';
import { createSocketMode, type SocketMode } from './socket-mode.ts';
import { transcript } from './transcript.ts';
import { bodyOf, createWebApi, type JournalEntry } from './web-api.ts';
import {
  channelNamed,
  createWorkspace,
  type SlackChannel,
  type SlackMessage,
  type SlackTokens,
  type SlackWorkspace,
  userNamed,
} from './workspace.ts';

/**
 * A Slack of our own on 127.0.0.1: stateful, refusing what Slack refuses, with a clock and faults in the test's hands.
 * The real @slack/bolt and @slack/web-api talk to it over real HTTP and WebSockets.
 */
export interface SlackServer extends AsyncDisposable {
  /** For `slackApiUrl`. */
  readonly apiUrl: string;
  readonly tokens: SlackTokens;
  readonly clock: SlackClock;
  readonly workspace: SlackWorkspace;
  readonly faults: SlackFaults;
  /** Every Web API call, oldest first. */
  readonly journal: JournalEntry[];
  readonly sockets: SocketMode;
  readonly outbox: Outbox;
  /** A channel by name, with the bot in it. */
  channel(name: string): SlackChannel;
  /** Somebody by display name; the same name is the same person. */
  user(name: string): SlackPerson;
  /** Another app, by name. */
  otherBot(name: string): OtherBot;
  /** Deliver to this request url, signed, instead of over a socket. */
  deliverTo(url: string): void;
  transcript(thread: MessagePlace): string;
}

export async function startSlackServer(tokens: Partial<SlackTokens> = {}): Promise<SlackServer> {
  const clock = createSlackClock();
  const workspace = createWorkspace(clock);
  Object.assign(workspace.tokens, tokens);
  const faults = createFaultPlan(clock);
  const sockets = createSocketMode(clock, (prefix) => workspace.nextId(prefix));
  const outbox = createOutbox(clock, workspace, sockets);
  let host = '';
  const interactions = createInteractions({ clock, workspace, outbox, origin: () => `http://${host}` });

  /** Slack tells an app of its own messages too, with its bot id. */
  function posted(message: SlackMessage): void {
    workspace.thread_status.delete(`${message.channel}:${message.thread_ts}`);
    const kind = workspace.channels.get(message.channel)?.kind ?? 'channel';
    outbox.event({ ...shown(message, workspace), channel: message.channel, channel_type: kind, event_ts: message.ts });
  }

  const scene: MethodScene = {
    workspace,
    clock,
    posted,
    socketUrl: () => sockets.issueUrl(host),
    uploadUrl: (id) => `http://${host}/upload/${id}`,
    triggeredBy: (id) => interactions.triggeredBy(id),
  };
  const api = createWebApi(scene, faults);

  async function respond(id: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const args: Record<string, unknown> = JSON.parse(await bodyOf(request));
    try {
      interactions.respond(id, args, scene);
      response.writeHead(200).end('ok');
    } catch (error) {
      if (!(error instanceof SlackApiError)) throw error;
      response.writeHead(404).end(JSON.stringify({ ok: false, error: error.message }));
    }
  }

  /** Takes the bytes it was told of, and no others. */
  async function upload(id: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const bytes = Buffer.from(await bodyOf(request));
    const fault = faults.take('upload', {});
    const place = workspace.uploads.get(id);
    const isTaken = fault === undefined && place !== undefined && place.length === bytes.length;
    if (isTaken) place.bytes = bytes;
    response.writeHead(isTaken ? 200 : 500).end(isTaken ? 'OK' : 'upstream trouble');
  }

  async function route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, area, rest = '', ...more] = (request.url ?? '').split('/');
    if (area === 'api') await api.handle(rest, request, response);
    else if (area === 'response') await respond(rest, request, response);
    else if (area === 'upload') await upload(rest, request, response);
    else if (area === 'files') await serveDownload(workspace, faults, [rest, ...more], request, response);
    else response.writeHead(404).end();
  }

  const server = createServer((request, response) => {
    route(request, response).catch((error: unknown) => {
      // A bug of this server must not look like one of Slack's answers.
      console.error('test Slack server failed', error);
      response.destroy();
    });
  });
  server.on('upgrade', (request, socket, head) => sockets.upgrade(request, socket, head));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  workspace.files_url = `http://${host}/files`;

  return {
    apiUrl: `http://${host}/api/`,
    tokens: workspace.tokens,
    clock,
    workspace,
    faults,
    journal: api.journal,
    sockets,
    outbox,
    channel: (name) => channelNamed(workspace, name),
    user: (name) => createPerson(userNamed(workspace, name), { workspace, outbox, interactions }),
    otherBot: (name) => createOtherBot(name, workspace, outbox),
    deliverTo(url) {
      outbox.target = { url, secret: workspace.tokens.signing_secret };
    },
    transcript: (thread) => transcript(workspace, thread),
    async [Symbol.asyncDispose]() {
      clock.clear();
      await sockets.close();
      server.closeAllConnections();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}
