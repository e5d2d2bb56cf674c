import { setTimeout as delay } from 'node:timers/promises';
import { PostRefusedError, RateLimitedError } from '../../src/chat/connector.ts';
import { messageOf } from '../../src/errors.ts';
import type { Logger } from '../../src/logger.ts';
import { withoutSecrets } from './bolt-logger.ts';
import { platformErrorOf } from './client.ts';
import type { InFlight } from './in-flight.ts';
import type { FoundInstallation, NextTokens, SlackInstallations } from './installation-store.ts';

/** Tokens live twelve hours (docs.slack.dev/authentication/using-token-rotation); Bolt renews them two hours before, too. */
const BEFORE_S = 2 * 3_600;
/** Longer than a call to Slack may take. Whoever died in the middle is followed by somebody else after so long. */
export const CLAIM_MS = 20_000;
/** From before the claim to Slack's answer: after that somebody else may have used the refresh token. */
const ASK_MS = 18_000;
/**
 * With less time left it is as good as ended: what is known of it may be as old as a claim is long (many-installations.ts),
 * and a call to Slack may take fifteen seconds (client.ts).
 */
const ENOUGH_S = 35;
/** A database that changes its primary is back after some seconds; the driver waits for it in each try, too. */
const STORE_TRIES = 5;
const STORE_RETRY_MS = 500;
/** Between two looks at whether somebody else has a token where this one has ended. */
const LOOK_MS = 250;

export interface RenewalParts {
  store: Pick<SlackInstallations, 'find' | 'claimRenewal' | 'renewed' | 'endClaim'>;
  /** Slack gives the next tokens for a refresh token, once. Errors as `SlackClient.call`. */
  refresh: (refresh_token: string, signal: AbortSignal) => Promise<NextTokens>;
  /** Milliseconds since the epoch. */
  now: () => number;
  /** A stop waits for what this runs, as long as it waits for anything, and lets nothing more begin. */
  run: InFlight['run'];
  logger: Logger;
}

/**
 * Tokens that end, from one to the next.
 *
 *   good      used by everybody. Left when it has less than two hours to live and somebody uses it.
 *   renewing  one gateway has a claim in the database and asks Slack. Meanwhile it and the others use the token that there
 *             is, which Slack leaves good; they wait only where that has ended, and this gateway where Slack has refused
 *             it. Left when the next tokens are stored, in one write that takes the claim with it; when Slack has refused;
 *             or when the claim runs out, because its holder died or heard nothing: then the next one asks with the same
 *             refresh token, which Slack takes again for "a short grace period".
 *
 * Who comes back after its claim ran out stores nothing: what another one was given since is newer.
 * @param isRefused Slack has refused this token
 * @returns the tenant's installation with a token that is good, or as good as there is; null: it is gone
 */
export function createRenewal({ store, refresh, now, run, logger }: RenewalParts) {
  /** What this gateway is at, by tenant. */
  const attempts = new Map<string, Promise<boolean>>();

  /** Slack gives them once: while the database takes nothing they are offered again. False: another claim came in between. */
  async function stored(tenant: string, claim: string, next: NextTokens): Promise<boolean> {
    for (let tries = 1; ; tries++) {
      try {
        return await store.renewed(tenant, claim, next);
      } catch (error) {
        if (tries === STORE_TRIES) throw error;
        logger.warn({ tenant, reason: messageOf(error) }, 'slack tokens not stored yet; trying again');
        await delay(STORE_RETRY_MS);
      }
    }
  }

  /** @param until milliseconds since the epoch; a process that stood still meanwhile asks no more */
  async function renew(tenant: string, refresh_token: string, claim: string, until: number): Promise<void> {
    try {
      const left_ms = until - now();
      if (left_ms <= 0) throw new Error('the claim came too late');
      const next = await refresh(refresh_token, AbortSignal.timeout(left_ms));
      if (await stored(tenant, claim, next)) return;
      logger.warn({ tenant }, 'slack token was renewed too late; another one was stored meanwhile');
    } catch (error) {
      const reason = withoutSecrets(messageOf(error));
      logger.error({ tenant, reason }, 'slack token not renewed; if it stays so, install the app there again');
      // Slack has not taken the refresh token. Where that is not known, nobody may be in too great a hurry.
      if (isAnswer(error)) await store.endClaim(tenant, claim);
    }
  }

  /** False: somebody else has the claim. */
  async function claimAndRenew(tenant: string, token: string, refresh_token: string): Promise<boolean> {
    const until = now() + ASK_MS;
    const claim = await store.claimRenewal(tenant, token, CLAIM_MS);
    if (claim !== null) await renew(tenant, refresh_token, claim, until);
    return claim !== null;
  }

  /** The attempt that is under way here, or a new one. */
  function attempt(tenant: string, token: string, refresh_token: string): Promise<boolean> {
    const before = attempts.get(tenant);
    if (before !== undefined) return before;
    const attempted = run(() => claimAndRenew(tenant, token, refresh_token)).finally(() => attempts.delete(tenant));
    attempts.set(tenant, attempted);
    // Perhaps nobody waits for it.
    attempted.catch((err: unknown) => logger.warn({ err, tenant }, 'slack token not renewed yet; it is tried again'));
    return attempted;
  }

  return async (tenant: string, found: FoundInstallation, isRefused: boolean): Promise<FoundInstallation | null> => {
    let current: FoundInstallation | null = found;
    while (current !== null && isEnding(current, now())) {
      const { token, refresh_token } = current;
      if (refresh_token === null) return current;
      const hasEnded = isEnding(current, now(), ENOUGH_S);
      const attempted = attempt(tenant, token, refresh_token);
      if (!(hasEnded || isRefused)) return current;
      if (await attempted) return store.find(tenant);
      current = await store.find(tenant);
      if (current === null || current.token !== token) continue;
      if (!hasEnded) return current;
      await delay(LOOK_MS);
    }
    return current;
  };
}

/** @param now_ms since the epoch @param within_s from now on */
export function isEnding({ expires_at }: Pick<FoundInstallation, 'expires_at'>, now_ms: number, within_s = BEFORE_S) {
  return expires_at !== null && expires_at - now_ms / 1_000 <= within_s;
}

function isAnswer(error: unknown): boolean {
  return error instanceof PostRefusedError || error instanceof RateLimitedError || platformErrorOf(error) !== null;
}
