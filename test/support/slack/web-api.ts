import type { IncomingMessage, ServerResponse } from 'node:http';
import { SlackApiError } from './api-error.ts';
import { type Arguments, optional } from './arguments.ts';
import { chatMethods } from './chat-methods.ts';
import type { SlackClock } from './clock.ts';
import { conversationMethods } from './conversation-methods.ts';
import type { FaultPlan } from './faults.ts';
import type { Method, MethodScene } from './method.ts';
import { missingScope } from './method-scopes.ts';
import { otherMethods } from './other-methods.ts';
import { reactionMethods } from './reaction-methods.ts';
import { streamMethods } from './stream-methods.ts';
import { uploadMethods } from './upload-methods.ts';
import { viewMethods } from './view-methods.ts';

export const METHODS: Readonly<Record<string, Method>> = {
  ...chatMethods,
  ...streamMethods,
  ...conversationMethods,
  ...uploadMethods,
  ...reactionMethods,
  ...otherMethods,
  ...viewMethods,
};

/** One call as it was asked and answered. Tokens are left out. */
export interface JournalEntry {
  /** By this Slack's clock, in milliseconds since the epoch: when it came, and when it was answered. */
  came_at: number;
  at: number;
  /** Who made it, where they were given an address of their own (`apiUrlOf`); else empty. */
  caller: string;
  method: string;
  /** The workspace that the call was for; empty for a token of none. */
  team_id: string;
  args: Arguments;
  /** `ok`, Slack's error, an HTTP status, or `lost` when it was applied and not answered. */
  outcome: string;
  /** Of a 429: when its Retry-After is over, and when the caller had its answer; null: it never took it. */
  wait?: { over_at: number; told_at: number | null };
}

export interface WebApi {
  readonly journal: JournalEntry[];
  handle(call: { method: string; caller: string }, request: IncomingMessage, response: ServerResponse): Promise<void>;
}

async function bytesOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

export async function bodyOf(request: IncomingMessage): Promise<string> {
  return (await bytesOf(request)).toString('utf8');
}

async function argumentsOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  const body = await bodyOf(request);
  if (request.headers['content-type']?.startsWith('application/json')) {
    const json: unknown = JSON.parse(body);
    return typeof json === 'object' && json !== null ? { ...json } : {};
  }
  return Object.fromEntries(new URLSearchParams(body));
}

/** The app's own id and secret are in its arguments. */
const WITHOUT_TOKEN: ReadonlySet<string> = new Set(['oauth.v2.access']);

/** @throws SlackApiError `missing_scope`: what the manifest does not ask for, the app may not do. */
function checkScope({ workspace }: MethodScene, method: string, args: Arguments): void {
  const channel = workspace.channels.get(optional(args, 'channel') ?? '');
  const needed = missingScope(method, workspace.scopes, channel?.kind);
  if (needed === undefined) return;
  throw new SlackApiError('missing_scope', { needed, provided: [...workspace.scopes].join(',') });
}

function answer(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers });
  response.end(JSON.stringify(body));
}

export interface WebApiParts {
  clock: SlackClock;
  /** The workspace that a token speaks in. @throws SlackApiError for a token that is worth nothing */
  sceneOf(token: string | undefined): MethodScene;
  app_token: string;
  faults: FaultPlan;
}

export function createWebApi({ clock, sceneOf, app_token, faults }: WebApiParts): WebApi {
  const journal: JournalEntry[] = [];

  /** @throws SlackApiError in Slack's words */
  function call(method: string, token: string | undefined, args: Arguments): Record<string, unknown> {
    if (token === undefined && !WITHOUT_TOKEN.has(method)) throw new SlackApiError('not_authed');
    const scene = sceneOf(token);
    if ((method === 'apps.connections.open') !== (token === app_token)) {
      throw new SlackApiError('not_allowed_token_type');
    }
    const run = METHODS[method];
    if (run === undefined) throw new SlackApiError('unknown_method', { req_method: method });
    checkScope(scene, method, args);
    return run(scene, args);
  }

  function teamOf(token: string | undefined): string {
    try {
      return token === undefined || token === app_token ? '' : sceneOf(token).workspace.team_id;
    } catch {
      return '';
    }
  }

  function resultOf(method: string, token: string | undefined, args: Arguments): Record<string, unknown> {
    try {
      return { ok: true, ...call(method, token, args) };
    } catch (error) {
      if (!(error instanceof SlackApiError)) throw error;
      return { ok: false, error: error.message, ...error.extra };
    }
  }

  /** On a connection that ends with it, and so shows when it was taken. */
  function limit(entry: JournalEntry, response: ServerResponse, seconds: number): void {
    const wait: JournalEntry['wait'] = { over_at: clock.now() + seconds * 1_000, told_at: null };
    entry.wait = wait;
    response.socket?.once('close', () => {
      wait.told_at = clock.now();
    });
    const headers = { 'retry-after': String(seconds), connection: 'close' };
    answer(response, 429, { ok: false, error: 'ratelimited' }, headers);
  }

  return {
    journal,
    async handle({ method, caller }, request, response) {
      const came_at = clock.now();
      const { token: argToken, ...args } = await argumentsOf(request);
      const token = request.headers.authorization?.replace(/^Bearer /, '') ?? optional({ argToken }, 'argToken');
      const team_id = teamOf(token);
      const record = (outcome: string) => {
        const entry: JournalEntry = { came_at, at: clock.now(), caller, method, team_id, args, outcome };
        journal.push(entry);
        return entry;
      };
      const fault = faults.take(method, args);
      switch (fault?.kind) {
        case 'held':
          fault.reached();
          if ((await fault.ending) === 'dropped') {
            response.destroy();
            return;
          }
          break;
        case 'rate_limited':
          limit(record('429'), response, fault.retry_after_s);
          return;
        case 'status':
          record(String(fault.status));
          response.writeHead(fault.status).end('upstream trouble');
          return;
        case 'error':
          record(fault.error);
          answer(response, 200, { ok: false, error: fault.error });
          return;
        default:
      }
      const result = resultOf(method, token, args);
      if (result.error === 'ratelimited') {
        limit(record('429'), response, Number(result.retry_after_s));
        return;
      }
      record(fault?.kind === 'lost' ? 'lost' : result.ok === true ? 'ok' : String(result.error));
      if (fault?.kind === 'lost') response.destroy();
      else answer(response, 200, result);
    },
  };
}
