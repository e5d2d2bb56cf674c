import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StreamChannels } from '../../connectors/slack/readers.ts';
import type { Deliverer } from '../../src/chat/deliver.ts';
import type { Audience, Outgoing } from '../../src/chat/outgoing.ts';
import type { ConversationKey } from '../../src/chat/place.ts';
import { newId } from '../../src/session/id.ts';
import { plannedCall, planOut, textOut } from '../support/cards.ts';
import { ends, says } from '../support/chat-events.ts';
import { eventually } from '../support/eventually.ts';
import { createPlatform } from '../support/fake-connector.ts';
import { createRecordingReceiver } from '../support/recording-receiver.ts';
import { type SlackHarness, startSlackHarness } from '../support/slack/harness.ts';
import type { SlackPerson } from '../support/slack/person.ts';
import { readable } from '../support/slack/transcript.ts';
import { useSlackStage } from '../support/slack/use-slack-stage.ts';

const signal = AbortSignal.timeout(60_000);

interface Scene extends AsyncDisposable {
  slack: SlackHarness['slack'];
  connector: SlackHarness['connector'];
  key: ConversationKey;
  ana: SlackPerson;
  /** For Ana, alone or with others. */
  toAna: Audience;
  both: Audience;
  calls(): string[];
  /** What somebody reads of the bot, below the line that says who speaks. */
  reads(person: SlackPerson): string[];
}

/** Ana has mentioned the bot in a channel. */
async function begun(streams: StreamChannels = 'alone'): Promise<Scene> {
  const { slack, connector, ...harness } = await startSlackHarness(createRecordingReceiver(), {
    stream_channels: streams,
  });
  const ana = slack.user('Ana');
  const root = ana.mention('ops', 'hello');
  await slack.outbox.idle();
  const to = ana.user.id;
  return {
    slack,
    connector,
    key: { connector: 'slack', tenant: slack.workspace.team_id, channel: root.channel, thread: root.ts },
    ana,
    toAna: { to, several: false },
    both: { to, several: true },
    calls: () =>
      slack.journal.filter(({ method }) => method.startsWith('chat.')).map((call) => `${call.method} ${call.outcome}`),
    reads: (person) =>
      person
        .sees({ channel: root.channel, ts: root.ts })
        .filter(({ bot_id }) => bot_id !== undefined)
        .map((message) => readable({ ...message, blocks: message.blocks.filter(({ type }) => type === 'markdown') })),
    [Symbol.asyncDispose]: () => harness[Symbol.asyncDispose](),
  };
}

function live(markdown: string, audience: Audience): Outgoing {
  return { ...textOut('dlv_1', markdown, true), audience } as Outgoing;
}

/** A text as it grows to its end. */
async function grow({ connector, key }: Scene, audience: Audience): Promise<void> {
  const ref = await connector.post(key, live('One ', audience), signal);
  await connector.edit(key, ref, live('One two ', audience), signal);
  await connector.edit(key, ref, textOut('dlv_1', 'One two three.'), signal);
}

const STREAMED = ['chat.startStream ok', 'chat.appendStream ok', 'chat.stopStream ok'];
const EDITED = ['chat.postMessage ok', 'chat.update ok', 'chat.update ok'];

describe('a live message in a channel', () => {
  it('streams to the one person who talks with the agent there, and to everybody once it is whole', async () => {
    await using scene = await begun();
    const { connector, key, ana, toAna, reads } = scene;
    const ben = scene.slack.user('Ben');
    const ref = await connector.post(key, live('One ', toAna), signal);
    await connector.edit(key, ref, live('One two ', toAna), signal);
    expect([reads(ana), reads(ben)]).toEqual([['One two '], ['One ']]);
    await connector.edit(key, ref, textOut('dlv_1', 'One two three.'), signal);
    expect([reads(ana), reads(ben)]).toEqual([['One two three.'], ['One two three.']]);
    expect(scene.calls()).toEqual(STREAMED);
    expect(scene.slack.journal.find(({ method }) => method === 'chat.startStream')?.args).toMatchObject({
      recipient_user_id: ana.user.id,
      recipient_team_id: key.tenant,
    });
    expect(await connector.find(key, 'dlv_1', signal)).toBe(ref);
  });

  it.each([
    ['alone', 'both', EDITED],
    ['always', 'both', STREAMED],
    ['never', 'toAna', EDITED],
  ] as const)('as SLACK_STREAM_CHANNELS says (%s, for %s)', async (streams, audience, calls) => {
    await using scene = await begun(streams);
    await grow(scene, scene[audience]);
    expect(scene.calls()).toEqual(calls);
    expect(scene.reads(scene.ana)).toEqual(['One two three.']);
    expect(scene.connector.growsFor?.(scene.key)).toBe(streams === 'never' ? null : 210_000);
  });

  it.each(['missing_recipient_team_id', 'user_not_found', 'channel_type_not_supported'])(
    'is posted and edited where Slack answers %s',
    async (error) => {
      await using scene = await begun();
      scene.slack.faults.refuse('chat.startStream', error);
      await grow(scene, scene.toAna);
      expect(scene.calls()).toEqual([`chat.startStream ${error}`, ...EDITED]);
      expect(scene.reads(scene.ana)).toEqual(['One two three.']);
    },
  );

  it('is posted at once where Slack takes no more streams for a while', async () => {
    await using scene = await begun();
    scene.slack.faults.rateLimit('chat.startStream', 30);
    await grow(scene, scene.toAna);
    expect(scene.calls()).toEqual(['chat.startStream 429', ...EDITED]);
    expect(scene.reads(scene.ana)).toEqual(['One two three.']);
  });

  it('is edited from the moment on in which somebody else speaks there', async () => {
    await using scene = await begun();
    const { connector, key, toAna, both } = scene;
    const ben = scene.slack.user('Ben');
    const ref = await connector.post(key, live('One ', toAna), signal);
    await connector.edit(key, ref, live('One two ', both), signal);
    expect(scene.reads(ben)).toEqual(['One two ']);
    await connector.edit(key, ref, live('One two three ', both), signal);
    await connector.edit(key, ref, textOut('dlv_1', 'One two three four.'), signal);
    expect(scene.reads(ben)).toEqual(['One two three four.']);
    expect(scene.calls()).toEqual([
      'chat.startStream ok',
      'chat.stopStream ok',
      'chat.update ok',
      'chat.update ok',
      'chat.update ok',
    ]);
  });

  it('may be the steps of a run', async () => {
    await using scene = await begun();
    const { connector, key, toAna } = scene;
    const steps = (over: { live?: boolean; over?: boolean }) =>
      ({ ...planOut('dlv_p', [plannedCall({ status: 'done' })], over), audience: toAna }) as Outgoing;
    const ref = await connector.post(key, steps({}), signal);
    await connector.edit(key, ref, steps({ live: false, over: true }), signal);
    expect(scene.calls()).toEqual(['chat.startStream ok', 'chat.stopStream ok']);
  });

  it('is posted where it is for nobody in particular', async () => {
    await using scene = await begun('always');
    await scene.connector.post(scene.key, textOut('dlv_1', 'One ', true), signal);
    expect(scene.calls()).toEqual(['chat.postMessage ok']);
  });
});

describe('an answer in a channel', () => {
  const { stage, slack, connector } = useSlackStage();
  let deliverer: Deliverer;

  beforeEach(() => {
    deliverer = stage.deliverer(createPlatform(), 'gateway_1', { connectors: new Map([['slack', connector]]) });
  });
  afterEach(() => deliverer.stop());

  it('streams to whoever asked, and is edited once somebody else has spoken to the agent', async () => {
    const [ana, ben] = [slack.user('Ana'), slack.user('Ben')];
    const root = ana.mention('ops', 'go');
    await eventually(async () => expect(await stage.entries('user.message')).toHaveLength(1));
    const [ref] = await stage.refs();
    if (ref === undefined) throw new Error('There is no session');
    await stage.append(ref, { type: 'session.status_running' });
    const id = newId('sevt');
    const event = { type: 'agent.message' as const, id };
    await eventually(async () => expect(await stage.preview(ref, { type: 'event_start', event })).toBe(1));
    const grows = (text: string, method: string) =>
      eventually(async () => {
        await stage.preview(ref, { type: 'event_so_far', event_id: id, blocks: [text] });
        expect(slack.journal.filter((call) => call.method === method && call.outcome === 'ok')).toHaveLength(1);
      }, 20_000);
    await grows('One ', 'chat.startStream');
    expect(slack.journal.find(({ method }) => method === 'chat.startStream')?.args).toMatchObject({
      recipient_user_id: ana.user.id,
      recipient_team_id: slack.workspace.team_id,
    });
    ben.reply({ channel: root.channel, ts: root.ts }, 'and what about two?', { mention: true });
    await eventually(async () =>
      expect((await stage.entries('user.message')).map(({ by }) => by?.id)).toContain(ben.user.id),
    );
    await grows('One two ', 'chat.update');
    await stage.append(ref, says('One two three.', id), ends());
    await eventually(async () => expect(await stage.log.undelivered(10)).toEqual([]));
    const own = slack.workspace.messages.filter(({ bot_id, ephemeral_to }) => bot_id !== undefined && !ephemeral_to);
    expect(own.map(readable)).toEqual([expect.stringContaining('One two three.')]);
  });
});
