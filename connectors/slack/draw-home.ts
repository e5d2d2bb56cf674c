import { PostRefusedError, RateLimitedError } from '../../src/chat/connector.ts';
import type { Overview, Receiver } from '../../src/chat/inbound.ts';
import { messageOf } from '../../src/errors.ts';
import type { Logger } from '../../src/logger.ts';
import { withoutSecrets } from './bolt-logger.ts';
import { SLACK } from './conversation-id.ts';
import { homeTrouble, homeView } from './home-view.ts';
import { type Home, type Homes, homeOf } from './homes.ts';
import { NotInstalledError, type SlackClients } from './installations.ts';
import { personOf } from './parse.ts';
import type { Whispers } from './whisper.ts';

const PUBLISH_MS = 10_000;
/** So often somebody else may be faster in one draw. */
const TRIES = 3;
/** After a failure, doubled each time; and where the house could not be read. */
const FIRST_WAIT_MS = 2_000;
const LONGEST_WAIT_MS = 300_000;
const UNREAD_MS = 10_000;

export interface DrawingParts extends Pick<Whispers, 'direct'> {
  logger: Logger;
  clients: SlackClients;
  homes: Homes;
  receiver: () => Receiver;
  now: () => number;
}

export interface HomeDrawing {
  /** Draw it. Never rejects: what failed is due again later. Returns how long Slack asks to wait, in ms; null: it does not. */
  draw(home: Home): Promise<number | null>;
  /**
   * Somebody opened theirs, or did something there: `notice` says what became of that, and where the tab cannot be drawn they
   * are told it in their direct messages.
   */
  refresh(tenant: string, userId: string, notice?: string): Promise<void>;
}

/** Publishes Home tabs: of two that draw the same one, the one that has read the house later wins. */
export function createHomeDrawing({ logger, clients, homes, receiver, direct, now }: DrawingParts): HomeDrawing {
  async function overviewFor({ tenant, user_id }: Home): Promise<Overview | null> {
    try {
      return await receiver().overview({ connector: SLACK, tenant }, personOf(user_id));
    } catch (error) {
      logger.error({ reason: withoutSecrets(messageOf(error)) }, 'the home tab could not be read');
      return null;
    }
  }

  /** @throws what Slack refuses or fails with; `hash_conflict` where somebody has drawn it since `home` was read */
  async function publish(home: Home): Promise<void> {
    const { tenant, user_id, hash } = home;
    const notice = home.notice !== null && home.notice.until.getTime() > now() ? home.notice.text : undefined;
    const overview = await overviewFor(home);
    const view = overview === null ? homeTrouble(notice) : homeView(overview, notice);
    const asked = { user_id, view, ...(hash !== null && { hash }) };
    const signal = AbortSignal.timeout(PUBLISH_MS);
    const { view: shown } = await clients.of(tenant).call((web) => web.views.publish(asked), signal);
    await homes.drawn(home, shown?.hash ?? null);
    if (overview === null) await homes.putOff(home, UNREAD_MS);
  }

  async function publishLatest(home: Home): Promise<void> {
    let at = home;
    for (let tries = 1; ; tries += 1) {
      try {
        return await publish(at);
      } catch (error) {
        if (!isConflict(error) || tries === TRIES) throw error;
        const found = await homes.find(at);
        // Whoever drew it has not said so, and may be dead: what is read from here on is newer than theirs.
        at = found === null || found.hash === at.hash ? { ...(found ?? at), hash: null } : found;
      }
    }
  }

  async function failed(home: Home, error: unknown): Promise<void> {
    if (error instanceof RateLimitedError) return homes.putOff(home, error.retry_after_ms);
    const isFinal = error instanceof NotInstalledError || (error instanceof PostRefusedError && !isConflict(error));
    if (isFinal) return homes.forget(home);
    return homes.putOff(home, Math.min(FIRST_WAIT_MS * 2 ** home.put_off, LONGEST_WAIT_MS));
  }

  /** @returns why it could not be drawn; null when it was */
  async function attempt(home: Home): Promise<{ error: unknown } | null> {
    try {
      await publishLatest(home);
      return null;
    } catch (error) {
      logger.warn({ reason: withoutSecrets(messageOf(error)) }, 'the home tab was not drawn');
      // Where that cannot be kept either, it is due when the claim on it ends.
      await failed(home, error).catch(() => undefined);
      return { error };
    }
  }

  return {
    async draw(home) {
      const failure = await attempt(home);
      return failure?.error instanceof RateLimitedError ? failure.error.retry_after_ms : null;
    },

    async refresh(tenant, userId, notice) {
      const until = new Date(now() + PUBLISH_MS);
      const unkept = homeOf(tenant, userId, notice === undefined ? null : { text: notice, until });
      const home = await homes.opened(tenant, userId, notice ?? null).catch(() => unkept);
      const failure = await attempt(home);
      if (failure !== null && notice !== undefined) await direct(tenant, userId, notice);
    },
  };
}

function isConflict(error: unknown): boolean {
  return error instanceof PostRefusedError && error.reason === 'hash_conflict';
}
