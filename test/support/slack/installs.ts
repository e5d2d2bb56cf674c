import { SlackApiError } from './api-error.ts';
import { type Arguments, optional } from './arguments.ts';
import type { SlackClock } from './clock.ts';
import type { SlackTokens, SlackWorkspace } from './workspace.ts';

/** docs.slack.dev/authentication/installing-with-oauth: a code is good once, for ten minutes. */
const CODE_MS = 600_000;
/**
 * docs.slack.dev/authentication/using-token-rotation: tokens that are rotated live twelve hours. A refresh token is good
 * once; "the refresh token you used is revoked after a short grace period". The access token before stays good, but of one
 * installation at most two are: the oldest of more is revoked.
 */
const ROTATED_S = 43_200;
const MOST_ACTIVE = 2;
/** Guess: the page does not say how long is short. */
export const GRACE_MS = 30_000;

/** What a token is: whose, and why it is worth nothing any more. */
interface Grant {
  workspace: SlackWorkspace;
  /** Slack's word for what is wrong with it. */
  ended: 'token_revoked' | 'account_inactive' | 'token_expired' | null;
  /** By this Slack's clock; null: it does not end by itself. */
  until: number | null;
}

interface Code {
  workspace: SlackWorkspace;
  scopes: string;
  /** Who allowed it. */
  by: string;
  since: number;
  used: boolean;
}

interface Refresh {
  workspace: SlackWorkspace;
  scopes: string;
  /** Since when it is used. */
  used_at: number | null;
  /** The refresh token that came of it last. */
  next: string | null;
}

/** Who allowed the app in, and the tokens that came of it. */
export interface Installs {
  /** Tokens come with a refresh token and end, from now on. */
  rotate: boolean;
  /** The workspace that this token speaks in. @throws SlackApiError for a token that is worth nothing */
  workspaceOf(token: string): SlackWorkspace;
  add(token: string, workspace: SlackWorkspace): void;
  /**
   * Somebody there (by id) says yes on the page that this address opens. Returns what Slack puts behind the redirect's address.
   * @throws Error when it asks for nothing, or for another app
   */
  allow(workspace: SlackWorkspace, authorizeUrl: string, by?: string): URLSearchParams;
  exchange(args: Arguments): Record<string, unknown>;
  end(token: string, word: NonNullable<Grant['ended']>): void;
  /** All tokens of this workspace, those that renew others included. */
  endAll(workspace: SlackWorkspace, word: NonNullable<Grant['ended']>): void;
  tokensOf(workspace: SlackWorkspace): string[];
}

export function createInstalls(clock: SlackClock, tokens: SlackTokens): Installs {
  const grants = new Map<string, Grant>();
  const codes = new Map<string, Code>();
  const refreshes = new Map<string, Refresh>();
  let made = 0;

  function add(token: string, workspace: SlackWorkspace): void {
    const until = installs.rotate ? clock.now() + ROTATED_S * 1_000 : null;
    grants.set(token, { workspace, ended: null, until });
    workspace.bot_tokens.add(token);
  }

  function give(workspace: SlackWorkspace, scopes: string): Record<string, unknown> {
    made += 1;
    const access_token = `xoxb-${workspace.team_id}-${made}-token`;
    add(access_token, workspace);
    workspace.scopes = new Set(scopes.split(','));
    const refresh_token = `xoxe-1-${workspace.team_id}-${made}`;
    if (installs.rotate) refreshes.set(refresh_token, { workspace, scopes, used_at: null, next: null });
    const { enterprise } = workspace;
    return {
      access_token,
      token_type: 'bot',
      scope: scopes,
      bot_user_id: workspace.bot_user_id,
      app_id: workspace.app_id,
      team: enterprise === null ? { id: workspace.team_id, name: workspace.name } : null,
      enterprise,
      is_enterprise_install: enterprise !== null,
      ...(installs.rotate && { refresh_token, expires_in: ROTATED_S }),
    };
  }

  /** What is wrong with a token by now. */
  function endOf({ ended, until }: Grant): Grant['ended'] {
    return ended ?? (until !== null && until <= clock.now() ? 'token_expired' : null);
  }

  function end(token: string, word: NonNullable<Grant['ended']>): void {
    const grant = grants.get(token);
    if (grant === undefined) return;
    grant.ended = word;
    grant.workspace.bot_tokens.delete(token);
  }

  function refresh(token: string): Record<string, unknown> {
    const known = refreshes.get(token);
    if (known === undefined) throw new SlackApiError('invalid_refresh_token');
    if (known.used_at !== null && clock.now() - known.used_at >= GRACE_MS) {
      throw new SlackApiError('invalid_refresh_token');
    }
    // Used twice, one of the two that came of it is worth nothing (github.com/slackapi/node-slack-sdk/issues/2504).
    if (known.next !== null) refreshes.delete(known.next);
    known.used_at ??= clock.now();
    const given = give(known.workspace, known.scopes);
    known.next = String(given.refresh_token);
    const active = [...grants].filter(([, grant]) => grant.workspace === known.workspace && endOf(grant) === null);
    for (const [oldest] of active.slice(0, -MOST_ACTIVE)) end(oldest, 'token_revoked');
    return given;
  }

  const installs: Installs = {
    rotate: false,
    workspaceOf(token) {
      const grant = grants.get(token);
      if (grant === undefined) throw new SlackApiError('invalid_auth');
      const ended = endOf(grant);
      if (ended !== null) throw new SlackApiError(ended);
      return grant.workspace;
    },
    add,
    allow(workspace, authorizeUrl, by = 'U0INSTALLER') {
      const asked = new URL(authorizeUrl).searchParams;
      const [scopes, state] = [asked.get('scope') ?? '', asked.get('state')];
      if (asked.get('client_id') !== tokens.client_id) throw new Error('No app has this client id');
      if (scopes === '') throw new Error('The app asks for no scope');
      made += 1;
      const code = `code-${made}`;
      codes.set(code, { workspace, scopes, by, since: clock.now(), used: false });
      return new URLSearchParams({ code, ...(state !== null && { state }) });
    },
    exchange(args) {
      if (optional(args, 'client_id') !== tokens.client_id) throw new SlackApiError('invalid_client_id');
      if (optional(args, 'client_secret') !== tokens.client_secret) throw new SlackApiError('bad_client_secret');
      if (optional(args, 'grant_type') === 'refresh_token') return refresh(optional(args, 'refresh_token') ?? '');
      const known = codes.get(optional(args, 'code') ?? '');
      if (known === undefined || clock.now() - known.since >= CODE_MS) throw new SlackApiError('invalid_code');
      if (known.used) throw new SlackApiError('code_already_used');
      known.used = true;
      return { ...give(known.workspace, known.scopes), authed_user: { id: known.by } };
    },
    end,
    endAll(workspace, word) {
      for (const token of installs.tokensOf(workspace)) end(token, word);
      for (const [token, known] of refreshes) if (known.workspace === workspace) refreshes.delete(token);
    },
    tokensOf: (workspace) => [...grants].filter(([, grant]) => grant.workspace === workspace).map(([token]) => token),
  };
  return installs;
}
