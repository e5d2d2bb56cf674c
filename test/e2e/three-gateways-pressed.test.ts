import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { readableText } from '../support/slack/block-limits.ts';
import { buttonLabels, type MessagePlace, type SlackPerson } from '../support/slack/person.ts';
import { directChannel, type SlackMessage } from '../support/slack/workspace.ts';
import { useThreeGateways } from '../support/three-gateways.ts';

const PATIENCE_MS = 20_000;
/** A command that asks, whose second run would show. */
const COUNT = { name: 'bash', input: { command: 'echo ran >> log; wc -l < log' } };
/** The same, too long for a card: it is approved where it is read. */
const LONG = { name: 'bash', input: { command: `echo ran >> log; wc -l < log # ${'x'.repeat(1_500)}` } };

/**
 * What people press, send and type. Slack delivers that once and never again, to one connection or one address; where nobody
 * answers in three seconds it shows its person that, who does it anew. So what doubles it is what stands in between: a proxy or
 * a load balancer that gives a request to another gateway when the first was slow or broke off. The promise is the same as for
 * events: it counts once, its person is told once, a modal opens once, and whichever answer Slack takes says what became of it.
 */
describe.each(['socket', 'http'] as const)('a press that three gateways are given at once (%s)', (mode) => {
  const { three, slack, model } = useThreeGateways(mode);

  /** Somebody asks for what needs a decision: the card. */
  async function asked(channel: string, call = COUNT): Promise<{ thread: MessagePlace; card: SlackMessage }> {
    model.reply({ tool_uses: [call] }, { text: 'That is over.' });
    const thread = slack.user('Ana').mention(channel, 'run it');
    const card = await eventually(() => {
      const found = slack
        .user('Ana')
        .sees(thread)
        .find((one) => buttonLabels(one).includes('Deny'));
      if (found === undefined) throw new Error(`Nothing waits:\n${slack.transcript(thread)}`);
      return found;
    }, PATIENCE_MS);
    return { thread, card };
  }

  /** It was decided once, ran once if it ran, and its person was told this and nothing else. */
  async function decidedOnce(
    { thread, card }: { thread: MessagePlace; card: SlackMessage },
    result: 'allow' | 'deny',
  ): Promise<void> {
    await three.heard(thread, 'That is over.');
    await three.settled();
    const decisions = await three.events(thread, 'user.tool_confirmation');
    expect(decisions).toMatchObject([{ result }]);
    const results = await three.events(thread, 'agent.tool_result');
    expect(results).toMatchObject([result === 'allow' ? { content: [{ text: '1' }] } : { is_error: true }]);
    expect(buttonLabels(card)).toEqual([]);
    expect(model.requests).toHaveLength(3);
  }

  /** What this person alone was told in all of this Slack. */
  function whispers({ user }: SlackPerson): string[] {
    const theirs = slack.workspace.messages.filter(({ ephemeral_to }) => ephemeral_to === user.id);
    return theirs.map(({ blocks, text }) => (blocks.length > 0 ? readableText(blocks).join('\n') : text));
  }

  /** What the bot said in their direct messages. */
  function direct({ user }: SlackPerson): string[] {
    const { id } = directChannel(slack.workspace, user.id);
    const said = slack.workspace.messages.filter((one) => one.channel === id && one.bot_id !== undefined);
    return said.map(({ blocks }) => readableText(blocks).join('\n'));
  }

  const opened = ({ user }: SlackPerson) =>
    three.calls('views.open', 'views.push').length - (openedBefore.get(user.id) ?? 0);
  const openedBefore = new Map<string, number>();
  /** Somebody of whom nothing has been told yet. */
  function somebody(name: string): SlackPerson {
    const person = slack.user(`${name} ${mode}`);
    openedBefore.set(person.user.id, three.calls('views.open', 'views.push').length);
    return person;
  }

  const words = (person: SlackPerson) => readableText(person.view()?.blocks ?? []).join('\n');
  const filled = (person: SlackPerson, what: string) =>
    eventually(() => expect(words(person)).toContain(what), PATIENCE_MS);

  it('Approve on a card decides once, and says so once', async () => {
    const ben = somebody('Ben');
    const it = await asked('approve');
    const { again } = await three.thrice(() => ben.click(it.card, 'Approve'));
    await eventually(() => expect(whispers(ben)).toHaveLength(1));
    await again();
    await decidedOnce(it, 'allow');
    expect(whispers(ben)).toEqual(['Approved.']);
  });

  it('Deny opens one modal, which denies once', async () => {
    const ben = somebody('Bea');
    const it = await asked('deny');
    const pressed = await three.thrice(() => ben.click(it.card, 'Deny'));
    await eventually(() => expect(ben.view()?.submit).toBeDefined());
    await pressed.again();
    const sent = await three.thrice(() => ben.submit({ reason: 'Not on a Friday' }));
    expect(ben.view()).toBeUndefined();
    await eventually(() => expect(whispers(ben)).toHaveLength(1));
    await sent.again();
    await decidedOnce(it, 'deny');
    expect(opened(ben)).toBe(1);
    expect(whispers(ben)).toEqual(['Denied. The agent is told why.']);
  });

  it('Review opens one modal, where Approve decides once and is answered for good', async () => {
    const ben = somebody('Bob');
    const it = await asked('review', LONG);
    const pressed = await three.thrice(() => ben.click(it.card, 'Review'));
    await filled(ben, 'wc -l');
    await pressed.again();
    const sent = await three.thrice(() => ben.pressesInModal('Approve'));
    await filled(ben, 'Approved.');
    await sent.again();
    await decidedOnce(it, 'allow');
    expect(opened(ben)).toBe(1);
    expect(words(ben)).toBe('Approved.');
    expect(whispers(ben)).toEqual([]);
  });

  it('Approve in a list of what waits decides once, and the list says so for good', async () => {
    const ben = somebody('Bill');
    const it = await asked('list');
    await three.thrice(() => ben.command('list', '/approvals', ''));
    const list = await eventually(() => {
      const [shown] = slack.workspace.messages.filter(({ ephemeral_to }) => ephemeral_to === ben.user.id);
      if (shown === undefined) throw new Error('Nothing is listed');
      return shown;
    });
    const { again } = await three.thrice(() => ben.click(list, 'Approve'));
    await eventually(() => expect(whispers(ben).join()).toContain('Approved.'));
    await again();
    await decidedOnce(it, 'allow');
    expect(whispers(ben)).toEqual(['Approved. Nothing waits for you.']);
  });

  it('Approve and Stop on the Home tab count once, and the tab says so', async () => {
    const ana = slack.user('Ana');
    const it = await asked('home');
    const tab = () => readableText(ana.home()).join('\n');
    ana.opensHome();
    await eventually(() => expect(tab()).toContain('Waiting for you'));
    const { again } = await three.thrice(() => ana.presses('Approve'));
    await eventually(() => expect(tab()).toContain('Approved.'));
    await again();
    await decidedOnce(it, 'allow');
    expect(tab()).toContain('Approved.');

    const held = model.replyHeld({ text: 'Looking at the build.' });
    const thread = ana.mention('home', 'look');
    await held.asked;
    ana.opensHome();
    await eventually(() => expect(tab()).toContain('look'), PATIENCE_MS);
    const stopped = await three.thrice(() => ana.presses('Stop'));
    await eventually(() => expect(tab()).toContain('It is being stopped.'));
    held.release();
    await stopped.again();
    await three.settled();
    expect(await three.events(thread, 'user.interrupt')).toHaveLength(1);
    expect(tab()).toContain('It is being stopped.');
    expect(whispers(ana)).toEqual([]);
  });

  it('Create an agent on the Home tab opens one modal', async () => {
    const ben = somebody('Birgit');
    ben.opensHome();
    await eventually(() => expect(readableText(ben.home()).join()).toContain('This month'));
    const { again } = await three.thrice(() => ben.presses('Create an agent'));
    await eventually(() => expect(ben.view()?.submit).toBeDefined());
    await again();
    await three.settled();
    expect(opened(ben)).toBe(1);
    // Nor is anything said instead of it.
    expect(readableText(ben.home()).join()).not.toContain(':speech_balloon:');
    expect([...whispers(ben), ...direct(ben)]).toEqual([]);
  });

  it('a rating is kept once, with one word of thanks', async () => {
    const ben = somebody('Berta');
    model.reply({ text: 'There is nothing here.' });
    const thread = slack.user('Ana').mention('rate', 'look around');
    await three.heard(thread, 'There is nothing here.');
    const answer = slack
      .user('Ana')
      .sees(thread)
      .findLast(({ bot_id }) => bot_id !== undefined);
    if (answer === undefined) throw new Error('There is no answer');
    const { again } = await eventually(() => three.thrice(() => ben.rate(answer, 'good')));
    await eventually(() => expect(whispers(ben)).toHaveLength(1));
    await again();
    await three.settled();
    expect(await three.events(thread, 'deckhand.feedback')).toMatchObject([{ rating: 'good' }]);
    expect(whispers(ben)).toEqual(['Thank you: it is kept with this session.']);
  });

  it('a command is answered once', async () => {
    const ben = somebody('Bruno');
    const { again } = await three.thrice(() => ben.command('commands', '/sessions', ''));
    await eventually(() => expect(whispers(ben)).toHaveLength(1));
    await again();
    await three.settled();
    expect(whispers(ben)).toEqual([expect.stringContaining('You have not begun one yet')]);
  });

  it('a form is drawn once, tells what is wrong in each answer, and makes one agent', async () => {
    const ben = somebody('Boris');
    const name = `Deployer ${mode}`;
    const typed = await three.thrice(() => ben.command('forms', '/agents', 'new'));
    await eventually(() => expect(ben.view()).toBeDefined());
    await typed.again();
    const wrong = await three.thrice(() => ben.submit({ name: 'deckhand' }));
    expect(wrong.of.payload).toMatchObject({ errors: { name: 'There is an agent of this name already.' } });
    await wrong.again();
    expect(ben.view()).toBeDefined();
    const sent = await three.thrice(() => ben.submit({ name }));
    expect(ben.view()).toBeUndefined();
    await eventually(() => expect(whispers(ben)).toHaveLength(1));
    await sent.again();
    await three.settled();
    expect(opened(ben)).toBe(1);
    expect(whispers(ben)).toEqual([expect.stringContaining(`**${name}** is there, and yours`)]);
    const agents = three.gateways[0]?.context.db.collection('agents');
    expect(await agents?.countDocuments({ 'config.name': name })).toBe(1);
  });

  it.each(['deckhand_ask_about', 'deckhand_ask'])(
    'the shortcut %s asks once, where all see it once',
    async (shortcut) => {
      const about = shortcut === 'deckhand_ask_about';
      const ben = somebody(about ? 'Bernd' : 'Bodo');
      const channel = `asked-${shortcut}`;
      const { id } = slack.channel(channel);
      const message = about ? slack.user('Ana').says(channel, 'the build is red') : undefined;
      const chosen = await three.thrice(() => ben.shortcut(shortcut, message));
      await eventually(() => expect(ben.view()?.submit).toBeDefined());
      await chosen.again();
      model.reply({ text: 'Because of step two.' });
      const sent = await three.thrice(() => ben.submit({ what: 'Why is it red?', ...(!about && { where: id }) }));
      const said = (text: string) => {
        const here = slack.workspace.messages.filter((one) => one.channel === id && one.bot_id !== undefined);
        return here.filter(({ blocks }) => readableText(blocks).join('\n').includes(text));
      };
      await eventually(() => expect(said('Because of step two.')).toHaveLength(1), PATIENCE_MS);
      // Outside of any channel they are told in their direct messages.
      const told = () => (about ? whispers(ben) : direct(ben));
      await eventually(() => expect(told()).toHaveLength(1));
      await sent.again();
      await three.settled();
      expect(said('Why is it red?')).toHaveLength(1);
      expect(said('Because of step two.')).toHaveLength(1);
      const [question] = said('Why is it red?');
      const thread = { channel: id, ts: message?.ts ?? question?.ts ?? '' };
      expect(await three.said(thread)).toEqual([expect.stringContaining('Why is it red?')]);
      expect(model.requests).toHaveLength(2);
      expect(opened(ben)).toBe(1);
      expect(told()).toEqual([expect.stringContaining('deckhand is asked')]);
    },
  );
});
