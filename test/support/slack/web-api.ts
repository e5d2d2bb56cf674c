import type { IncomingMessage, ServerResponse } from 'node:http';
import { SlackApiError } from './api-error.ts';
import { type Arguments, optional } from './arguments.ts';
import { chatMethods } from './chat-methods.ts';
import { conversationMethods } from './conversation-methods.ts';
import type { FaultPlan } from './faults.ts';
import type { Method, MethodScene } from './method.ts';
import { missingScope } from './method-scopes.ts';
import { otherMethods } from './other-methods.ts';
import { reactionMethods } from './reaction-methods.ts';
import { streamMethods } from './stream-methods.ts';
import { uploadMethods } from './upload-methods.ts';

export const METHODS: Readonly<Record<string, Method>> = {
  ...chatMethods,
  ...streamMethods,
  ...conversationMethods,
  ...uploadMethods,
  ...reactionMethods,
  ...otherMethods,
};

/** One call as it was asked and answered. Tokens are left out. */
export interface JournalEntry {
  /** By this Slack's clock, in milliseconds since the epoch. */
  at: number;
  method: string;
  args: Arguments;
  /** `ok`, Slack's error, an HTTP status, or `lost` when it was applied and not answered. */
  outcome: string;
}

export interface WebApi {
  readonly journal: JournalEntry[];
  handle(method: string, request: IncomingMessage, response: ServerResponse): Promise<void>;
}

export async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}

async function argumentsOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  const body = await bodyOf(request);
  if (request.headers['content-type']?.startsWith('application/json')) {
    const json: unknown = JSON.parse(body);
    return typeof json === 'object' && json !== null ? { ...json } : {};
  }
  return Object.fromEntries(new URLSearchParams(body));
}

/** @throws SlackApiError `not_authed`, `invalid_auth` or `not_allowed_token_type`, in Slack's words. */
function checkToken(scene: MethodScene, method: string, token: string | undefined): void {
  const { bot, app } = scene.workspace.tokens;
  if (token === undefined) throw new SlackApiError('not_authed');
  if (token !== bot && token !== app) throw new SlackApiError('invalid_auth');
  if ((method === 'apps.connections.open') !== (token === app)) throw new SlackApiError('not_allowed_token_type');
}

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

export function createWebApi(scene: MethodScene, faults: FaultPlan): WebApi {
  const journal: JournalEntry[] = [];

  function call(method: string, token: string | undefined, args: Arguments): Record<string, unknown> {
    checkToken(scene, method, token);
    const run = METHODS[method];
    if (run === undefined) throw new SlackApiError('unknown_method', { req_method: method });
    checkScope(scene, method, args);
    return run(scene, args);
  }

  function resultOf(method: string, token: string | undefined, args: Arguments): Record<string, unknown> {
    try {
      return { ok: true, ...call(method, token, args) };
    } catch (error) {
      if (!(error instanceof SlackApiError)) throw error;
      return { ok: false, error: error.message, ...error.extra };
    }
  }

  return {
    journal,
    async handle(method, request, response) {
      const { token: argToken, ...args } = await argumentsOf(request);
      const token = request.headers.authorization?.replace(/^Bearer /, '') ?? optional({ argToken }, 'argToken');
      const record = (outcome: string) => journal.push({ at: scene.clock.now(), method, args, outcome });
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
          record('429');
          answer(response, 429, { ok: false, error: 'ratelimited' }, { 'retry-after': String(fault.retry_after_s) });
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
      record(fault?.kind === 'lost' ? 'lost' : result.ok === true ? 'ok' : String(result.error));
      if (fault?.kind === 'lost') response.destroy();
      else answer(response, 200, result);
    },
  };
}
