import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConfigError, loadConfig, VARIABLES } from '../../src/config.ts';
import { startDeckhand } from '../../src/deckhand.ts';
import { DeckhandError } from '../../src/errors.ts';
import { createLogger } from '../../src/logger.ts';
import { cases } from '../support/cases.ts';
import { oddText } from '../support/fuzz/odd-values.ts';
import { expectNoSecret, SECRETS } from '../support/fuzz/secrets.ts';

/** A bad value gives a message that names its variable and what to do, and never the value of a secret. */

const COMMON = {
  HOST: '127.0.0.1',
  PORT: '0',
  DECKHAND_HEALTH_PORT: '0',
  DECKHAND_DATA_DIR: '.deckhand',
  DECKHAND_API_KEY: SECRETS.api_key,
  DECKHAND_ADMINS: 'slack:U0123ABCD,web:ana',
  DECKHAND_LEASE_MS: '3000',
  DECKHAND_SWEEP_MS: '1000',
  DECKHAND_RETRY_MS: '1000',
  DECKHAND_LEAVE_MS: '1000',
  DECKHAND_DRAIN_MS: '1000',
  DECKHAND_STOP_GRACE_MS: '1000',
  DECKHAND_SANDBOX_IDLE_MS: '1000',
  DECKHAND_CONCURRENCY: '4',
  DECKHAND_MAX_FILE_MB: '10',
  DECKHAND_MAX_SESSION_FILES_MB: '100',
  DECKHAND_MAX_WORKSPACE_FILES_MB: '1000',
  LOG_LEVEL: 'info',
  MONGODB_URI: `mongodb://user:${SECRETS.mongodb_password}@127.0.0.1:1/`,
  MONGODB_DATABASE: 'deckhand',
  REDIS_URL: `redis://:${SECRETS.redis_password}@127.0.0.1:1/0`,
  ANTHROPIC_API_KEY: SECRETS.anthropic_key,
  ANTHROPIC_BASE_URL: 'https://api.anthropic.com',
  SLACK_APP_TOKEN: SECRETS.slack_app_token,
  SLACK_SIGNING_SECRET: SECRETS.slack_signing_secret,
  SLACK_STREAM_CHANNELS: 'always',
  SLACK_API_URL: 'https://slack.com/api/',
};
/** For one Slack workspace, and for many that install the app: together they set everything that can be set. */
const VALID: Record<string, string> = { ...COMMON, SLACK_BOT_TOKEN: SECRETS.slack_bot_token };
const MANY: Record<string, string> = {
  ...COMMON,
  SLACK_CLIENT_ID: '123.456',
  SLACK_CLIENT_SECRET: SECRETS.slack_client_secret,
  SLACK_TEAMS: 'T0123ABCD,E0123ABCD',
  DECKHAND_VAULT_KEY: SECRETS.vault_key,
};

/** Each variable with an environment in which it counts. */
const SET = Object.entries({ ...MANY, ...VALID }).map(([name, value]) => ({
  name,
  value,
  valid: name in VALID ? VALID : MANY,
}));
const SECRET = SET.filter(({ value }) => value.includes('PLANTED'));

/** What a person is told, or null when it was accepted. */
function problemOf(env: NodeJS.ProcessEnv): string | null {
  try {
    loadConfig(env);
    return null;
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

it('is accepted as it stands here', () => {
  expect(problemOf(VALID)).toBeNull();
  expect(problemOf(MANY)).toBeNull();
});

it('knows every variable that is read', () => {
  expect(SET.map(({ name }) => name).toSorted()).toEqual(VARIABLES.toSorted());
});

it('any value of any variable is accepted, or named', () => {
  // An environment cannot hold a NUL.
  const value = fc
    .oneof(oddText, fc.constantFrom('1e9', '-1', 'http://', 'mongodb://', 'redis://x:y:z'))
    .map(withoutNul);
  fc.assert(
    fc.property(fc.constantFrom(...SET), value, fc.boolean(), ({ name, value: good, valid }, text, appended) => {
      const problem = problemOf({ ...valid, [name]: appended ? good + text : text });
      if (problem === null) return;
      expect(problem).toContain(name.startsWith('SLACK_') ? 'SLACK_' : name);
      expectNoSecret(problem, 'the message');
    }),
    cases(1000),
  );
});

function withoutNul(text: string): string {
  return text.replaceAll('\0', '');
}

describe.each(SECRET)('$name', ({ name, value: good, valid }) => {
  it.each([
    ['a line break', `${good}\nx`],
    ['a typographic dash', `${good.replace('PLANTED', 'PLANTED\u2013')}`],
    ['another beginning', `?${good}`],
  ])('with %s is not repeated', (_what, value) => {
    const problem = problemOf({ ...valid, [name]: value });
    if (problem === null) return;
    expect(problem).toMatch(new RegExp(`${name}: \\S`));
    expect(problem).not.toContain('PLANTED');
  });
});

it.each([
  ['MONGODB_URI', `mongodb://user:${SECRETS.mongodb_password}`],
  ['MONGODB_URI', `mongodb://user:${SECRETS.mongodb_password}@`],
  ['MONGODB_URI', `mongodb://user:${SECRETS.mongodb_password}/@host`],
  ['MONGODB_URI', `mongodb://user:%zz${SECRETS.mongodb_password}@host`],
  ['MONGODB_URI', `mongodb://host/?authMechanism=${SECRETS.mongodb_password}`],
  ['REDIS_URL', `redis://:${SECRETS.redis_password}@host:port`],
  ['REDIS_URL', `redis://:%zz${SECRETS.redis_password}@host`],
  ['REDIS_URL', `redis://host/${SECRETS.redis_password}`],
  ['ANTHROPIC_BASE_URL', `https://user:${SECRETS.anthropic_key}@host/`],
  ['ANTHROPIC_BASE_URL', `file:///${SECRETS.anthropic_key}`],
  ['ANTHROPIC_API_KEY', `${SECRETS.anthropic_key}\nANTHROPIC_BASE_URL=`],
  ['SLACK_API_URL', `https://user:${SECRETS.slack_bot_token}@host/`],
  ['SLACK_BOT_TOKEN', SECRETS.slack_app_token],
  ['SLACK_APP_TOKEN', SECRETS.slack_bot_token],
  ['DECKHAND_VAULT_KEY', SECRETS.vault_key.slice(4)],
  ['DECKHAND_VAULT_KEY', `${SECRETS.vault_key},${SECRETS.slack_client_secret}`],
])('%s=%s is refused by name', (name, value) => {
  const problem = problemOf({ ...(name in VALID ? VALID : MANY), [name]: value }) ?? 'accepted';
  expect(problem).toContain(`${name}: `);
  expect(problem).not.toContain('PLANTED');
});

describe('a start that fails', () => {
  async function startError(env: NodeJS.ProcessEnv): Promise<{ words: string; log: string }> {
    let log = '';
    const logger = createLogger('trace', {
      write(line) {
        log += line;
      },
    });
    try {
      await using _deckhand = await startDeckhand(loadConfig(env), logger, ['gateway']);
    } catch (error) {
      if (!(error instanceof DeckhandError)) throw error;
      return { words: `${error.message}\n${error.remedy}`, log };
    }
    throw new Error('It started');
  }

  it('for want of MongoDB says so without its password', async () => {
    const MONGODB_URI = `${VALID.MONGODB_URI}?serverSelectionTimeoutMS=50`;
    const { words, log } = await startError({ ...VALID, MONGODB_URI });
    expect(words).toContain('MONGODB_URI');
    expectNoSecret(words + log, 'what it says');
  });

  it('for want of a folder names the variable', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'deckhand-config-'));
    const file = join(folder, 'file');
    await writeFile(file, '');
    const { words, log } = await startError({ DECKHAND_DATA_DIR: file, DECKHAND_API_KEY: SECRETS.api_key });
    expect(words).toContain('DECKHAND_DATA_DIR');
    expectNoSecret(words + log, 'what it says');
    await rm(folder, { recursive: true });
  });
});
