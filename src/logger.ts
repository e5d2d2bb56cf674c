import pino, { type Logger as PinoLogger } from 'pino';

export type Logger = PinoLogger;

/** Header and field names whose values never reach a log line. */
const SECRET_PATHS = [
  'authorization',
  'api_key',
  'apiKey',
  'token',
  'botToken',
  'appToken',
  'signingSecret',
  'headers.authorization',
  'headers["x-api-key"]',
  'headers.cookie',
  'req.headers.authorization',
  'req.headers["x-api-key"]',
  'req.headers.cookie',
  // What ioredis was saying to Redis, passwords included.
  'err.command',
  'err.config',
  'err.headers',
  'err.request',
];

/** JSON lines, on stderr unless told otherwise; stdout stays free for what a command prints. */
export function createLogger(
  level: string,
  destination: pino.DestinationStream = pino.destination({ fd: 2, sync: false }),
): Logger {
  return pino(
    {
      level,
      base: null,
      redact: { paths: SECRET_PATHS, censor: '[redacted]' },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    destination,
  );
}

/** For tests and tools that have nothing to say. */
export const silentLogger: Logger = pino({ level: 'silent' });
