import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SlackApiError } from './api-error.ts';
import { createSlackClock, type SlackClock } from './clock.ts';
import { createEverywhere, type Everywhere } from './everywhere.ts';
import { createFaultPlan, type SlackFaults } from './faults.ts';
import { deliverHttp, type HttpTarget } from './http-delivery.ts';
import { createInstalls, type Installs } from './installs.ts';
import type { MethodScene } from './method.ts';
import { createOtherBot, type OtherBot } from './other-bot.ts';
import { serveDownload } from './shared-files.ts';
import { createSocketMode, type SocketMode } from './socket-mode.ts';
import { createTeam, type SlackTeam, type TeamInside } from './team.ts';
import { bytesFor } from './upload-methods.ts';
import { bodyOf, createWebApi, type JournalEntry } from './web-api.ts';
import { createWorkspace, IDS_EACH, type SlackTokens, type SlackWorkspace } from './workspace.ts';

/**
 * A Slack of our own on 127.0.0.1: stateful, refusing what Slack refuses, with a clock and faults in the test's hands.
 * The real @slack/bolt and @slack/web-api talk to it over real HTTP and WebSockets.
 */
export interface SlackServer extends SlackTeam, AsyncDisposable {
  /** For `slackApiUrl`. */
  readonly apiUrl: string;
  /** The same for one of several, whose calls the journal then tells from the others'. */
  apiUrlOf(caller: string): string;
  readonly tokens: SlackTokens;
  readonly clock: SlackClock;
  readonly faults: SlackFaults;
  /** Every Web API call, oldest first. */
  readonly journal: JournalEntry[];
  readonly sockets: SocketMode;
  readonly installs: Installs;
  /** Another workspace, of an organisation that installs the app for all of its own when one is named. */
  team(name: string, enterprise?: { id: string; name: string }): SlackTeam;
  /** Another app, by name. */
  otherBot(name: string): OtherBot;
  /** Deliver to this request url, signed, instead of over a socket. */
  deliverTo(url: string): void;
  /** Deliver everything to each of these at the same moment; null: over each open connection. */
  deliverToEach(urls: string[] | null): Everywhere;
}

export async function startSlackServer(tokens: Partial<SlackTokens> = {}): Promise<SlackServer> {
  const clock = createSlackClock();
  const sockets = createSocketMode(clock, (prefix) => first.workspace.nextId(prefix));
  const teams: TeamInside[] = [];
  let target: HttpTarget | null = null;
  let everywhere: Everywhere | null = null;
  let host = '';

  function addTeam(workspace: SlackWorkspace): TeamInside {
    const team = createTeam({ clock, workspace, sockets, installs, host: () => host });
    team.outbox.target = target;
    team.outbox.everywhere = everywhere?.send ?? null;
    teams.push(team);
    return team;
  }

  const home = createWorkspace(clock);
  Object.assign(home.tokens, tokens);
  const installs = createInstalls(clock, home.tokens);
  const first = addTeam(home);
  installs.add(home.tokens.bot, home);
  const faults = createFaultPlan(clock);

  /** Each workspace counts its ids from a number of its own. */
  function teamOf(id: string): TeamInside {
    return teams[Math.floor(Number(id.replaceAll(/\D/g, '')) / IDS_EACH)] ?? first;
  }

  /** @throws SlackApiError for a token that is worth nothing */
  function sceneOf(token: string | undefined): MethodScene {
    if (token === undefined || token === home.tokens.app) return first.scene;
    const workspace = installs.workspaceOf(token);
    const team = teams.find((one) => one.workspace === workspace) ?? first;
    return { ...team.scene, token };
  }
  const api = createWebApi({ clock, sceneOf, app_token: home.tokens.app, faults });

  async function respond(id: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const args: Record<string, unknown> = JSON.parse(await bodyOf(request));
    const fault = faults.take('response_url', args);
    if (fault?.kind === 'status') return void response.writeHead(fault.status).end('upstream trouble');
    if (fault?.kind === 'rate_limited') {
      return void response.writeHead(429, { 'retry-after': String(fault.retry_after_s) }).end();
    }
    try {
      const team = teamOf(id);
      team.interactions.respond(id, args, team.scene);
      if (fault?.kind === 'lost') return void response.destroy();
      response.writeHead(200).end('ok');
    } catch (error) {
      if (!(error instanceof SlackApiError)) throw error;
      response.writeHead(404).end(JSON.stringify({ ok: false, error: error.message }));
    }
  }

  /** Takes the bytes it was told of, and no others. */
  async function upload(id: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const place = teamOf(id).workspace.uploads.get(id);
    const came = await bytesFor(place?.length ?? 0, request);
    // Whoever sent it went away midway.
    if (came === null) return;
    const fault = faults.take('upload', {});
    if (fault?.kind === 'rate_limited') {
      return void response.writeHead(429, { 'retry-after': String(fault.retry_after_s) }).end();
    }
    const isTaken = fault === undefined && place !== undefined && place.length === came.size;
    if (isTaken) Object.assign(place, { bytes: came.bytes, sha256: came.sha256 });
    const status = fault?.kind === 'status' ? fault.status : 500;
    response.writeHead(isTaken ? 200 : status).end(isTaken ? 'OK' : 'upstream trouble');
  }

  async function route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, area, rest = '', ...more] = (request.url ?? '').split('/');
    if (area === 'api') {
      const [method] = more;
      const call = method === undefined ? { method: rest, caller: '' } : { method, caller: rest };
      await api.handle(call, request, response);
    } else if (area === 'response') await respond(rest, request, response);
    else if (area === 'upload') await upload(rest, request, response);
    else if (area === 'files') await serveDownload(teamOf(rest).workspace, faults, [rest, ...more], request, response);
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
  home.files_url = `http://${host}/files`;

  return {
    ...first,
    apiUrl: `http://${host}/api/`,
    apiUrlOf: (caller) => `http://${host}/api/${caller}/`,
    tokens: home.tokens,
    clock,
    faults,
    installs,
    team(name, enterprise) {
      const number = teams.length;
      const workspace = createWorkspace(clock, { name, number, ...(enterprise !== undefined && { enterprise }) });
      workspace.files_url = home.files_url;
      return addTeam(workspace);
    },
    journal: api.journal,
    sockets,
    otherBot: (name) => createOtherBot(name, home, first.outbox),
    deliverTo(url) {
      target = { url, secret: home.tokens.signing_secret };
      for (const team of teams) team.outbox.target = target;
    },
    deliverToEach(urls) {
      const secret = home.tokens.signing_secret;
      everywhere = createEverywhere((envelope) =>
        urls === null
          ? sockets.sendToEach(envelope)
          : Promise.all(urls.map((url) => deliverHttp(clock, { url, secret }, envelope))),
      );
      for (const team of teams) team.outbox.everywhere = everywhere.send;
      return everywhere;
    },
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
