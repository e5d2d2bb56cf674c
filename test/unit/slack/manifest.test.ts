import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Dispatch } from '../../../connectors/slack/dispatch.ts';
import { createSlackConnector } from '../../../connectors/slack/index.ts';
import { BOT_SCOPES } from '../../../connectors/slack/scopes.ts';
import { silentLogger } from '../../../src/logger.ts';
import { calledMethods, connectorSource } from '../../support/slack/called-methods.ts';
import { manifest } from '../../support/slack/manifest.ts';
import { manifestSchema } from '../../support/slack/manifest-schema.ts';
import { EVENT_SCOPES, METHOD_SCOPES, scopesOf, USE_SCOPES } from '../../support/slack/method-scopes.ts';
import { METHODS } from '../../support/slack/web-api.ts';

/** Slack sends `message` for each of the events that are named by the kind of conversation. */
const listenedAs = (event: string) => event.replace(/^message\..*/, 'message');

afterEach(() => {
  vi.restoreAllMocks();
});

/** What the connector listens to, by the words that it gives the dispatch. */
function listeners() {
  const heard = (['event', 'command', 'shortcut'] as const).map((kind) => vi.spyOn(Dispatch.prototype, kind));
  createSlackConnector({
    bot_token: 'xoxb-1-2-token',
    oauth: null,
    app_token: null,
    signing_secret: 'secret',
    api_url: 'http://127.0.0.1:1/api/',
    mode: 'http',
    stream_channels: 'alone',
    db: null,
    logger: silentLogger,
  });
  const [events = [], commands = [], shortcuts = []] = heard.map(({ mock }) =>
    mock.calls.flatMap(([word]) => (typeof word === 'string' ? [word] : [])),
  );
  return { events, commands, shortcuts };
}

const sorted = (words: Iterable<string>) => [...new Set(words)].sort();

describe('the manifest', () => {
  it.each([
    ['a key that is not known', { features: { ...manifest.features, agents_view: {} } }],
    ['a scope that is not known', { oauth_config: { scopes: { bot: ['chat:shout'] } } }],
    ['an event that is not known', { settings: { ...manifest.settings, event_subscriptions: { bot_events: ['x'] } } }],
    ['a name that is too long', { display_information: { name: 'x'.repeat(36) } }],
    ['a command without its slash', { features: { ...manifest.features, slash_commands: [{ command: 'agents' }] } }],
  ])('is refused with %s', (_what, spoilt) => {
    expect(manifestSchema.safeParse(manifest).success).toBe(true);
    expect(manifestSchema.safeParse({ ...manifest, ...spoilt }).success).toBe(false);
  });

  it('is an agent that speaks over a socket and takes clicks', () => {
    expect(manifest.features.agent_view.agent_description).toContain('asks before');
    expect(manifest.features.app_home).toMatchObject({ home_tab_enabled: true, messages_tab_enabled: true });
    expect(manifest.settings).toMatchObject({ socket_mode_enabled: true, interactivity: { is_enabled: true } });
  });

  it('subscribes to what the code listens to, and to nothing else', () => {
    const { events, commands, shortcuts } = listeners();
    const { event_subscriptions } = manifest.settings;
    expect(sorted(event_subscriptions.bot_events.map(listenedAs))).toEqual(sorted(events));
    expect(sorted(manifest.features.slash_commands.map(({ command }) => command))).toEqual(sorted(commands));
    expect(sorted(manifest.features.shortcuts.map(({ callback_id }) => callback_id))).toEqual(sorted(shortcuts));
  });

  it('asks for the scopes of what the code does, and for no others', () => {
    const { commands, shortcuts } = listeners();
    const uses = Object.entries(USE_SCOPES).flatMap(([word, scope]) => (connectorSource.includes(word) ? [scope] : []));
    const ofEvents = manifest.settings.event_subscriptions.bot_events.flatMap((event) => {
      const scopes = EVENT_SCOPES[event];
      if (scopes === undefined) throw new Error(`test/support/slack/method-scopes.ts does not know ${event}`);
      return scopes;
    });
    const used = [
      ...[...calledMethods].flatMap(scopesOf),
      ...ofEvents,
      ...uses,
      ...(commands.length + shortcuts.length > 0 ? ['commands'] : []),
    ];
    expect(sorted(manifest.oauth_config.scopes.bot)).toEqual(sorted(used));
  });

  it('asks for what an installation by OAuth asks for', () => {
    expect(BOT_SCOPES).toEqual(manifest.oauth_config.scopes.bot);
  });

  it('is met by the test Slack, which knows every method that the code calls', () => {
    expect([...calledMethods].filter((method) => METHODS[method] === undefined)).toEqual([]);
    expect(Object.keys(METHOD_SCOPES).sort()).toEqual(Object.keys(METHODS).sort());
  });

  it('has each of its scopes and events explained in docs/slack.md', () => {
    const docs = readFileSync(new URL('../../../docs/slack.md', import.meta.url), 'utf8');
    const [, section = ''] = docs.split(/^## What it may do\n/m);
    const explained = [...(section.split(/^## /m)[0] ?? '').matchAll(/^\| `([^`]+)` \| \S/gm)].flatMap(
      ([, word]) => word ?? [],
    );
    const asked = [...manifest.oauth_config.scopes.bot, ...manifest.settings.event_subscriptions.bot_events];
    expect(explained).toEqual(asked);
  });
});
