import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSlackConnector, type SlackConnector } from '../../../connectors/slack/index.ts';
import type { Deliverer } from '../../../src/chat/deliver.ts';
import { createCursorStore } from '../../../src/chat/delivery-cursor.ts';
import { LIMITED_CHANNEL } from '../../../src/session/hints.ts';
import type { SessionRef } from '../../../src/session/log.ts';
import { ends, says } from '../../support/chat-events.ts';
import { deferred } from '../../support/deferred.ts';
import { eventually } from '../../support/eventually.ts';
import { createPlatform } from '../../support/fake-connector.ts';
import { slackOptions } from '../../support/slack/harness.ts';
import { type SlackServer, startSlackServer } from '../../support/slack/server.ts';
import { readable } from '../../support/slack/transcript.ts';
import { useChatStage } from '../../support/use-chat-stage.ts';

const stage = useChatStage();
let slack: SlackServer;
let connectors: SlackConnector[];
let running: Deliverer[];
/** Waits of the gateways for Slack, until the test lets them go. */
let waits: Array<{ ms: number; end: () => void }>;

beforeEach(async () => {
  slack = await startSlackServer();
  [connectors, running, waits] = [[], [], []];
});

afterEach(async () => {
  await Promise.all(running.map((deliverer) => deliverer.stop()));
  await slack[Symbol.asyncDispose]();
});

/** A gateway that shows these sessions, or all, in the test Slack. */
function gateway(name: string, mine: (ref: string) => boolean = () => true): void {
  const connector = createSlackConnector(slackOptions(slack));
  connectors.push(connector);
  const cursors = createCursorStore(stage.db);
  const deliverer = stage.deliverer(createPlatform(), name, {
    connectors: new Map([['test', connector]]),
    cursors: {
      ...cursors,
      acquire: async (id, ...rest) => (mine(id) ? cursors.acquire(id, ...rest) : null),
    },
    now: () => slack.clock.now(),
    sleep: (ms) => new Promise((end) => waits.push({ ms, end })),
  });
  deliverer.start();
  running.push(deliverer);
}

/** A session in a thread of its own in this channel. */
async function thread(channel: string): Promise<SessionRef> {
  const root = slack.user('Ana').mention(channel, 'hello');
  return stage.session(root.ts, root.channel);
}

function channelOf(name: string): string {
  const found = [...slack.workspace.channels.values()].find((channel) => channel.name === name);
  if (found === undefined) throw new Error(`There is no channel ${name}`);
  return found.id;
}

/** The outcomes of all posts in a channel, in order. */
function posts(channel: string): string[] {
  return slack.journal
    .filter((call) => call.method === 'chat.postMessage' && call.args['channel'] === channelOf(channel))
    .map((call) => call.outcome);
}

function shown(channel: string): string[] {
  return slack.workspace.messages
    .filter((message) => message.channel === channelOf(channel) && message.bot_id !== undefined)
    .map(readable);
}

/** Slack's limit is over, and then each waits its second. */
async function timePasses(): Promise<void> {
  await slack.clock.advance(20_000);
  await eventually(async () => {
    for (const { end } of waits.splice(0)) end();
    await slack.clock.advance(1_001);
    expect(await stage.log.undelivered(10)).toEqual([]);
  });
}

describe('a channel that Slack limits', () => {
  it('is not called before its time, holds up no other, and gets everything in order', async () => {
    gateway('gateway_1');
    const [first, second, elsewhere] = [await thread('ops'), await thread('ops'), await thread('dev')];
    slack.faults.limitChannel(channelOf('ops'), 20);
    await stage.append(first, says('one'), says('two'), says('three'), ends());
    await eventually(() => expect(waits).toHaveLength(1));
    expect(waits[0]?.ms).toBeGreaterThan(19_000);

    await stage.append(second, says('beside'), ends());
    await stage.append(elsewhere, says('at once'), ends());
    await eventually(() => expect(shown('dev')).toEqual(['at once']));
    expect(posts('ops')).toEqual(['429']);
    await timePasses();
    expect(posts('ops')).toEqual(['429', 'ok', 'ok', 'ok', 'ok']);
    expect(shown('ops').filter((text) => text !== 'beside')).toEqual(['one', 'two', 'three']);
    expect(shown('ops')).toContain('beside');
  });

  it('is left alone by every gateway', async () => {
    const [first, second] = [await thread('ops'), await thread('ops')];
    gateway('gateway_1', (id) => id === first.session_id);
    gateway('gateway_2', (id) => id === second.session_id);
    const heard = deferred<void>();
    await stage.hints.subscribe(LIMITED_CHANNEL, () => heard.resolve());
    slack.faults.limitChannel(channelOf('ops'), 20);
    await stage.append(first, says('one'), ends());
    await heard.promise;
    await stage.append(second, says('two'), ends());
    await eventually(() => expect(waits).toHaveLength(2));
    expect(posts('ops')).toEqual(['429']);
    await timePasses();
    expect(posts('ops')).toEqual(['429', 'ok', 'ok']);
    expect(shown('ops').toSorted()).toEqual(['one', 'two']);
  });

  it('for long is let be: its sessions make room, and come again when it is time', async () => {
    gateway('gateway_1');
    const ref = await thread('ops');
    slack.faults.limitChannel(channelOf('ops'), 120);
    await stage.append(ref, says('late'), ends());
    const lease = () => stage.db.collection<{ _id: string }>('delivery_cursors').findOne({ _id: ref.session_id });
    await eventually(async () => expect(await lease()).toMatchObject({ holder: null, token: 1 }));
    expect(posts('ops')).toEqual(['429']);
    await slack.clock.advance(60_000);
    for (const deliverer of running) await deliverer.sweepNow();
    expect(posts('ops')).toEqual(['429']);
    await slack.clock.advance(60_001);
    await eventually(async () => {
      for (const deliverer of running) await deliverer.sweepNow();
      for (const { end } of waits.splice(0)) end();
      expect(shown('ops')).toEqual(['late']);
    });
    expect(posts('ops')).toEqual(['429', 'ok']);
  });
});
