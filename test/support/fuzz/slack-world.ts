import { expect } from 'vitest';
import { DEFAULT_WORKSPACE } from '../../../src/resources/defaults.ts';
import { fold } from '../../../src/session/state.ts';
import { eventually } from '../eventually.ts';
import { signed } from '../slack/http-delivery.ts';
import { type SlackServer, startSlackServer } from '../slack/server.ts';
import { encoded, filled, send, type WireAnswer } from './http.ts';
import { expectCleanLog } from './logged.ts';
import { SECRETS } from './secrets.ts';
import { SLACK_PAYLOADS, type SlackPayload } from './slack-payloads.ts';
import { changedBetween, expectNoOperators } from './store-watch.ts';
import { askPeople, startWorld, type World } from './world.ts';

/** What is acknowledged is applied within this, however busy the machine is, in ms. */
export const PATIENCE_MS = 25_000;

const tokens = {
  bot: SECRETS.slack_bot_token,
  app: SECRETS.slack_app_token,
  signing_secret: SECRETS.slack_signing_secret,
};

/** A workspace with the channels that `SLACK_PAYLOADS` name. */
export async function startFuzzedSlack(): Promise<SlackServer> {
  const slack = await startSlackServer(tokens);
  const kinds = { C0OPS: 'channel', D0ANA: 'im' } as const;
  for (const [id, kind] of Object.entries(kinds)) {
    const members = new Set(['U0ANA', slack.workspace.bot_user_id]);
    slack.workspace.channels.set(id, { id, name: id.toLowerCase(), kind, members, is_archived: false });
  }
  return slack;
}

/** How a gateway hears of a payload. */
export type Hear = (payload: SlackPayload, json: string) => Promise<unknown>;

/** The product with Slack connected. */
export interface SlackWorld extends World {
  /** This run's ids, with a thread and a question in it when `json` names them. */
  makeIds(hear: Hear, json: string): Promise<Record<string, string>>;
  /** All that was acknowledged is applied, no session is broken, and nothing of another workspace's has changed. */
  expectWhole(): Promise<void>;
}

let nonce = Date.now() / 1_000;

export async function startSlackWorld(slack: SlackServer, mode: 'http' | 'socket'): Promise<SlackWorld> {
  const world = await startWorld({
    env: {
      SLACK_BOT_TOKEN: tokens.bot,
      SLACK_API_URL: slack.apiUrl,
      ...(mode === 'http' ? { SLACK_SIGNING_SECRET: tokens.signing_secret } : { SLACK_APP_TOKEN: tokens.app }),
    },
  });
  const foreign = ofOthers(await world.stores.look());
  expect(foreign.size).toBeGreaterThan(0);

  function ofOthers(looked: Map<string, string>): Map<string, string> {
    const ids = Object.values(world.foreign);
    return new Map(
      [...looked].filter(([name, text]) => ids.some((id) => name.includes(id) || text.includes(`"${id}"`))),
    );
  }

  async function makeThread(hear: Hear): Promise<Record<string, string>> {
    nonce += 1;
    const thread = `${nonce.toFixed(6)}`;
    const mention = SLACK_PAYLOADS['a mention'] ?? expect.unreachable();
    await hear(mention, filled(JSON.stringify(mention.payload), { nonce: thread }));
    await expectApplied(world);
    const session_id = await eventually(async () => {
      const { items } = await world.context.sessions.list(DEFAULT_WORKSPACE, { limit: 1 });
      return items[0]?._id ?? expect.unreachable('no session');
    });
    const { approval } = await askPeople(world.context, { workspace_id: DEFAULT_WORKSPACE, session_id }, 'ours');
    nonce += 1;
    return { nonce: nonce.toFixed(6), thread, approval, ...world.foreign };
  }

  return {
    ...world,
    makeIds(hear, json) {
      if (/\{(thread|approval)\}/.test(json)) return makeThread(hear);
      nonce += 1;
      return Promise.resolve({ nonce: nonce.toFixed(6), ...world.foreign });
    },
    async expectWhole() {
      const looked = await expectApplied(world);
      expectNoOperators(looked);
      const now = new Map([...looked].filter(([name]) => foreign.has(name)));
      expect(changedBetween(foreign, now)).toEqual([]);
      const { items } = await world.context.sessions.list(DEFAULT_WORKSPACE, { limit: 100, include_archived: true });
      for (const { _id, workspace_id } of items) {
        const state = fold(await world.context.log.read({ workspace_id, session_id: _id }));
        expect(state.seq).toBeGreaterThan(0);
      }
      // A post to a channel that a mutation made up is refused, and says so.
      expectCleanLog(world.takeLog(), (line) => line.includes('platform refused'));
    },
  };
}

/** Whatever was acknowledged is applied soon. */
function expectApplied(world: World): Promise<Map<string, string>> {
  return eventually(async () => {
    const stored = await world.stores.look();
    for (const [name, text] of stored) {
      if (name.startsWith('inbound/')) expect(JSON.parse(text), text).toMatchObject({ state: 'applied' });
    }
    return stored;
  }, PATIENCE_MS);
}

export interface SlackBody {
  body: string;
  content_type: string;
}

/** As Slack sends such a payload over HTTP. */
export function bodyOf(type: SlackPayload['type'], json: string): SlackBody {
  if (type === 'events_api') return { body: json, content_type: 'application/json' };
  const content_type = 'application/x-www-form-urlencoded';
  if (type === 'interactive') return { body: `payload=${encoded(json)}`, content_type };
  const fields = Object.entries(jsonOf(json) ?? {}).flatMap(([key, value]) => fieldsOf(key, value));
  return { body: fields.map(([key, value]) => `${encoded(key)}=${encoded(value)}`).join('&'), content_type };
}

/** A form knows no objects: who wants one to be read from it writes `name[key]`. */
function fieldsOf(key: string, value: unknown): Array<[string, string]> {
  if (typeof value !== 'object' || value === null) return [[key, String(value)]];
  const inside = Object.entries(value).slice(0, 100);
  return inside.map(([name, one]) => [`${key}[${name}]`, typeof one === 'object' ? '{}' : String(one)]);
}

export function jsonOf(json: string): object | null {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}

export interface Seal {
  secret?: string;
  timestamp?: string;
  signature?: string | null;
}

/** POST it as Slack does, signed with its secret unless `seal` says otherwise. */
export function deliver(url: string, { body, content_type }: SlackBody, seal: Seal = {}): Promise<WireAnswer> {
  const timestamp = seal.timestamp ?? String(Math.floor(Date.now() / 1_000));
  const signature = seal.signature ?? signed(seal.secret ?? tokens.signing_secret, body, Number(timestamp));
  const headers: Record<string, string> = { 'content-type': content_type, 'x-slack-request-timestamp': timestamp };
  if (seal.signature !== null) headers['x-slack-signature'] = signature;
  return send(url, { method: 'POST', path: '/slack/events', headers, body });
}
