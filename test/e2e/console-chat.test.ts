import { describe, expect, it } from 'vitest';
import { useConsoleStage } from '../support/console-stage.ts';
import { eventually } from '../support/eventually.ts';

const stage = useConsoleStage();

describe('a conversation on the page', () => {
  it('is sent, worked on, streamed and read, and looks the same after a reload at any moment', async () => {
    const ana = await stage.enter('Ana');
    await ana.say('How big is the repository?');
    const key = await stage.keyOf(ana);
    await ana.message('How big is the repository?').waitFor();
    expect(stage.crew.messages.map((message) => message.text)).toEqual(['How big is the repository?']);

    await stage.crew.status(key, 'Running a command…');
    await ana.status.filter({ hasText: 'Running a command…' }).waitFor();
    await ana.stop.waitFor();
    const change = await stage.crew.activity(key, { detail: 'du -sh .', output: '' });
    await ana.activities.waitFor();
    expect(await ana.activities.getAttribute('data-status')).toBe('running');
    await change({ output: 'counting objects\n41 %\n' });
    await ana.activities.getByText('41 %').waitFor();
    await ana.page.reload();
    await ana.status.filter({ hasText: 'Running a command…' }).waitFor();
    await ana.activities.getByText('41 %').waitFor();
    await change({ status: 'done', output: '212M\t.' });
    await ana.page.locator('[data-testid=activity][data-status=done]').waitFor();
    await ana.activities.getByRole('button', { name: /Run a command/ }).click();
    await ana.activities.getByRole('group', { name: 'Output' }).filter({ hasText: '212M' }).waitFor();

    const reply = await stage.crew.stream(key, 'It is **212');
    await reply.more(' MB** on');
    await ana.message('212 MB on').waitFor();
    await ana.page.reload();
    await ana.message('212 MB on').waitFor();
    await reply.more(' disk.\n\n```sh\n');
    await reply.end('du -sh .\n```\n');
    await stage.crew.status(key, null);
    await ana.page.getByRole('group', { name: 'Code, sh' }).filter({ hasText: 'du -sh .' }).waitFor();
    await ana.status.waitFor({ state: 'hidden' });
    await ana.stop.waitFor({ state: 'hidden' });

    const before = await ana.transcript();
    expect(before).toHaveLength(3);
    await ana.page.reload();
    await ana.message('212 MB on').waitFor();
    expect(await ana.transcript()).toEqual(before);
  });

  it('never takes back a word while a text is streaming', async () => {
    const ana = await stage.enter('Ana');
    await ana.say('Count for me');
    const key = await stage.keyOf(ana);
    const reply = await stage.crew.stream(key, 'Counting:');
    const text = ana.message('Counting:').locator('.text');
    await text.waitFor();
    await text.evaluate((element) => {
      let longest = 0;
      const shrinks: string[] = [];
      const look = () => {
        const length = element.textContent?.length ?? 0;
        if (length < longest) shrinks.push(`${longest} -> ${length}`);
        longest = length;
      };
      new MutationObserver(look).observe(element, { subtree: true, childList: true, characterData: true });
      Object.assign(window, { shrinks });
    });
    for (let n = 1; n <= 150; n += 1) await reply.more(` ${n},`);
    await reply.end(' done.');
    await ana.message(/149, 150, done\./).waitFor();
    expect(await ana.page.evaluate(() => (window as unknown as { shrinks: string[] }).shrinks)).toEqual([]);
    expect(await ana.message('Counting:').getAttribute('data-live')).toBe('false');
  });

  it('stops by the button and by Escape', async () => {
    const ana = await stage.enter('Ana');
    stage.crew.answers = { effect: 'accepted', text: 'Stopping after this step.' };
    await ana.say('Work forever');
    const key = await stage.keyOf(ana);
    await stage.crew.status(key, 'Thinking…');
    await ana.stop.click();
    await ana.page.getByText('Stopping after this step.').waitFor();
    await ana.composer.press('Escape');
    await eventually(() => expect(stage.crew.stops).toHaveLength(2));
    expect(new Set(stage.crew.stops.map((stop) => stop.event_id)).size).toBe(2);
    await stage.crew.status(key, null);
    await ana.stop.waitFor({ state: 'hidden' });
    await ana.composer.press('Escape');
    await ana.say('and now?');
    await eventually(() => expect(stage.crew.messages).toHaveLength(2));
    expect(stage.crew.stops).toHaveLength(2);
  });

  it('is shared by two people, who see each other and the agent at once', async () => {
    const ana = await stage.enter('Ana Lima');
    await ana.say('Can you look at this with me, Ben?');
    const key = await stage.keyOf(ana);
    const ben = await stage.enter('Ben');
    await ben.goto(`/c/${key.thread}`);
    await ben.message('look at this with me').waitFor();
    await ben.say('Here I am');
    await ana.message('Here I am').waitFor();
    await stage.crew.say(key, 'Hello, both of you.');
    await Promise.all([ana.message('both of you').waitFor(), ben.message('both of you').waitFor()]);
    expect(stage.crew.messages.map((message) => message.sender.name)).toEqual(['Ana Lima', 'Ben']);
    expect(await ana.transcript()).toEqual(await ben.transcript());
    await ana.page.getByRole('list', { name: 'People here' }).getByText('Ben').waitFor({ state: 'attached' });

    await stage.server.connector.whisper(key, { id: 'ben', name: 'Ben' }, 'Just for you.', AbortSignal.timeout(5_000));
    await ben.message('Just for you.').waitFor();
    await stage.crew.say(key, 'Done here.');
    await ana.message('Done here.').waitFor();
    expect(await ana.message('Just for you.').count()).toBe(0);
  });

  it('keeps what was typed over a reload, and what was sent over a lost connection', async () => {
    stage.expectComplaints(/ERR_CONNECTION|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE|Failed to load resource/);
    const ana = await stage.enter('Ana');
    await ana.say('First');
    const { thread } = await stage.keyOf(ana);
    await ana.message('First').waitFor();
    await ana.composer.fill('Half a thou');
    await ana.page.reload();
    await eventually(async () => expect(await ana.composer.inputValue()).toBe('Half a thou'));

    await stage.server.drop();
    await ana.page.getByText('Connection lost. Reconnecting').waitFor();
    await ana.say('Said into the void');
    await ana.page.getByTestId('pending').filter({ hasText: 'Not sent' }).waitFor();
    await stage.server.listen();
    await ana.message('Said into the void').waitFor({ timeout: 15_000 });
    await ana.page.getByTestId('pending').waitFor({ state: 'detached' });
    await ana.page.getByText('Connection lost').waitFor({ state: 'detached' });
    expect(stage.crew.messages.map((message) => message.text)).toEqual(['First', 'Said into the void']);
    expect(stage.crew.messages.every((message) => message.conversation.thread === thread)).toBe(true);
  });

  it('shows why a message was refused', async () => {
    const ana = await stage.enter('Ana');
    stage.crew.answers = { effect: 'refused', text: 'This agent is archived.' };
    await ana.say('Hello?');
    await ana.message('Hello?').getByText('This agent is archived.').waitFor();
    await ana.page.reload();
    await ana.message('Hello?').getByText('This agent is archived.').waitFor();
  });

  it('begins with the agent that was picked and an example', async () => {
    const ana = await stage.enter('Ana');
    await ana.page.getByRole('combobox', { name: 'Agent' }).selectOption('Bosun');
    await ana.page.getByRole('button', { name: /Run a command/ }).click();
    await eventually(async () => expect(await ana.composer.inputValue()).toContain('uname -a'));
    await ana.send.click();
    await stage.keyOf(ana);
    await eventually(() => expect(stage.crew.messages[0]).toMatchObject({ usual_agent: 'agent_bosun' }));
    await ana.page.getByText('To Bosun').waitFor();
    await ana.list.getByRole('link', { name: /uname -a/ }).waitFor();
  });

  it('is found again in the list and by search', async () => {
    const ana = await stage.enter('Ana');
    for (const text of ['Rotate the certificates', 'Draft the notes']) {
      await ana.say(text);
      await ana.message(text).waitFor();
      await ana.list.getByRole('link', { name: 'New conversation', exact: true }).click();
      await ana.page.getByRole('heading', { name: /What needs doing/ }).waitFor();
    }
    await ana.page.keyboard.press('Control+k');
    await ana.page.keyboard.type('certif');
    await ana.list.getByRole('link', { name: /Draft/ }).waitFor({ state: 'detached' });
    await ana.list.getByRole('link', { name: /Rotate/ }).click();
    await ana.message('Rotate the certificates').waitFor();
    await ana.page.goBack();
    await ana.page.getByRole('heading', { name: /What needs doing/ }).waitFor();
  });
});
