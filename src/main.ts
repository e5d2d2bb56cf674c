import { setFlagsFromString } from 'node:v8';
import { loadConfig } from './config.ts';
import { type Deckhand, type Role, startDeckhand } from './deckhand.ts';
import { DeckhandError } from './errors.ts';
import { createLogger } from './logger.ts';
import { teamKey } from './team-key.ts';

/**
 * Collect garbage before the heap has twice the size of what is in use, in percent more than that: by itself V8 lets it grow to
 * four times, which a thousand answers at once turn into 250 MB of nothing (docs/performance.md).
 */
const HEAP_GROWS_BY = 100;
setFlagsFromString(`--heap-growing-percent=${HEAP_GROWS_BY}`);

/**
 * `node src/main.ts [gateway|worker]`: one role, or both in one process. The only place that handles signals.
 * `node src/main.ts key <team>`: an API key (team-key.ts), and no role.
 */
async function main(): Promise<void> {
  const [command, ...args] = process.argv.slice(2);
  if (command === 'key') return say(await teamKey(loadConfig(process.env), args));
  const roles = rolesOf(process.argv.slice(2));
  const config = loadConfig(process.env);
  const logger = createLogger(config.log_level);
  const stop = stopSignal();
  const deckhand = await startDeckhand(config, logger, roles);
  say(welcome(roles, deckhand));
  await stop;
  say('Stopping…');
  // Something that hangs must not keep the process: whatever is cut off, the next start recovers from the log.
  const { leave_ms, drain_ms, stop_grace_ms } = config.timings;
  const since = performance.now();
  setTimeout(
    () => {
      const after_ms = Math.round(performance.now() - since);
      logger.error({ leave_ms, drain_ms, stop_grace_ms, after_ms }, 'the stop hung and was cut off');
      process.exit(1);
    },
    leave_ms + drain_ms + stop_grace_ms,
  ).unref();
  await deckhand[Symbol.asyncDispose]();
}

function rolesOf(args: string[]): Role[] {
  const [role, ...rest] = args;
  if (role === undefined) return ['gateway', 'worker'];
  if ((role === 'gateway' || role === 'worker') && rest.length === 0) return [role];
  throw new DeckhandError('usage', `There is no role "${args.join(' ')}".`, {
    remedy: 'Say gateway, worker, or nothing for both; or key and a Slack team for an API key of theirs.',
  });
}

function welcome(roles: Role[], { url, health_url, services, own_key }: Deckhand): string {
  return [
    `Deckhand is running (${roles.join(' and ')}).`,
    ...services.map((line) => `  ${line}`),
    ...(url === null ? [] : [`  Page: ${url}`, `  API:  ${url}/v1`]),
    ...(health_url === null ? [] : [`  Health: ${health_url}/readyz`]),
    ...(own_key === null
      ? []
      : [`  API key: ${own_key.made === null ? '' : `${own_key.made}, kept `}in ${own_key.path}`]),
    'Press Ctrl-C to stop.',
  ].join('\n');
}

/** Resolves at the first SIGINT or SIGTERM; a second one ends the process at once. */
function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    let stopping = false;
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (stopping) process.exit(1);
        stopping = true;
        resolve();
      });
    }
  });
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function explain(error: unknown): string {
  if (!(error instanceof DeckhandError)) {
    return `Deckhand failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
  }
  return [`Deckhand cannot start: ${error.message}`, error.remedy].filter((line) => line !== undefined).join('\n');
}

try {
  await main();
  process.exit(0);
} catch (error) {
  process.stderr.write(`${explain(error)}\n`);
  process.exit(1);
}
