import { describe, expect, it } from 'vitest';
import { createSlackConnector } from '../../connectors/slack/index.ts';
import type { Status } from '../../src/chat/connector.ts';
import type { ConversationKey } from '../../src/chat/place.ts';
import { textOut } from '../support/cards.ts';
import { eventually } from '../support/eventually.ts';
import { createRecordingReceiver, type RecordingReceiver } from '../support/recording-receiver.ts';
import { type SlackHarness, slackOptions, startSlackHarness } from '../support/slack/harness.ts';
import type { MessagePlace } from '../support/slack/person.ts';
import type { AgentSession } from '../support/slack/workspace.ts';
import { STOP_MS } from '../support/stop.ts';

const signal = AbortSignal.timeout(60_000);
const reading: Status = { state: 'working', text: 'Reading', title: 'Look into the logs' };

interface Scene extends AsyncDisposable {
  slack: SlackHarness['slack'];
  connector: SlackHarness['connector'];
  receiver: RecordingReceiver;
  key: ConversationKey;
  root: MessagePlace;
  session(): AgentSession | undefined;
  words(): string | undefined;
  /** Calls of the status methods, in short. */
  calls(): string[];
}

/** Ana has begun a conversation in #ops. */
async function begun(): Promise<Scene> {
  const receiver = createRecordingReceiver();
  const harness = await startSlackHarness(receiver);
  const { slack, connector } = harness;
  const root = slack.user('Ana').mention('ops', 'hello');
  await slack.outbox.idle();
  const place = `${root.channel}:${root.ts}`;
  return {
    slack,
    connector,
    receiver,
    root,
    key: { connector: 'slack', tenant: slack.workspace.team_id, channel: root.channel, thread: root.ts },
    session: () => slack.workspace.agent_sessions.get(place),
    words: () => slack.workspace.thread_status.get(place)?.text,
    calls: () =>
      slack.journal
        .filter(({ method }) => method.startsWith('agents.sessions.'))
        .map(({ method, args, outcome }) => {
          const what = method.endsWith('rename') ? `rename ${String(args['title'])}` : String(args['status']);
          return outcome === 'ok' ? what : `${what}: ${outcome}`;
        }),
    [Symbol.asyncDispose]: () => harness[Symbol.asyncDispose](),
  };
}

describe('the status of a session in Slack', () => {
  it('says what goes on, asks, rests and ends, and asks Slack only for what changes', async () => {
    await using scene = await begun();
    await scene.connector.setStatus(scene.key, reading, signal);
    await scene.connector.setStatus(scene.key, { ...reading, text: 'Writing' }, signal);
    expect(scene.session()).toEqual({ status: 'processing', title: 'Look into the logs' });
    expect(scene.words()).toBe('Writing');
    await scene.connector.setStatus(scene.key, { state: 'asking', text: 'Waiting for a person' }, signal);
    expect(scene.words()).toBe('');
    await scene.connector.setStatus(scene.key, { state: 'resting' }, signal);
    await scene.connector.setStatus(scene.key, { state: 'ended' }, signal);
    expect(scene.calls()).toEqual(['processing', 'suspended', 'active', 'closed']);
  });

  it('keeps its words on a long run that says nothing', async () => {
    await using scene = await begun();
    await scene.connector.setStatus(scene.key, reading, signal);
    for (let minute = 0; minute < 10; minute += 1) {
      await scene.slack.clock.advance(60_000);
      expect(scene.words()).toBe('Reading');
      await scene.connector.setStatus(scene.key, reading, signal);
    }
    await scene.slack.clock.advance(121_000);
    expect(scene.words()).toBeUndefined();
  });

  it('has its words again after each post, which clears them', async () => {
    await using scene = await begun();
    await scene.connector.setStatus(scene.key, reading, signal);
    await scene.connector.post(scene.key, textOut('dlv_1', 'Found it.'), signal);
    expect(scene.words()).toBeUndefined();
    await scene.connector.setStatus(scene.key, { ...reading, text: 'Mending' }, signal);
    expect(scene.words()).toBe('Mending');
    expect(scene.calls()).toEqual(['processing']);
  });

  it('is renamed when its title changes, also by a process that did not begin it', async () => {
    await using scene = await begun();
    await scene.connector.setStatus(scene.key, reading, signal);
    await scene.connector.setStatus(scene.key, { ...reading, title: 'Mend the logs' }, signal);
    expect(scene.session()?.title).toBe('Mend the logs');
    const second = createSlackConnector(slackOptions(scene.slack));
    await second.start(createRecordingReceiver());
    await second.setStatus(scene.key, { ...reading, title: 'Mend the logs' }, signal);
    await second.setStatus(scene.key, { state: 'resting', title: 'x'.repeat(300) }, signal);
    await second.stop(STOP_MS);
    expect(scene.calls()).toEqual([
      'processing',
      'rename Mend the logs',
      'processing',
      'active',
      `rename ${'x'.repeat(199)}…`,
    ]);
  });

  it.each([
    ['resting', 'active'],
    ['ended', 'closed'],
  ] as const)('is %s also where another process said since that it works, and died', async (state, shown) => {
    await using scene = await begun();
    await scene.connector.setStatus(scene.key, { state }, signal);
    const other = createSlackConnector(slackOptions(scene.slack));
    await other.start(createRecordingReceiver());
    await other.setStatus(scene.key, reading, signal);
    await other.stop(STOP_MS);
    expect(scene.session()?.status).toBe('processing');
    await scene.connector.setStatus(scene.key, { state }, signal);
    expect(scene.session()?.status).toBe(shown);
  });

  it.each([
    ['a rate limit', (scene: Scene) => scene.slack.faults.rateLimit('agents.sessions.setStatus', 3)],
    ['a 500', (scene: Scene) => scene.slack.faults.fail('agents.sessions.setStatus', 500)],
    ['a lost answer', (scene: Scene) => scene.slack.faults.loseResponse('agents.sessions.setStatus')],
  ])('says that %s left it as it was, and is set the next time', async (_what, arrange) => {
    await using scene = await begun();
    await scene.connector.setStatus(scene.key, reading, signal);
    arrange(scene);
    await expect(scene.connector.setStatus(scene.key, { state: 'resting' }, signal)).rejects.toThrow();
    await scene.connector.setStatus(scene.key, { state: 'resting' }, signal);
    expect(scene.session()?.status).toBe('active');
  });

  it('is given up quietly where this Slack has none', async () => {
    await using scene = await begun();
    scene.slack.faults.refuse('agents.sessions.setStatus', 'unknown_method');
    scene.slack.faults.fail('assistant.threads.setStatus', 500);
    await scene.connector.setStatus(scene.key, reading, signal);
    await scene.connector.setStatus(scene.key, { state: 'resting' }, signal);
    const methods = scene.slack.journal.map((call) => call.method);
    expect(methods.filter((m) => m === 'agents.sessions.setStatus')).toHaveLength(1);
    expect(methods.filter((m) => m === 'assistant.threads.setStatus')).toHaveLength(2);
  });

  it('is put at rest by a Stop of what does not run any more', async () => {
    await using scene = await begun();
    await scene.connector.setStatus(scene.key, reading, signal);
    scene.receiver.answer({ effect: 'refused', text: 'Nothing is running here.', at_rest: true });
    scene.slack.user('Ana').stop(scene.root);
    await eventually(() => expect(scene.session()?.status).toBe('active'));
    expect(scene.receiver.stops).toHaveLength(1);
  });

  it('keeps its Stop button for the others when a Stop is refused and the run goes on', async () => {
    await using scene = await begun();
    await scene.connector.setStatus(scene.key, reading, signal);
    scene.receiver.answer({ effect: 'refused', text: 'Guests may not stop what somebody else began.' });
    scene.slack.user('Gus').stop(scene.root);
    await eventually(() => expect(scene.receiver.stops).toHaveLength(1));
    // Which ends when all that came of it is done.
    await scene.connector.stop(STOP_MS);
    expect(scene.calls()).toEqual(['processing']);
    expect(scene.session()?.status).toBe('processing');
  });

  it('is processing again within a minute where another process put it at rest', async () => {
    await using scene = await begun();
    await scene.connector.setStatus(scene.key, reading, signal);
    const other = createSlackConnector(slackOptions(scene.slack));
    await other.start(createRecordingReceiver());
    await other.setStatus(scene.key, { state: 'resting' }, signal);
    await other.stop(STOP_MS);
    await scene.slack.clock.advance(60_000);
    await scene.connector.setStatus(scene.key, reading, signal);
    expect(scene.session()?.status).toBe('processing');
  });

  it('asks once for a name that Slack does not take, however long the run', async () => {
    await using scene = await begun();
    await scene.connector.setStatus(scene.key, reading, signal);
    scene.slack.faults.refuse('agents.sessions.rename', 'invalid_name');
    for (let minute = 0; minute < 3; minute += 1) {
      await scene.connector.setStatus(scene.key, { ...reading, title: 'Mend the logs' }, signal);
      await scene.slack.clock.advance(60_000);
    }
    expect(scene.calls()).toEqual(['processing', 'rename Mend the logs: invalid_name', 'processing', 'processing']);
  });

  it('is left to the run that is being stopped, whose end sets it whatever Slack shows by then', async () => {
    await using scene = await begun();
    await scene.connector.setStatus(scene.key, { state: 'resting' }, signal);
    scene.slack.user('Ana').stop(scene.root);
    await eventually(() => expect(scene.receiver.stops).toHaveLength(1));
    await scene.slack.outbox.idle();
    await eventually(async () => {
      await scene.connector.setStatus(scene.key, { state: 'resting' }, signal);
      expect(scene.calls()).toEqual(['active', 'active']);
    });
  });
});
