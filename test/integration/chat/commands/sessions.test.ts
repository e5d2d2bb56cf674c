import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { SessionRef } from '../../../../src/session/log.ts';
import { ends, says } from '../../../support/chat-events.ts';
import { place, said } from '../../../support/chat-stage.ts';
import { commanded, give, typing } from '../../../support/commands.ts';
import { eventually } from '../../../support/eventually.ts';
import { createPlatform } from '../../../support/fake-connector.ts';
import { useChatStage } from '../../../support/use-chat-stage.ts';

const stage = useChatStage();
let type: ReturnType<typeof typing>;
let ref: SessionRef;
let id: string;

beforeEach(async () => {
  type = typing(stage);
  await stage.receiver().message(said('count to a million'));
  [ref] = (await stage.refs()) as [SessionRef];
  id = ref.session_id;
});

describe('/sessions', () => {
  it.each(['/sessions', '/sessions mine'])('%s lists one’s own', async (text) => {
    expect((await type.ana(text)).text).toMatch(new RegExp(`\`${id}\` count to a million · deckhand · running`));
    expect((await type.ben(text)).text).toContain('You have not begun one yet');
  });

  it('lists those of this channel for everybody in it', async () => {
    expect((await type.ben('/sessions here')).text).toContain(id);
    const elsewhere = { ...place, channel: 'C2', thread: 'C2' };
    expect((await type.ben('/sessions here', { conversation: elsewhere })).text).toContain('Nobody has begun one here');
  });

  it('says how many of how many it lists, and how to see the rest', async () => {
    for (let n = 0; n < 12; n++) {
      const thread = { ...place, thread: `9.${n}` };
      await stage
        .receiver()
        .message(said(`count ${n}`, { conversation: thread, message_id: `9.${n}`, event_id: `Ev9.${n}` }));
    }
    const lines = (text: string | null) => (text ?? '').split('\n').filter((line) => line.startsWith('- ')).length;
    for (const command of ['/sessions mine', '/sessions here', '/agents runs deckhand']) {
      const first = (await type.ana(command)).text;
      expect(first).toContain('(1 to 10 of 13)');
      expect(first).toContain(`\`${command} 2\` shows the next.`);
      expect(lines(first)).toBe(10);
      const second = (await type.ana(`${command} 2`)).text;
      expect(second).toContain('(11 to 13 of 13)');
      expect(second).not.toContain('shows the next');
      expect(lines(second)).toBe(3);
      expect(await type.ana(`${command} 3`)).toMatchObject({
        effect: 'refused',
        text: expect.stringContaining('1 to 2'),
      });
    }
  });

  it('has a help of its own', async () => {
    expect((await type.ana('/sessions halp')).text).toContain('Did you mean `/sessions help`?');
    expect((await type.ana('/sessions help')).text).toMatch(
      /New here\? Mention me .*\nFor example: `\/sessions here`\n/,
    );
  });
});

describe('/sessions stop', () => {
  it('interrupts what runs, once, however often the command comes', async () => {
    const stop = commanded(`/sessions stop ${id}`);
    const receipts = [await stage.receiver().command(stop), await stage.receiver().command(stop)];
    expect(receipts.map(({ effect }) => effect)).toEqual(['accepted', 'duplicate']);
    expect(await stage.entries('user.interrupt')).toMatchObject([{ by: { via: 'test', id: 'U_ANA', name: 'Ana' } }]);
    expect((await type.ana(`/sessions stop ${id}`)).text).toBe('It is stopping already.');
  });

  it('says when nothing runs', async () => {
    await stage.append(ref, ends());
    expect(await type.ana(`/sessions stop ${id}`)).toEqual({ effect: 'refused', text: 'Nothing is running there.' });
  });

  it.each([
    ['/sessions stop', 'Say which session'],
    ['/sessions stop sesn_unknown', 'There is no session'],
  ])('%s is answered with what to do', async (text, words) => {
    expect(await type.ana(text)).toMatchObject({ effect: 'refused', text: expect.stringContaining(words) });
  });
});

describe('/sessions resume', () => {
  it('lets one go on that rests', async () => {
    expect((await type.ana(`/sessions resume ${id}`)).text).toBe('It is running.');
    await stage.append(ref, ends());
    expect(await type.ana(`/sessions resume ${id}`)).toEqual({ effect: 'accepted', text: 'It goes on.' });
    const asked = await stage.entries('user.message');
    expect(asked.at(-1)).toMatchObject({ by: { id: 'U_ANA' } });
    expect((await stage.log.head(ref)).owed).toBe(true);
  });
});

describe('what /sessions resume does', () => {
  it('is said in its conversation, by whom and once', async () => {
    const platform = createPlatform();
    const gateway = stage.deliverer(platform);
    onTestFinished(() => gateway.stop());
    await stage.append(ref, ends());
    const resume = commanded(`/sessions resume ${id}`, {}, 'Ada');
    const receipts = [await stage.receiver().command(resume), await stage.receiver().command(resume)];
    expect(receipts.map(({ effect }) => effect)).toEqual(['accepted', 'duplicate']);
    await stage.append(ref, says('Where was I?'));
    await eventually(() => expect(platform.texts()).toContain('Where was I?'));
    expect(platform.texts()).toEqual([expect.any(String), '(i) Resumed by Ada.', 'Where was I?']);
  });
});

describe('/sessions open', () => {
  it('says where it is, where the platform has links', async () => {
    const linkTo = (key: { thread: string }) => `https://chat.test/${key.thread}`;
    const connectors = new Map([
      ['test', { nameOf: async () => 'Ana', readable: async (x: string) => x, whisper: async () => undefined, linkTo }],
    ]);
    const receipt = await stage.receiver({ connectors }).command(commanded(`/sessions open ${id}`));
    expect(receipt.text).toContain(`(https://chat.test/${place.thread})`);
  });

  it('is closed where conversations are their people’s own', async () => {
    const page = { nameOf: async () => 'x', readable: async (x: string) => x, whisper: async () => undefined };
    const linkTo = () => '/c/conv_1';
    const connectors = new Map([['test', { ...page, linkTo, closed_conversations: true as const }]]);
    const receiver = stage.receiver({ connectors });
    expect((await receiver.command(commanded(`/sessions open ${id}`, {}, 'Ben'))).text).toContain('somebody else’s');
    expect((await receiver.command(commanded(`/sessions open ${id}`))).text).toContain('(/c/conv_1)');
    expect((await receiver.command(commanded('/sessions here'))).effect).toBe('refused');
    const runs = await receiver.command(commanded('/agents runs deckhand', {}, 'Ben'));
    expect(runs.text).not.toContain('count to a million');
  });

  it('tells a guest nothing of what is not theirs', async () => {
    await give(stage, 'Gil', 'guest');
    expect((await type.as('Gil')(`/sessions open ${id}`)).text).toContain('There is no session');
  });
});
