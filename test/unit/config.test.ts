import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ConfigError, loadConfig } from '../../src/config.ts';

/** The message of the error that this environment is answered with. */
function problemOf(env: NodeJS.ProcessEnv): string {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error('The configuration was accepted.');
}

test('with nothing set everything is embedded, local and off', () => {
  expect(loadConfig({})).toMatchObject({
    host: '127.0.0.1',
    port: 3000,
    data_dir: resolve('.deckhand'),
    api_key: null,
    mongodb_uri: null,
    redis_url: null,
    model: null,
    slack: null,
  });
});

test('an empty variable counts as unset', () => {
  expect(loadConfig({ PORT: '', SLACK_BOT_TOKEN: '', MONGODB_URI: '' })).toMatchObject({
    port: 3000,
    slack: null,
    mongodb_uri: null,
  });
});

test('every bad variable is named in one message', () => {
  const problem = problemOf({ PORT: 'eighty', MONGODB_URI: 'localhost:27017', LOG_LEVEL: 'loud' });
  expect(problem).toContain('PORT');
  expect(problem).toContain('MONGODB_URI: must begin with mongodb://');
  expect(problem).toContain('LOG_LEVEL');
});

describe('the model', () => {
  test('is Claude with a key, through another address when one is given', () => {
    expect(loadConfig({ ANTHROPIC_API_KEY: 'sk-1' }).model).toEqual({ api_key: 'sk-1', base_url: null });
    const base_url = 'http://127.0.0.1:4000';
    expect(loadConfig({ ANTHROPIC_API_KEY: 'sk-1', ANTHROPIC_BASE_URL: base_url }).model).toEqual({
      api_key: 'sk-1',
      base_url,
    });
  });

  test('needs the key when the address is set', () => {
    expect(problemOf({ ANTHROPIC_BASE_URL: 'http://127.0.0.1:4000' })).toContain('ANTHROPIC_API_KEY');
  });
});

describe('Slack', () => {
  const bot = { SLACK_BOT_TOKEN: 'xoxb-1' };

  test('is reached in Socket Mode with an app token, else over HTTP with a signing secret', () => {
    expect(loadConfig({ ...bot, SLACK_APP_TOKEN: 'xapp-1' }).slack?.mode).toBe('socket');
    expect(loadConfig({ ...bot, SLACK_SIGNING_SECRET: 's' }).slack?.mode).toBe('http');
  });

  test('half configured is refused with what is missing', () => {
    const problem = problemOf(bot);
    expect(problem).toContain('SLACK_APP_TOKEN');
    expect(problem).toContain('SLACK_SIGNING_SECRET');
    expect(problemOf({ SLACK_APP_TOKEN: 'xapp-1' })).toContain('SLACK_APP_TOKEN is set without SLACK_BOT_TOKEN');
    expect(problemOf({ SLACK_SIGNING_SECRET: 's' })).toContain('SLACK_SIGNING_SECRET is set without SLACK_BOT_TOKEN');
  });

  const key = Buffer.alloc(32, 1);
  const many = {
    SLACK_CLIENT_ID: '1.2',
    SLACK_CLIENT_SECRET: 's',
    SLACK_TEAMS: 'T0ACME, E0CORP',
    DECKHAND_VAULT_KEY: key.toString('base64'),
    SLACK_APP_TOKEN: 'xapp-1',
  };

  test('is installed by many workspaces with the id and secret of the app, without a token', () => {
    const oauth = { client_id: '1.2', client_secret: 's', teams: ['T0ACME', 'E0CORP'], keys: [key] };
    expect(loadConfig(many).slack).toMatchObject({ mode: 'socket', bot_token: null, oauth });
    expect(loadConfig({ ...many, SLACK_TEAMS: '*' }).slack?.oauth?.teams).toBeNull();
    const old = Buffer.alloc(32, 2);
    const rotated = `${many.DECKHAND_VAULT_KEY},${old.toString('base64')}`;
    expect(loadConfig({ ...many, DECKHAND_VAULT_KEY: rotated }).slack?.oauth?.keys).toEqual([key, old]);
    expect(loadConfig({ DECKHAND_VAULT_KEY: many.DECKHAND_VAULT_KEY }).slack).toBeNull();
  });

  test.each(Object.keys(many))('for many is refused without %s, which is named', (missing) => {
    expect(problemOf({ ...many, [missing]: undefined })).toContain(missing);
  });

  test('for one and for many at once is refused', () => {
    expect(problemOf({ ...many, ...bot })).toContain('SLACK_BOT_TOKEN and SLACK_CLIENT_ID are both set');
  });
});

test.each([
  ['SLACK_BOT_TOKEN', 'hunter2-bot'],
  ['SLACK_APP_TOKEN', 'hunter2-app'],
  ['DECKHAND_API_KEY', 'hunter2'],
  ['DECKHAND_VAULT_KEY', 'hunter2'],
  ['DECKHAND_VAULT_KEY', `${Buffer.alloc(32).toString('base64')},hunter2`],
  ['SLACK_TEAMS', 'hunter2'],
  ['SLACK_STREAM_CHANNELS', 'hunter2'],
  ['MONGODB_URI', 'http://root:hunter2@db'],
  ['REDIS_URL', 'http://:hunter2@redis'],
])('a bad %s is named and its value is not', (name, value) => {
  const problem = problemOf({ [name]: value });
  expect(problem).toContain(name);
  expect(problem).not.toContain('hunter2');
});
