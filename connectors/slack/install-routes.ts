import type { CodedError, Installation, InstallProvider } from '@slack/oauth';
import { ErrorCode } from '@slack/oauth';
import { type RequestHandler, Router } from 'express';
import { messageOf } from '../../src/errors.ts';
import type { Logger } from '../../src/logger.ts';
import { withoutSecrets } from './bolt-logger.ts';
import { type Outcome, sendPage } from './install-pages.ts';

export interface InstallRouteParts {
  installer: InstallProvider;
  /** Workspaces and organisations that may install it; null: any. */
  teams: ReadonlySet<string> | null;
  /** Give a token back to Slack. */
  revoke: (token: string) => Promise<unknown>;
  /** It is stored: what was known of this tenant before is not true any more. */
  installed: (tenant: string) => void;
  logger: Logger;
}

/**
 * `GET /slack/install` sends the browser to Slack, with a state that is good once and bound to it by a cookie;
 * `GET /slack/oauth_redirect` is where Slack sends it back to.
 */
export function createInstallRoutes(parts: InstallRouteParts): Router {
  const { installer, teams, logger } = parts;
  const router = Router();

  const begin: RequestHandler = async (request, response) => {
    try {
      await installer.handleInstallPath(request, response);
    } catch (error) {
      logger.error({ reason: withoutSecrets(messageOf(error)) }, 'slack installation could not be begun');
      sendPage(response, { kind: 'failed' });
    }
  };

  /** Asked before anything is stored. False when the page is written already. */
  async function mayStay(installation: Installation, response: Parameters<typeof sendPage>[0]): Promise<boolean> {
    const { bot } = installation;
    const tenant = tenantOf(installation);
    if (bot === undefined) {
      sendPage(response, { kind: 'no_bot' });
      return false;
    }
    if (teams === null || teams.has(tenant)) return true;
    logger.warn({ tenant }, 'slack installation refused: it is not in SLACK_TEAMS');
    await parts.revoke(bot.token).catch((error: unknown) => {
      logger.warn({ tenant, reason: withoutSecrets(messageOf(error)) }, 'slack token was not given back');
    });
    sendPage(response, { kind: 'not_allowed', tenant });
    return false;
  }

  const finish: RequestHandler = async (request, response) => {
    await installer.handleCallback(request, response, {
      afterInstallation: (installation, _options, _request, answer) => mayStay(installation, answer),
      success(installation, _options, _request, answer) {
        const tenant = tenantOf(installation);
        parts.installed(tenant);
        const name = (installation.isEnterpriseInstall ? installation.enterprise : installation.team)?.name ?? tenant;
        logger.info({ tenant, by: installation.user.id }, 'slack app installed');
        sendPage(answer, { kind: 'installed', name, href: `https://app.slack.com/client/${tenant}` });
      },
      failure(error, _options, _request, answer) {
        const outcome = outcomeOf(error);
        const facts = { code: error.code, reason: withoutSecrets(messageOf(error)) };
        if (outcome.kind === 'failed') logger.error(facts, 'slack installation failed');
        else logger.info(facts, 'slack installation not finished');
        sendPage(answer, outcome);
      },
    });
  };

  router.get('/slack/install', begin);
  router.get('/slack/oauth_redirect', finish);
  return router;
}

function tenantOf({ isEnterpriseInstall, enterprise, team }: Installation): string {
  return (isEnterpriseInstall ? enterprise?.id : team?.id) ?? 'unknown';
}

/** What `oauth.v2.access` calls a code that Slack did not give out, or not any more (docs.slack.dev/reference/methods/oauth.v2.access). */
const BAD_CODES: ReadonlySet<unknown> = new Set(['invalid_code', 'code_already_used']);

function outcomeOf(error: CodedError): Outcome {
  if ('data' in error && isRecord(error.data) && BAD_CODES.has(error.data['error'])) return { kind: 'stale' };
  switch (error.code) {
    case ErrorCode.AuthorizationError:
      return { kind: 'cancelled' };
    case ErrorCode.InvalidStateError:
      return { kind: 'stale' };
    case ErrorCode.MissingStateError:
    case ErrorCode.MissingCodeError:
      return { kind: 'incomplete' };
    default:
      return { kind: 'failed' };
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
