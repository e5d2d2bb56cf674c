import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CASES_TIMEOUT_MS, cases } from '../support/cases.ts';
import { encoded, send, type WireAnswer } from '../support/fuzz/http.ts';
import { expectCleanLog } from '../support/fuzz/logged.ts';
import { oddText } from '../support/fuzz/odd-values.ts';
import { ODD_HEADERS } from '../support/fuzz/requests.ts';
import { createStoreWatch, expectNoOperators, type StoreWatch } from '../support/fuzz/store-watch.ts';
import { createRecordingReceiver } from '../support/recording-receiver.ts';
import { type TestDatabase, testDatabase } from '../support/services.ts';
import { type InstallGateway, install, startInstallGateway } from '../support/slack/install-stage.ts';
import { type SlackServer, startSlackServer } from '../support/slack/server.ts';
import type { SlackTeam } from '../support/slack/team.ts';

/** The addresses that install the app: open to everybody, before anybody is anybody. */

let database: TestDatabase;
let slack: SlackServer;
let gateway: InstallGateway;
let acme: SlackTeam;
let stores: StoreWatch;

beforeAll(async () => {
  database = await testDatabase();
  slack = await startSlackServer();
  acme = slack.team('Acme');
  gateway = await startInstallGateway(slack, database.db, () => createRecordingReceiver());
  stores = await createStoreWatch(database.db);
});

afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await slack[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

/** What Slack puts behind the redirect's address, and what the browser kept since it began. */
interface Begun {
  code: string;
  state: string;
  cookie: string;
}

async function begin(): Promise<Begun> {
  const { headers } = await get('/slack/install', {});
  const [cookie = ''] = headers['set-cookie'] ?? [];
  const answer = acme.allows(headers.location ?? '');
  const asked = new URLSearchParams(answer);
  return { code: asked.get('code') ?? '', state: asked.get('state') ?? '', cookie: cookie.split(';')[0] ?? '' };
}

function get(path: string, headers: Record<string, string>, method = 'GET'): Promise<WireAnswer> {
  return send(gateway.url, { method, path, headers });
}

/** Text in which `{code}`, `{state}` and `{cookie}` stand for this run's. */
const own = (name: keyof Begun) => fc.constantFrom(`{${name}}`, `{${name}}x`, `{${name}}{${name}}`, ` {${name}}`);
const names = fc.constantFrom<string>(
  'code',
  'state',
  'error',
  'code[]',
  'state[$ne]',
  '__proto__',
  'redirect_uri',
  'scope',
  '',
);
const value = fc.oneof(
  oddText,
  own('code'),
  own('state'),
  fc.constant('access_denied'),
  fc.constant('<script>alert(1)</script>'),
);
type Query = [string, string][];
const WHOLE: Query = [
  ['code', '{code}'],
  ['state', '{state}'],
];
const query: fc.Arbitrary<Query> = fc.oneof(
  { weight: 1, arbitrary: fc.constant(WHOLE) },
  // Slack's own with something more, or one of them spoilt.
  { weight: 2, arbitrary: fc.tuple(names, value).map(([name, text]): Query => [...WHOLE, [name, text]]) },
  {
    weight: 2,
    arbitrary: value.map(
      (text): Query => [
        ['code', text],
        ['state', '{state}'],
      ],
    ),
  },
  {
    weight: 2,
    arbitrary: value.map(
      (text): Query => [
        ['code', '{code}'],
        ['state', text],
      ],
    ),
  },
  { weight: 1, arbitrary: fc.array(fc.tuple(names, value), { maxLength: 4 }) },
);
const cookie = fc.oneof(
  { weight: 3, arbitrary: fc.constant('{cookie}') },
  fc.constantFrom(
    '',
    '{cookie}; {cookie}',
    '{cookie}x',
    'slack-app-oauth-state=',
    '=; __proto__=x',
    '{cookie}='.repeat(50),
  ),
  oddText.map((text) => `slack-app-oauth-state=${encoded(text)}`),
);
const request = fc.record({
  path: fc.constantFrom('/slack/oauth_redirect', '/slack/oauth_redirect', '/slack/oauth_redirect/', '/slack/install'),
  method: fc.constantFrom('GET', 'GET', 'GET', 'HEAD', 'POST', 'PUT', 'OPTIONS'),
  query,
  cookie,
  headers: fc.oneof({ weight: 3, arbitrary: fc.constant({}) }, fc.constantFrom(...ODD_HEADERS)),
});

/** No word of what lets somebody in, and no complaint of our own. */
function expectQuiet(log: string, answer: string, { code, state }: Begun): void {
  const secrets = [slack.tokens.client_secret, ...slack.installs.tokensOf(acme.workspace), code, state];
  for (const secret of secrets) {
    expect(log).not.toContain(secret);
    expect(answer).not.toContain(secret);
  }
  expectCleanLog(log);
}

it(
  'whatever comes to the addresses of an installation installs it whole, or not at all',
  async () => {
    await fc.assert(
      fc.asyncProperty(request, async ({ path, method, headers, ...spoilt }) => {
        const begun = await begin();
        const filled = (text: string) =>
          text.replace(/\{(code|state|cookie)\}/g, (_whole, name: keyof Begun) => begun[name]);
        const asked = spoilt.query.map(([name, text]) => `${encoded(name)}=${encoded(filled(text))}`).join('&');
        gateway.log.length = 0;
        const answer = await get(`${path}?${asked}`, { ...headers, cookie: filled(spoilt.cookie) }, method);
        expect(answer.status).toBeLessThan(500);
        expect(answer.text).not.toContain('<script');
        const isOver = answer.status === 200 && answer.text.includes('is installed in');
        const kept = [...(await stores.look())];
        expectNoOperators(new Map(kept));
        const installations = kept.filter(([name]) => name.startsWith('slack_installations/'));
        // HEAD says nothing of what it did.
        if (method !== 'HEAD') expect(installations.length).toBe(isOver ? 1 : 0);
        for (const [name, text] of installations) {
          expect(name).toBe(`slack_installations/${acme.workspace.team_id}`);
          expect(JSON.parse(text)).toMatchObject({ workspace_id: 'wrkspc_T0ACME', bot: { id: 'B0ACME' } });
        }
        expectQuiet(JSON.stringify(gateway.log), answer.text, begun);
        await stores.forgetNew();
      }),
      cases(80),
    );
    expect(await install(acme, gateway)).toMatchObject({ status: 200 });
  },
  CASES_TIMEOUT_MS,
);
