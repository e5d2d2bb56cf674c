import { describe, expect, it } from 'vitest';
import type { Connector } from '../../src/chat/connector.ts';
import { deferred } from '../support/deferred.ts';
import { eventually } from '../support/eventually.ts';
import { type SlackHarness, startSlackHarness } from '../support/slack/harness.ts';
import { readable } from '../support/slack/transcript.ts';
import { directChannel } from '../support/slack/workspace.ts';
import { useChatStage } from '../support/use-chat-stage.ts';

const stage = useChatStage();

const NOT_YET = /^That could not be done just now\. It is kept and tried again by itself/;

type Scene = Awaited<ReturnType<typeof house>>;

/** A house that cannot look its agents up while `away`, and a channel that the bot is not in. */
async function house() {
  const trouble = { away: false, ends: Promise.resolve() };
  const directory: typeof stage.directory = {
    ...stage.directory,
    async agents(workspace_id) {
      await trouble.ends;
      if (trouble.away) throw new Error('MongoDB is away');
      return stage.directory.agents(workspace_id);
    },
  };
  const connectors = new Map<string, Connector>();
  const receiver = stage.receiver({ connectors, directory });
  const harness = await startSlackHarness(receiver.service);
  connectors.set('slack', harness.connector);
  const { slack } = harness;
  const ana = slack.user('Ana');
  const ops = slack.channel('ops');
  ops.members.add(ana.user.id);
  ops.members.delete(slack.workspace.bot_user_id);
  return { harness, slack, ana, ops, trouble, receiver };
}

function directly({ slack }: SlackHarness): string[] {
  const { id } = directChannel(slack.workspace, slack.user('Ana').user.id);
  return slack.workspace.messages.filter(({ channel, bot_id }) => channel === id && bot_id).map(readable);
}

/** The next sweep finds it. */
async function again({ receiver, trouble }: Scene): Promise<void> {
  trouble.away = false;
  await stage.silence(31_000);
  expect(await receiver.sweepNow()).toBe(1);
}

describe('what cannot be done just now', () => {
  it('is said at once where the bot is not, too, and its answer is not lost', async () => {
    const scene = await house();
    await using harness = scene.harness;
    scene.trouble.away = true;
    expect(await scene.ana.command('ops', '/agents', 'list')).toMatchObject({ acked: true });
    await eventually(() => expect(scene.ana.told('ops')).toEqual([expect.stringMatching(NOT_YET)]));
    expect(directly(harness)).toEqual([]);
    await again(scene);
    expect(directly(harness)).toEqual([
      expect.stringContaining(`In <#${scene.ops.id}>, about what you did there:\n\n**Agents**`),
    ]);
  });

  async function formOf({ slack, ana, ops }: Scene): Promise<void> {
    ops.members.add(slack.workspace.bot_user_id);
    await ana.shortcut('deckhand_ask_about', slack.user('Ben').says('ops', 'The build is red.'));
    await eventually(() => expect(ana.view()).toBeDefined());
  }

  it('is said in a form', async () => {
    const scene = await house();
    await using _ = scene.harness;
    await formOf(scene);
    scene.trouble.away = true;
    const { payload } = await scene.ana.submit({ what: 'Why?' });
    expect(payload).toMatchObject({ errors: { agent: expect.stringMatching(NOT_YET) } });
    await again(scene);
    expect(scene.ana.told('ops')).toEqual([expect.stringContaining('deckhand is asked')]);
  });

  it('is said of a form that did not wait for it', async () => {
    const scene = await house();
    await using _ = scene.harness;
    const { ana, trouble } = scene;
    await formOf(scene);
    const ends = deferred<void>();
    Object.assign(trouble, { away: true, ends: ends.promise });
    expect(await ana.submit({ what: 'Why?' })).toMatchObject({ acked: true });
    expect(ana.view()).toBeUndefined();
    ends.resolve();
    await eventually(() => expect(ana.told('ops')).toEqual([expect.stringMatching(NOT_YET)]));
    await again(scene);
    expect(ana.told('ops')).toEqual([expect.anything(), expect.stringContaining('deckhand is asked')]);
  });
});
