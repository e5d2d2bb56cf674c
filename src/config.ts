import { resolve } from 'node:path';
import { z } from 'zod';
import { credential, httpUrl, mongodbUri, redisUrl, vaultKeys } from './config-values.ts';
import { DeckhandError } from './errors.ts';

/** Everything that can be set, read once at start. A feature that is off is null, never half-filled. */
export interface Config {
  host: string;
  port: number;
  /** Where a worker by itself says how it is; null: nowhere. A gateway says so on its own port. */
  health_port: number | null;
  data_dir: string;
  log_level: string;
  /** Actor ids (`slack:U123`) of the first people who may change everything in chat. */
  admins: string[];
  /** The first API key; null: one is made and kept in the data directory. */
  api_key: string | null;
  /** Null: the embedded engine. */
  mongodb_uri: string | null;
  mongodb_database: string;
  /** Null: a private redis-server. */
  redis_url: string | null;
  /** Null: the scripted stand-in answers. */
  model: { api_key: string; base_url: string | null } | null;
  slack: SlackConfig | null;
  timings: {
    /** How long a silent process keeps what it took (a session, a chat event, a reminder…): the time to notice a loss. */
    lease_ms: number;
    /** Between two looks at what the log is owed. */
    sweep_ms: number;
    /** First wait after a failed model request. */
    retry_ms: number;
    /** How long a stopping gateway goes on serving after `/readyz` has said no, so that a load balancer can look. */
    leave_ms: number;
    /** How long a stopping process waits for running turns. */
    drain_ms: number;
    /** How long everything else may take to stop; then the process ends as it is. */
    stop_grace_ms: number;
    /** A sandbox unused this long ends its processes; files stay. */
    sandbox_idle_ms: number;
  };
  /** Turns one worker runs at once. */
  concurrency: number;
  /** Largest file that is kept, in bytes. */
  max_file_bytes: number;
  /** What all files of a session, and of a workspace, may take together. */
  max_session_files_bytes: number;
  max_workspace_files_bytes: number;
}

export interface SlackConfig {
  mode: 'socket' | 'http';
  /** Of the one workspace; null: many install it, by `oauth`. */
  bot_token: string | null;
  oauth: SlackOAuthConfig | null;
  app_token: string | null;
  signing_secret: string | null;
  api_url: string | null;
  /** In which channels live messages stream (docs/slack.md). */
  stream_channels: (typeof STREAM_CHANNELS)[number];
}

/** How many workspaces install the app. */
export interface SlackOAuthConfig {
  client_id: string;
  client_secret: string;
  /** Ids of the workspaces and organisations that may; null: any. */
  teams: string[] | null;
  /** For the tokens in the database: the first seals, the others open what they sealed before. */
  keys: Buffer[];
}

/** A variable is missing or wrong. Says which and what to do; never its value. */
export class ConfigError extends DeckhandError {
  constructor(message: string) {
    super('config', message);
  }
}

const MB = 1024 * 1024;

const count = (fallback: number, min: number, max: number) =>
  z.coerce.number().int().min(min).max(max).default(fallback);

const ADMIN = 'name people by connector and id, with commas between, such as slack:U0123ABCD,web:ana';

const TEAMS = 'name workspaces (T…) and organisations (E…) by their ids with commas between, or * for any';

/** As Slack's connector knows them. */
const STREAM_CHANNELS = ['alone', 'always', 'never'] as const;

const environment = z.object({
  HOST: z.string().default('127.0.0.1'),
  PORT: count(3000, 0, 65_535),
  DECKHAND_HEALTH_PORT: z.coerce.number().int().min(0).max(65_535).optional(),
  DECKHAND_DATA_DIR: z.string().default('.deckhand'),
  DECKHAND_API_KEY: credential()
    .min(16, 'use at least 16 characters, for example from `openssl rand -hex 24`')
    .optional(),
  DECKHAND_ADMINS: z
    .string()
    .transform((list) => list.split(',').map((id) => id.trim()))
    .pipe(z.array(z.string().regex(/^[a-z][a-z0-9_-]{0,31}:[^\s,]{1,200}$/, ADMIN)))
    .default([]),
  DECKHAND_LEASE_MS: count(3000, 200, 600_000),
  DECKHAND_SWEEP_MS: count(1000, 50, 600_000),
  DECKHAND_RETRY_MS: count(1000, 1, 60_000),
  DECKHAND_LEAVE_MS: count(0, 0, 600_000),
  DECKHAND_DRAIN_MS: count(20_000, 0, 600_000),
  DECKHAND_STOP_GRACE_MS: count(15_000, 100, 600_000),
  DECKHAND_SANDBOX_IDLE_MS: count(600_000, 1000, 86_400_000),
  DECKHAND_CONCURRENCY: count(64, 1, 10_000),
  // Slack's own limit of 1 GB (slack.com/help/articles/201330736).
  DECKHAND_MAX_FILE_MB: count(1024, 1, 10_240),
  DECKHAND_MAX_SESSION_FILES_MB: count(5_120, 1, 1_048_576),
  DECKHAND_MAX_WORKSPACE_FILES_MB: count(51_200, 1, 104_857_600),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  MONGODB_URI: mongodbUri.optional(),
  MONGODB_DATABASE: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,38}$/, 'use letters, digits, _ and -, at most 38')
    .default('deckhand'),
  REDIS_URL: redisUrl.optional(),
  ANTHROPIC_API_KEY: credential().optional(),
  ANTHROPIC_BASE_URL: httpUrl('https://api.anthropic.com').optional(),
  SLACK_BOT_TOKEN: credential().startsWith('xoxb-', 'must begin with xoxb-').optional(),
  SLACK_APP_TOKEN: credential().startsWith('xapp-', 'must begin with xapp-').optional(),
  SLACK_SIGNING_SECRET: credential().optional(),
  SLACK_CLIENT_ID: credential().optional(),
  SLACK_CLIENT_SECRET: credential().optional(),
  SLACK_TEAMS: z
    .string()
    .transform((list) => list.split(',').map((id) => id.trim()))
    .pipe(z.array(z.string().regex(/^([TE][A-Z0-9]{2,31}|\*)$/, TEAMS)))
    .optional(),
  DECKHAND_VAULT_KEY: vaultKeys.optional(),
  SLACK_STREAM_CHANNELS: z.enum(STREAM_CHANNELS).default('alone'),
  SLACK_API_URL: httpUrl('https://slack.com/api/').optional(),
});

/** Every variable that is read. */
export const VARIABLES: readonly string[] = Object.keys(environment.shape);

/**
 * Read the configuration from environment variables. Empty ones count as unset.
 * @throws ConfigError naming each bad variable and its remedy
 */
export function loadConfig(env: NodeJS.ProcessEnv): Config {
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const parsed = environment.safeParse(set);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${String(issue.path[0])}: ${issue.message}`);
    throw new ConfigError(`The configuration is not valid.\n  ${problems.join('\n  ')}`);
  }
  const value = parsed.data;
  return {
    host: value.HOST,
    port: value.PORT,
    health_port: value.DECKHAND_HEALTH_PORT ?? null,
    data_dir: resolve(value.DECKHAND_DATA_DIR),
    log_level: value.LOG_LEVEL,
    admins: value.DECKHAND_ADMINS,
    api_key: value.DECKHAND_API_KEY ?? null,
    mongodb_uri: value.MONGODB_URI ?? null,
    mongodb_database: value.MONGODB_DATABASE,
    redis_url: value.REDIS_URL ?? null,
    model: modelOf(value),
    slack: slackOf(value),
    timings: {
      lease_ms: value.DECKHAND_LEASE_MS,
      sweep_ms: value.DECKHAND_SWEEP_MS,
      retry_ms: value.DECKHAND_RETRY_MS,
      leave_ms: value.DECKHAND_LEAVE_MS,
      drain_ms: value.DECKHAND_DRAIN_MS,
      stop_grace_ms: value.DECKHAND_STOP_GRACE_MS,
      sandbox_idle_ms: value.DECKHAND_SANDBOX_IDLE_MS,
    },
    concurrency: value.DECKHAND_CONCURRENCY,
    max_file_bytes: value.DECKHAND_MAX_FILE_MB * MB,
    max_session_files_bytes: value.DECKHAND_MAX_SESSION_FILES_MB * MB,
    max_workspace_files_bytes: value.DECKHAND_MAX_WORKSPACE_FILES_MB * MB,
  };
}

type Environment = z.infer<typeof environment>;

function modelOf(value: Environment): Config['model'] {
  if (value.ANTHROPIC_API_KEY !== undefined) {
    return { api_key: value.ANTHROPIC_API_KEY, base_url: value.ANTHROPIC_BASE_URL ?? null };
  }
  if (value.ANTHROPIC_BASE_URL === undefined) return null;
  throw new ConfigError('ANTHROPIC_BASE_URL is set without ANTHROPIC_API_KEY. Set both, or neither for the stand-in.');
}

function slackOf(value: Environment): SlackConfig | null {
  const { SLACK_BOT_TOKEN: bot, SLACK_APP_TOKEN: app, SLACK_SIGNING_SECRET: secret, SLACK_API_URL: url } = value;
  const oauth = oauthOf(value);
  if (oauth !== null && bot !== undefined) {
    throw new ConfigError(
      'SLACK_BOT_TOKEN and SLACK_CLIENT_ID are both set. The first is for one workspace, the second for many that ' +
        'install the app: unset one of them.',
    );
  }
  if (oauth === null && bot === undefined) {
    const half = app === undefined ? secret && 'SLACK_SIGNING_SECRET' : 'SLACK_APP_TOKEN';
    if (half === undefined) return null;
    throw new ConfigError(
      `${half} is set without SLACK_BOT_TOKEN. Copy the Bot User OAuth Token (xoxb-…) into it, or set ` +
        'SLACK_CLIENT_ID where many workspaces install the app.',
    );
  }
  if (app === undefined && secret === undefined) {
    throw new ConfigError(
      `${oauth === null ? 'SLACK_BOT_TOKEN' : 'SLACK_CLIENT_ID'} is set, but not how Slack reaches Deckhand. Set ` +
        'SLACK_APP_TOKEN (xapp-…, Socket Mode), or SLACK_SIGNING_SECRET (HTTP, a public URL).',
    );
  }
  return {
    mode: app === undefined ? 'http' : 'socket',
    bot_token: bot ?? null,
    oauth,
    app_token: app ?? null,
    signing_secret: secret ?? null,
    api_url: url ?? null,
    stream_channels: value.SLACK_STREAM_CHANNELS,
  };
}

const OAUTH_REMEDY: Readonly<Record<string, string>> = {
  SLACK_CLIENT_ID: 'Copy it from Basic Information → App Credentials',
  SLACK_CLIENT_SECRET: 'Copy it from Basic Information → App Credentials',
  SLACK_TEAMS: 'Say which workspaces may install the app (T…, E…, or * for any)',
  DECKHAND_VAULT_KEY: 'Make a key for the tokens in the database with `openssl rand -base64 32`',
};

/** The key alone is no sign of it: it is for everything that is kept sealed. */
function oauthOf(value: Environment): SlackOAuthConfig | null {
  const { SLACK_CLIENT_ID: id, SLACK_CLIENT_SECRET: secret, SLACK_TEAMS: teams, DECKHAND_VAULT_KEY: keys } = value;
  const given = Object.entries({ SLACK_CLIENT_ID: id, SLACK_CLIENT_SECRET: secret, SLACK_TEAMS: teams });
  const set = given.find(([, one]) => one !== undefined)?.[0];
  if (set === undefined) return null;
  if (id === undefined || secret === undefined || teams === undefined || keys === undefined) {
    const [missing = ''] = [...given, ['DECKHAND_VAULT_KEY', keys] as const].find(([, one]) => one === undefined) ?? [];
    throw new ConfigError(`${set} is set without ${missing}. ${OAUTH_REMEDY[missing]}.`);
  }
  return { client_id: id, client_secret: secret, teams: teams.includes('*') ? null : teams, keys };
}
