import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { manifest } from '../../support/slack/manifest.ts';
import { NEWER_EVENTS, NEWER_SCOPES, PUBLISHED_TYPE, unionOf } from '../../support/slack/manifest-schema.ts';

/*
 * Slack's schema of manifests (slackapi/manifest-schema) may not be copied. What it publishes in @slack/web-api is a type, so the
 * compiler says here whether manifest.yml is one of it: as it is installed, whatever our own schema says.
 */
const TSC = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'deckhand-manifest-'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

type Words = readonly string[];

/** What the compiler has against it; empty: nothing. */
async function problemsOf(value: typeof manifest, name: string): Promise<string> {
  const without = (list: Words, newer: Words) => list.filter((word) => !newer.includes(word));
  const { oauth_config, settings } = value;
  const { event_subscriptions } = settings;
  const bot_events = without(event_subscriptions.bot_events, NEWER_EVENTS);
  const known = {
    ...value,
    oauth_config: { ...oauth_config, scopes: { bot: without(oauth_config.scopes.bot, NEWER_SCOPES) } },
    settings: { ...settings, event_subscriptions: { ...event_subscriptions, bot_events } },
  };
  const file = join(folder, `${name}.ts`);
  const type = JSON.stringify(PUBLISHED_TYPE.replace(/\.d\.ts$/, '.js'));
  await writeFile(
    file,
    `import type { Manifest } from ${type};\nexport const manifest: Manifest = ${JSON.stringify(known)};\n`,
  );
  const options = [
    '--noEmit',
    '--strict',
    '--skipLibCheck',
    '--module',
    'nodenext',
    '--target',
    'es2023',
    '--types',
    '',
  ];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [TSC, ...options, file], { cwd: folder }, (error, stdout) => {
      // The compiler ends with 1 or 2 where something is wrong, and says what.
      if (error !== null && stdout === '') reject(error);
      else resolve(stdout);
    });
  });
}

const { features, settings, oauth_config } = manifest;

describe('the manifest, by the type that Slack publishes', () => {
  it('is one', async () => {
    expect(await problemsOf(manifest, 'whole')).toBe('');
  });

  it.each([
    ['key', 'agents_view', { features: { ...features, agents_view: {} } }],
    ['kind', 'boolean', { settings: { ...settings, socket_mode_enabled: 'yes' } }],
    ['scope', 'chat:shout', { oauth_config: { ...oauth_config, scopes: { bot: ['chat:shout'] } } }],
    ['event', 'app_shouted', { settings: { ...settings, event_subscriptions: { bot_events: ['app_shouted'] } } }],
    ['shortcut', 'local', { features: { ...features, shortcuts: [{ ...features.shortcuts[0], type: 'local' }] } }],
    ['name', "Property 'name' is missing", { display_information: {} }],
  ])('is none with another %s', async (name, problem, spoilt) => {
    expect(await problemsOf({ ...manifest, ...spoilt } as typeof manifest, name)).toContain(problem);
  });

  it('is validated so as docs/slack.md says, where Slack’s own schema would refuse it', () => {
    const docs = readFileSync(new URL('../../../docs/slack.md', import.meta.url), 'utf8');
    expect(readFileSync(PUBLISHED_TYPE, 'utf8')).toContain('agent_view?:');
    for (const word of ['slackapi/manifest-schema', 'agent_view', '@slack/web-api', ...NEWER_SCOPES, ...NEWER_EVENTS]) {
      expect(docs.split('## What it may do')[1]?.split('| scope |')[0]).toContain(word);
    }
  });

  it('goes beyond it only by what is newer, and names that', () => {
    // What is published by now needs no exception.
    expect(unionOf('BotScope').filter((word) => NEWER_SCOPES.includes(word))).toEqual([]);
    expect(unionOf('ManifestEvent').filter((word) => NEWER_EVENTS.includes(word))).toEqual([]);
    expect(oauth_config.scopes.bot).toEqual(expect.arrayContaining(NEWER_SCOPES));
    expect(settings.event_subscriptions.bot_events).toEqual(expect.arrayContaining(NEWER_EVENTS));
  });
});
