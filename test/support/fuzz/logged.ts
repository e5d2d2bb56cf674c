import { expect } from 'vitest';
import { createLogger, type Logger } from '../../../src/logger.ts';
import { expectNoSecret } from './secrets.ts';

/** A logger, and everything that was logged since it was last asked for. */
export function keptLog(): { logger: Logger; takeLog(): string } {
  let lines = '';
  const logger = createLogger('debug', {
    write(line) {
      lines += line;
    },
  });
  return {
    logger,
    takeLog() {
      const taken = lines;
      lines = '';
      return taken;
    },
  };
}

/**
 * Whatever arrives is nobody's mistake of ours: no line is an error, and none gives a secret away. `isMeant` knows the errors
 * that are.
 */
export function expectCleanLog(log: string, isMeant: (line: string) => boolean = () => false): void {
  expectNoSecret(log, 'the log');
  expect(log.split('\n').filter((line) => /"level":(50|60)/.test(line) && !isMeant(line))).toEqual([]);
}
