import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { install } from '../support/slack/install-stage.ts';
import type { MessagePlace } from '../support/slack/person.ts';
import { messageAt } from '../support/slack/workspace.ts';
import { type Deed, useThreeGateways } from '../support/three-gateways.ts';

const POSTING = ['chat.postMessage', 'chat.startStream'];

/**
 * What people say, do and undo in Slack, which it tells an app in events. Slack gives an event to one gateway and, where it
 * hears no acknowledgement in three seconds, to another (over Socket Mode) or to the same address (over HTTP, where whichever
 * gateway takes it): at once, after a minute and after five. So an event may well reach three gateways, and the promise is
 * that it counts once. Here it reaches them at the same moment, and then once more when all is done.
 */
describe.each(['socket', 'http'] as const)('an event that three gateways are given at once (%s)', (mode) => {
  const { three, slack, model } = useThreeGateways(mode);

  /** Posts of the bot's in this channel that Slack took, whoever made them. */
  const posts = ({ channel }: MessagePlace) =>
    three.calls(...POSTING).filter(({ args }) => args['channel'] === channel).length;

  it('a mention begins one session, with one answer', async () => {
    model.reply({ text: 'Forty-two.' });
    const { of: thread, again } = await three.thrice(() => slack.user('Ana').mention('mention', 'how many?'));
    await three.heard(thread, 'Forty-two.');
    await again();
    await three.settled();
    expect(three.count(thread, 'Forty-two.')).toBe(1);
    expect(posts(thread)).toBe(1);
    expect(await three.said(thread)).toEqual(['how many?']);
    expect(model.requests).toHaveLength(2);
  });

  it('a message of a thread that it follows is said once to who answers there', async () => {
    await slack.user('Ana').command('thread', '/agents', 'reply thread');
    await eventually(() => expect(slack.user('Ana').told('thread')).toHaveLength(1));
    model.reply({ text: 'Hello.' });
    const { of: thread } = await three.thrice(() => slack.user('Ana').mention('thread', 'hello'));
    await three.heard(thread, 'Hello.');
    model.reply({ text: 'The second.' });
    const { again } = await three.thrice(() => slack.user('Ben').reply(thread, 'which build?'));
    await three.heard(thread, 'The second.');
    await again();
    await three.settled();
    expect(three.count(thread, 'The second.')).toBe(1);
    expect(await three.said(thread)).toEqual(['hello', 'which build?']);
    expect(model.requests).toHaveLength(3);
  });

  it('what is not said to it is nobody’s', async () => {
    const { of: thread, again } = await three.thrice(() => slack.user('Ana').says('idle', 'lunch?'));
    await again();
    await three.settled();
    expect(posts(thread)).toBe(0);
    expect(await three.log(thread)).toEqual([]);
  });

  it('a mention without a word is answered with one word to its person', async () => {
    const { again } = await three.thrice(() => slack.user('Ana').mention('wordless', ''));
    const told = () => slack.user('Ana').told('wordless');
    await eventually(() => expect(told()).toHaveLength(1));
    await again();
    await three.settled();
    expect(told()).toEqual(['Tell me what you would like done, in the same message.']);
  });

  describe('while it works', () => {
    /** Says `words` about a message that an agent works on, and lets it finish. */
    async function during<T>(
      channel: string,
      meanwhile: (thread: MessagePlace) => Promise<Deed<T>>,
    ): Promise<{ thread: MessagePlace; of: T }> {
      const held = model.replyHeld({ text: 'Looking at the build.' });
      model.reply({ text: 'Done with it.' });
      const { of: thread } = await three.thrice(() => slack.user('Ana').mention(channel, 'why is it red?'));
      await held.asked;
      const { of, again } = await meanwhile(thread);
      await again();
      held.release();
      await three.heard(thread, 'Done with it.');
      await again();
      await three.settled();
      return { thread, of };
    }

    /** What people said in the session, of which Claude was asked twice, and then of another. */
    async function said(thread: MessagePlace): Promise<string[]> {
      expect(model.requests).toHaveLength(3);
      return three.said(thread);
    }

    it('a message steers it once, and has one mark', async () => {
      const { thread, of: reply } = await during('steer', (root) =>
        three.thrice(async () => {
          const said = slack.user('Ben').reply(root, 'look at step two', { mention: true });
          await eventually(() => expect(marksOf(said)).toEqual(['eyes']));
          return said;
        }),
      );
      expect(await said(thread)).toEqual(['why is it red?', 'look at step two']);
      await eventually(() => expect(marksOf(reply)).toEqual([]));
      const marked = three
        .calls('reactions.add', 'reactions.remove')
        .filter(({ args }) => args['timestamp'] === reply.ts);
      expect(marked.map(({ method }) => method)).toEqual(['reactions.add', 'reactions.remove']);
    });

    const marksOf = ({ channel, ts }: MessagePlace) => [
      ...(messageAt(slack.workspace, channel, ts)?.reactions?.keys() ?? []),
    ];

    it('a message that is changed is told once', async () => {
      const { thread } = await during('edit', (root) =>
        three.thrice(async () => {
          slack.user('Ana').edit(root, `<@${slack.workspace.bot_user_id}> why is it blue?`);
          await eventually(async () => expect(await three.said(root)).toHaveLength(2));
        }),
      );
      expect(await said(thread)).toEqual([
        'why is it red?',
        expect.stringMatching(/changed this message.*why is it blue/s),
      ]);
    });

    it('a message that is deleted is taken back once', async () => {
      const { thread } = await during('delete', async (root) => {
        const reply = slack.user('Ben').reply(root, 'look at step two', { mention: true });
        await eventually(async () => expect(await three.said(root)).toHaveLength(2));
        return three.thrice(async () => {
          slack.user('Ben').deletes(reply);
          await eventually(async () => expect(await three.said(root)).toHaveLength(3));
        });
      });
      expect((await said(thread)).slice(1)).toEqual([
        'look at step two',
        expect.stringContaining('took this message back'),
      ]);
    });

    it('Stop interrupts it once', async () => {
      const held = model.replyHeld({ text: 'Looking at the build.' });
      const { of: thread } = await three.thrice(() => slack.user('Ana').mention('stop', 'why is it red?'));
      await held.asked;
      const { again } = await three.thrice(() => slack.user('Ben').stop(thread));
      await eventually(async () => expect((await three.log(thread)).at(-1)?.event.type).toBe('session.status_idle'));
      held.release();
      await again();
      await three.settled();
      expect(await three.events(thread, 'user.interrupt')).toHaveLength(1);
      expect(await three.events(thread, 'session.status_idle')).toHaveLength(1);
      expect(slack.user('Ben').told('stop')).toEqual([]);
    });
  });

  it('a Stop where nothing runs is answered once', async () => {
    const thread = slack.user('Ben').says('nothing', 'hello');
    const { again } = await three.thrice(() => slack.user('Ben').stop(thread));
    await eventually(() => expect(slack.user('Ben').told('nothing')).toHaveLength(1));
    await again();
    await three.settled();
    expect(slack.user('Ben').told('nothing')).toEqual(['Nothing is running here.']);
  });

  it('a message that becomes a mention begins one session', async () => {
    const { of: thread } = await three.thrice(() => slack.user('Ana').says('late', 'how many?'));
    model.reply({ text: 'Forty-three.' });
    const { again } = await three.thrice(() =>
      slack.user('Ana').edit(thread, `<@${slack.workspace.bot_user_id}> how many?`),
    );
    await three.heard(thread, 'Forty-three.');
    await again();
    await three.settled();
    expect(three.count(thread, 'Forty-three.')).toBe(1);
    expect(await three.said(thread)).toEqual(['how many?']);
    expect(model.requests).toHaveLength(2);
  });

  /** Every gateway that hears of it draws the tab, as it is: Slack shows the one that was drawn last, and all say the same. */
  it('the Home tab that somebody opens stands there, and says nothing anywhere else', async () => {
    const dora = slack.user('Dora');
    const { again } = await three.thrice(() => dora.opensHome());
    await eventually(() => expect(JSON.stringify(dora.home())).toContain('This month'));
    await again();
    await three.settled();
    const tab = JSON.stringify(dora.home());
    expect(tab).toContain('Create an agent');
    expect(tab).not.toContain('cannot be read');
    expect(slack.workspace.messages.filter(({ ephemeral_to }) => ephemeral_to === dora.user.id)).toEqual([]);
    expect(
      [...slack.workspace.channels.values()].filter(({ members, kind }) => kind === 'im' && members.has(dora.user.id)),
    ).toHaveLength(1);
    const homes = three.gateways[0]?.context.db.collection('slack_homes');
    expect(await homes?.countDocuments({ user_id: dora.user.id })).toBe(1);
  });

  /** Slack sends both of one uninstall, in any order, and may send either late: when the app is there again. */
  it('an uninstall and the token that it revokes end one installation, once, and no newer one', async () => {
    const team = slack.team(`Acme${mode.toUpperCase()}`);
    const url = three.gateways[0]?.url ?? '';
    expect(await install(team, { url })).toMatchObject({ status: 200 });
    model.reply({ text: 'Hello, Acme.' });
    const thread = team.user('Eve').mention('ops', 'hello');
    await eventually(() => expect(team.transcript(thread)).toContain('Hello, Acme.'));
    const gone = () =>
      three.warnings.filter(({ msg }) => String(msg).startsWith('slack app is not installed here any more'));
    expect(gone()).toEqual([]);
    const { again } = await three.thrice(() => team.uninstall());
    await eventually(() => expect(gone()).toMatchObject([{ tenant: team.workspace.team_id }]));
    await three.settled();
    expect(gone()).toHaveLength(1);

    expect(await install(team, { url })).toMatchObject({ status: 200 });
    await again();
    model.reply({ text: 'Hello again, Acme.' });
    const later = team.user('Eve').mention('ops', 'hello again');
    await eventually(() => expect(team.transcript(later)).toContain('Hello again, Acme.'));
    expect(gone()).toHaveLength(1);
  });
});
