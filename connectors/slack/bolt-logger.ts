import { type Logger as BoltLogger, LogLevel } from '@slack/bolt';
import type { Logger } from '../../src/logger.ts';

/** Slack's tokens in any text: bot, user, app and refresh tokens, and the tickets of socket addresses. */
const SECRETS = /xox[a-z]-[\w-]+|xapp-[\w-]+|xoxe[\w.-]+|(?<=[?&]ticket=)[\w-]+/g;

export function withoutSecrets(text: string): string {
  return text.replace(SECRETS, '[redacted]');
}

/**
 * Bolt's log lines in ours. Its debug and info lines carry whole payloads and headers, so they are left out; what is
 * left is searched for tokens, because its messages are built from errors of every kind.
 */
export function createBoltLogger(logger: Logger): BoltLogger {
  const words = (parts: unknown[]) => withoutSecrets(parts.map(String).join(' '));
  return {
    debug: () => undefined,
    info: () => undefined,
    warn: (...parts: unknown[]) => logger.warn({ bolt: words(parts) }, 'bolt warning'),
    error: (...parts: unknown[]) => logger.error({ bolt: words(parts) }, 'bolt error'),
    setLevel: () => undefined,
    getLevel: () => LogLevel.WARN,
    setName: () => undefined,
  };
}
