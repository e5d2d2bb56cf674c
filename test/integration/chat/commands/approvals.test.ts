import { beforeEach, describe, expect, it } from 'vitest';
import type { ApprovalPolicy } from '../../../../src/session/event.ts';
import { derivedId, newId } from '../../../../src/session/id.ts';
import { asks } from '../../../support/chat-events.ts';
import { place } from '../../../support/chat-stage.ts';
import { commanded, typing } from '../../../support/commands.ts';
import { useChatStage } from '../../../support/use-chat-stage.ts';

const stage = useChatStage();
let type: ReturnType<typeof typing>;

beforeEach(() => {
  type = typing(stage);
});

/** The turn of a session in a thread of `place` asks whether it may. */
async function asked(
  policy: Partial<ApprovalPolicy> = {},
  command = 'rm -rf build',
  detail = command.slice(0, 3_000),
): Promise<string> {
  const ref = await stage.session();
  const tool_use_id = newId('sevt');
  const approval_id = derivedId('appr', tool_use_id);
  const events = asks(approval_id, tool_use_id, { approvers: ['test:U_BEN'], ...policy }).map((event) => {
    if (event.type === 'agent.tool_use') return { ...event, input: { command } };
    return event.type === 'deckhand.approval_requested' ? { ...event, detail, why: 'It is in the way.' } : event;
  });
  await stage.append(ref, ...events);
  await stage.approvals.record(ref, await stage.log.read(ref));
  return approval_id;
}

async function outcomes(): Promise<unknown[]> {
  return (await stage.entries('deckhand.approval_decided')).map(({ event }) => event);
}

describe('/approvals', () => {
  it.each(['/approvals', '/approvals mine'])(
    '%s lists what waits for who asks, and says how to decide it',
    async (text) => {
      const id = await asked({ quorum: 2, for_session: 'tool' });
      const { text: listed, waiting } = await type.ben(text);
      for (const words of [
        `**Run a command that deletes files (rm)** \`${id}\``,
        '```\nrm -rf build\n```',
        '0 of 2 have approved',
        `\`/approvals approve ${id} for session\` also lets every further call of this tool run without asking`,
        '`/approvals deny <id> <why>`',
      ]) {
        expect(listed).toContain(words);
      }
      expect(waiting?.approvals.map(({ card }) => card.approval_id)).toEqual([id]);
      expect((await type.ana(text)).text).toBe('Nothing waits for you.');
    },
  );

  it('says how many of how many it lists', async () => {
    for (let count = 0; count < 12; count++) await asked();
    const { text, waiting } = await type.ben('/approvals');
    expect(text).toContain('**Approvals for you to decide** (1 to 10 of 12)');
    expect(text).toContain('`/approvals mine 2` shows the next.');
    const next = await type.ben('/approvals mine 2');
    expect(next.text).toContain('(11 to 12 of 12)');
    expect(next.text).not.toContain('shows the next');
    const ids = [waiting, next.waiting].flatMap((list) => list?.approvals.map(({ card }) => card.approval_id) ?? []);
    expect(new Set(ids).size).toBe(12);
    expect((await type.ben('/approvals mine 3')).text).toBe('Nothing waits there.');
    expect((await type.ben('/approvals mine two')).effect).toBe('refused');
  });

  it('has a help of its own', async () => {
    expect((await type.ben('/approvals help')).text).toContain('- `/approvals deny <id> [why]`');
  });
});

describe('/approvals approve', () => {
  it('lets it run, once however often it comes, and counts where it was asked', async () => {
    const id = await asked({ approvers: [] });
    const elsewhere = { ...place, thread: place.channel };
    const command = commanded(`/approvals approve ${id}`, { conversation: elsewhere }, 'Ben');
    expect((await stage.receiver().command(command)).text).toBe('Approved.');
    await stage.receiver().command(command);
    expect(await outcomes()).toMatchObject([{ outcome: 'allowed', by: { via: 'test', id: 'U_BEN', name: 'Ben' } }]);
    expect((await type.ben(`/approvals approve ${id}`)).text).toContain('You already approved this');
  });

  it('lets it run for the session where the policy allows that, and only there', async () => {
    const id = await asked({ for_session: 'tool' });
    expect((await type.ben(`/approvals approve ${id} for session`)).text).toContain('without asking for the rest');
    const other = await asked();
    const refused = { effect: 'refused', text: expect.stringContaining('cannot be approved for the session') };
    expect(await type.ben(`/approvals approve ${other} for session`)).toMatchObject(refused);
    expect(await outcomes()).toHaveLength(1);
  });

  it.each([
    ['nobody', '/approvals approve', 'Say which one'],
    ['what is not known', '/approvals approve appr_unknown', 'not known here any more'],
  ])('%s is answered with what to do', async (_what, text, words) => {
    expect(await type.ben(text)).toMatchObject({ effect: 'refused', text: expect.stringContaining(words) });
  });

  it('refuses who may not decide it, and what is not understood', async () => {
    const id = await asked();
    expect((await type.ana(`/approvals approve ${id}`)).text).toContain('You may not decide this. Who may: U_BEN.');
    expect((await type.ben(`/approvals approve ${id} tomorrow`)).text).toContain('not understood');
    expect(await outcomes()).toEqual([]);
  });

  it.each([
    ['is long', {}, `echo ${'😀'.repeat(9_000)} end`],
    ['is private', { private_detail: true as const }, 'rm -rf ```build```'],
    ['is shown nowhere', {}, 'rm -rf build', ''],
  ])('wants a call that %s to be read to its end first', async (_what, policy, command, detail?: string) => {
    const id = await asked(policy, command, detail);
    const { text: listed } = await type.ben('/approvals');
    expect(listed).toContain(`\`/approvals show ${id}\``);
    expect(listed).not.toContain('rm -rf');
    expect((await type.ben(`/approvals approve ${id}`)).text).toContain('Read all of it first');
    const shown: string[] = [];
    let typed = `/approvals show ${id}`;
    for (;;) {
      const text = (await type.ben(typed)).text ?? '';
      shown.push(/\n(`{3,})\n([^]*)\n\1\n/.exec(text)?.[2] ?? '');
      typed = /`(\/approvals show \S+ \d+)` goes on/.exec(text)?.[1] ?? '';
      if (typed === '') {
        typed = /`(\/approvals approve [^`]+)` approves/.exec(text)?.[1] ?? '';
        break;
      }
      expect(text).not.toContain('read-');
    }
    expect(shown.join('')).toBe(command);
    expect((await type.ben(typed)).text).toBe('Approved.');
  });
});

describe('/approvals show', () => {
  it('says what was decided meanwhile, and which pages there are', async () => {
    const id = await asked();
    expect((await type.ben(`/approvals show ${id} 2`)).text).toBe('It has 1 page.');
    await type.ben(`/approvals deny ${id} Not on a Friday`);
    expect((await type.ben(`/approvals show ${id}`)).text).toMatch(/You already denied this .*Not on a Friday/);
    expect((await type.ana('/approvals show')).text).toContain('Say which one');
  });
});

describe('/approvals deny', () => {
  it('tells the agent why', async () => {
    const id = await asked();
    expect((await type.ben(`/approvals deny \`${id}\` Not on a Friday`)).text).toContain('Denied.');
    expect(await outcomes()).toMatchObject([{ outcome: 'denied', reason: 'Not on a Friday' }]);
    expect((await type.ben('/approvals deny')).text).toContain('Say which one');
  });
});
