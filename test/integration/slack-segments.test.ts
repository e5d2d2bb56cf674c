import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSlackConnector, type SlackConnector } from '../../connectors/slack/index.ts';
import type { Connector } from '../../src/chat/connector.ts';
import type { Deliverer } from '../../src/chat/deliver.ts';
import { newId } from '../../src/session/id.ts';
import type { SessionRef } from '../../src/session/log.ts';
import { ends, says } from '../support/chat-events.ts';
import { eventually } from '../support/eventually.ts';
import { createPlatform } from '../support/fake-connector.ts';
import { createRecordingReceiver } from '../support/recording-receiver.ts';
import { type SlackHarness, slackOptions, startSlackHarness } from '../support/slack/harness.ts';
import { readable } from '../support/slack/transcript.ts';
import type { SlackMessage } from '../support/slack/workspace.ts';
import { STOP_MS } from '../support/stop.ts';
import { useChatStage } from '../support/use-chat-stage.ts';

const PATIENCE_MS = 20_000;
/** Past which a message grows no more, and before Slack ends its stream. */
const OLD_MS = 211_000;

const stage = useChatStage();
let harness: SlackHarness;
let ref: SessionRef;
let deliverers: Deliverer[];
let others: SlackConnector[];

/** Ana has written to the bot directly: one gateway heard it. */
beforeEach(async () => {
  [deliverers, others] = [[], []];
  const connectors = new Map<string, Connector>();
  const { service } = stage.receiver({ connectors });
  harness = await startSlackHarness(service, (slack) => ({ db: stage.db, api_url: slack.apiUrlOf('one') }), 'dm');
  connectors.set('slack', harness.connector);
  harness.slack.user('Ana').dm('hello');
  ref = await eventually(async () => {
    const [first] = await stage.refs();
    expect(first).toBeDefined();
    return first as SessionRef;
  });
  await harness.slack.outbox.idle();
  await eventually(async () => expect(await stage.entries('user.message')).toHaveLength(1));
});

afterEach(async () => {
  await Promise.all(deliverers.map((deliverer) => deliverer.stop()));
  await Promise.all(others.map((connector) => connector.stop(STOP_MS)));
  await harness[Symbol.asyncDispose]();
});

function gateway(name: string, connector: Connector): Deliverer {
  const deliverer = stage.deliverer(createPlatform(), name, {
    connectors: new Map([['slack', connector]]),
    now: () => harness.slack.clock.now(),
  });
  deliverers.push(deliverer);
  return deliverer;
}

/** A gateway that has heard nobody. */
async function otherGateway(): Promise<Deliverer> {
  const { slack } = harness;
  const options = { db: stage.db, api_url: slack.apiUrlOf('two') };
  const connector = createSlackConnector(slackOptions(slack, options));
  await connector.start(createRecordingReceiver());
  others.push(connector);
  return gateway('gateway_2', connector);
}

function own(): SlackMessage[] {
  return harness.slack.workspace.messages.filter((message) => message.bot_id !== undefined);
}

/** What Ana reads of each message, below the line that says who speaks. */
function bodies(): string[] {
  return own().map((message) => readable({ ...message, blocks: message.blocks.filter((b) => b.type === 'markdown') }));
}

async function shows(texts: string[]): Promise<void> {
  await eventually(() => expect(bodies()).toEqual(texts), PATIENCE_MS);
}

/** Streams that were begun, by whom. */
function streams(): string[] {
  return harness.slack.journal
    .filter(({ method, outcome }) => method === 'chat.startStream' && outcome === 'ok')
    .map(({ caller }) => caller);
}

async function begun(): Promise<string> {
  await stage.append(ref, { type: 'session.status_running' });
  const id = newId('sevt');
  const event = { type: 'agent.message' as const, id };
  await eventually(async () => expect(await stage.preview(ref, { type: 'event_start', event })).toBe(1));
  return id;
}

/** The text so far, until it is shown so: Slack's answers decide when. */
function grows(event_id: string, text: string, to: string[]): Promise<void> {
  return eventually(async () => {
    await stage.preview(ref, { type: 'event_so_far', event_id, blocks: [text] });
    expect(bodies()).toEqual(to);
  }, PATIENCE_MS);
}

const HEAD = '| n |\n|---|\n';
const ONE = 'The first paragraph.\n\n';
const TWO = 'The second begins ';
const MORE = `${TWO}and goes on `;
const WHOLE = `${MORE}to its end.`;

describe('a text that is written for longer than Slack lets a stream grow', () => {
  it('goes on in a stream of its own, from its last paragraph on', async () => {
    gateway('gateway_1', harness.connector);
    const id = await begun();
    await grows(id, ONE + TWO, [ONE + TWO]);
    await harness.slack.clock.advance(OLD_MS);
    await grows(id, ONE + MORE, [ONE, MORE]);
    await stage.append(ref, says(ONE + WHOLE, id), ends());
    await shows([ONE, WHOLE]);
    expect(streams()).toEqual(['one', 'one']);
    await eventually(() => expect(own().map(({ stream }) => stream?.state)).toEqual(['completed', 'completed']));
  });

  it.each([
    ['code', '```ts\none\n', 'two\n', 'three\n```', ['```ts\none\n```', '```ts\ntwo\nthree\n```']],
    // The first was edited, and is a table of Slack's own by now: this is its text for notifications.
    ['a table', `${HEAD}| 1 |\n`, '| 2 |\n', '| 3 |\n', [`${HEAD}| 1 |`, `${HEAD}| 2 |\n| 3 |\n`]],
  ])('goes on in a stream of its own also within %s that takes that long', async (_what, one, two, three, whole) => {
    gateway('gateway_1', harness.connector);
    const id = await begun();
    await eventually(async () => {
      await stage.preview(ref, { type: 'event_so_far', event_id: id, blocks: [one + two] });
      expect(streams()).toHaveLength(1);
    }, PATIENCE_MS);
    await harness.slack.clock.advance(OLD_MS);
    await eventually(async () => {
      await stage.preview(ref, { type: 'event_so_far', event_id: id, blocks: [one + two + three.slice(0, 2)] });
      expect(streams()).toHaveLength(2);
    }, PATIENCE_MS);
    await stage.append(ref, says(one + two + three, id), ends());
    await shows(whole);
  });

  it('goes on as a stream at a gateway that did not hear its reader', async () => {
    const first = gateway('gateway_1', harness.connector);
    const id = await begun();
    await grows(id, ONE + TWO, [ONE + TWO]);
    await first.stop();
    await (await otherGateway()).sweepNow();
    await eventually(async () =>
      expect(await stage.preview(ref, { type: 'event_so_far', event_id: id, blocks: [ONE + TWO] })).toBe(1),
    );
    await grows(id, `${ONE}${TWO}and `, [`${ONE}${TWO}and `]);
    await harness.slack.clock.advance(OLD_MS);
    await grows(id, ONE + MORE, [ONE, MORE]);
    await stage.append(ref, says(ONE + WHOLE, id), ends());
    await shows([ONE, WHOLE]);
    expect(streams()).toEqual(['one', 'two']);
  });

  it.each(['taken', 'dropped'] as const)(
    'stands there once although its gateway dies between two streams (the second is %s)',
    async (how) => {
      const first = gateway('gateway_1', harness.connector);
      const id = await begun();
      await grows(id, ONE + TWO, [ONE + TWO]);
      await harness.slack.clock.advance(OLD_MS);
      const held = harness.slack.faults.hold('chat.startStream');
      await stage.preview(ref, { type: 'event_so_far', event_id: id, blocks: [ONE + MORE] });
      await held.reached;
      await first.stop();
      held.end(how);
      if (how === 'taken') await eventually(() => expect(own()).toHaveLength(2));
      await (await otherGateway()).sweepNow();
      await grows(id, ONE + MORE, [ONE, MORE]);
      await stage.append(ref, says(ONE + WHOLE, id), ends());
      await shows([ONE, WHOLE]);
      expect(streams()).toEqual(how === 'taken' ? ['one', 'one'] : ['one', 'two']);
    },
  );

  it('goes on in edits where Slack refuses the second stream', async () => {
    gateway('gateway_1', harness.connector);
    const id = await begun();
    await grows(id, ONE + TWO, [ONE + TWO]);
    await harness.slack.clock.advance(OLD_MS);
    harness.slack.faults.refuse('chat.startStream', 'channel_type_not_supported');
    await grows(id, ONE + MORE, [ONE, MORE]);
    await stage.append(ref, says(ONE + WHOLE, id), ends());
    await shows([ONE, WHOLE]);
    expect(streams()).toEqual(['one']);
  });

  it('is shown whole in its first message where it ends before it has to go on', async () => {
    gateway('gateway_1', harness.connector);
    const id = await begun();
    await grows(id, ONE + TWO, [ONE + TWO]);
    await harness.slack.clock.advance(OLD_MS + 40_000);
    await stage.append(ref, says(ONE + WHOLE, id), ends());
    await shows([ONE + WHOLE]);
  });
});
