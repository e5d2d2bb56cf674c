import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nextPiece } from '../../../connectors/slack/live-message.ts';
import { deliveryIdOf, fallbackText, render, TEXT_LIMIT } from '../../../connectors/slack/render.ts';
import { PostRefusedError } from '../../../src/chat/connector.ts';
import type { ApprovalCard, Outgoing } from '../../../src/chat/outgoing.ts';
import { approvalOut, planOut, textOut } from '../../support/cards.ts';
import { cases } from '../../support/cases.ts';
import { buttonLabel, buttonsOf, checkBlocks, readableText } from '../../support/slack/block-limits.ts';
import type { SlackBlock } from '../../support/slack/workspace.ts';

/** As they arrive at Slack. */
function sent(outgoing: Parameters<typeof render>[0]): SlackBlock[] {
  const blocks: SlackBlock[] = JSON.parse(JSON.stringify(render(outgoing, '5.1').blocks));
  return blocks;
}

describe('rendering for Slack', () => {
  it('keeps the delivery id where it can be read back', () => {
    expect(deliveryIdOf(render(textOut('dlv_1', 'hi'), '5.1').metadata)).toBe('dlv_1');
    expect(deliveryIdOf({ event_type: 'other', event_payload: { delivery_id: 'dlv_1' } })).toBeNull();
    expect(deliveryIdOf(undefined)).toBeNull();
  });

  it('sends markdown as it is', () => {
    const markdown = '# Title\n\n**bold** `code` <b>&amp;\n\n```sh\nrm -rf x\n```';
    expect(sent(textOut('dlv_1', markdown))).toEqual([{ type: 'markdown', text: markdown }]);
  });

  it('rings nobody’s bell', () => {
    const harmless = '<!DOCTYPE html> List<@NonNull String> <#!fish>';
    const [block] = sent(textOut('dlv_1', `<!channel> <!HERE> <!subteam^S1> <@U1> <@W1|Ana> <#C1> ${harmless}`));
    expect(block?.text).toBe(`‹!channel> ‹!HERE> ‹!subteam^S1> ‹@U1> ‹@W1|Ana> ‹#C1> ${harmless}`);
    expect(render(textOut('dlv_1', '<!channel>'), '5.1').text).toBe('&lt;!channel&gt;');
  });

  it('refuses text over its limit and takes text at it, in an edit as well', () => {
    expect(() => render(textOut('dlv_1', 'x'.repeat(TEXT_LIMIT + 1)), '5.1')).toThrow(PostRefusedError);
    for (const filler of ['x', '&', '好', '<!here>']) {
      const text = filler.repeat(TEXT_LIMIT).slice(0, TEXT_LIMIT);
      checkBlocks(sent({ kind: 'notice', delivery_id: 'd', level: 'error', markdown: text, agent_name: 'A' }));
      // chat.update takes 4,000 bytes of fallback text.
      expect(Buffer.byteLength(render(textOut('dlv_1', text), '5.1').text)).toBeLessThanOrEqual(4_000);
    }
  });

  it('never sends an empty block', () => {
    checkBlocks(sent(textOut('dlv_1', ' \n', true)));
    expect(fallbackText('')).not.toBe('');
  });

  const notice: Outgoing = { kind: 'notice', delivery_id: 'd', level: 'info', markdown: 'x', agent_name: 'A' };
  it.each<[string, Outgoing, string]>([
    ['a notice', notice, 'Agent: *Code Reviewer*'],
    ['a reminder', { ...notice, called: [{ name: 'Ana' }] }, 'Agent: *Code Reviewer*  ·  For *Ana*'],
    ['a plan', planOut('d', []), 'Code Reviewer · AI'],
  ])('says which agent speaks in %s', (_kind, outgoing, words) => {
    const small = sent({ ...outgoing, agent_name: 'Code Reviewer' }).filter(({ type }) => type === 'context');
    expect(readableText(small)).toEqual([words]);
  });

  it('does not show tool calls as messages', () => {
    const activity = {
      tool_use_id: 't',
      tool_name: 'bash',
      title: 'Run',
      detail: 'ls',
      status: 'running',
      output: '',
    } as const;
    expect(() => render({ kind: 'activity', delivery_id: 'd', activity, agent_name: 'A' }, '5.1')).toThrow(
      PostRefusedError,
    );
  });
});

describe('an approval card', () => {
  const by = { id: 'U1', name: 'Ana <boss>' };
  const states: ApprovalCard['state'][] = [
    { status: 'pending', reminded: 0 },
    { status: 'pending', reminded: 3, approved_by: [by, by] },
    { status: 'allowed', by, at: '2026-11-20T10:00:00Z', reason: null, via: 'slack' },
    {
      status: 'allowed',
      by,
      at: '2026-11-20T10:00:00Z',
      reason: null,
      via: 'slack',
      approved_by: [by, by],
      for_session: 'tool',
    },
    { status: 'denied', by, at: '2026-11-20T10:00:00Z', reason: 'no\nway', via: 'console' },
    { status: 'expired', at: '2026-11-20T10:00:00Z' },
    { status: 'withdrawn', at: 'not a time' },
  ];

  it.each(states)('fits Slack’s limits whatever it carries ($status)', (state) => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 0, max: 20_000 }), (text, times) => {
        const long = (text || 'x').repeat(Math.ceil(times / (text.length || 1)));
        const card = {
          tool_name: `t${long}`,
          summary: long,
          detail: long,
          approvers: long,
          requested_by: { id: 'U', name: long },
          mentions: [{ kind: 'person' as const, id: long.slice(0, 20) }],
          quorum: 2,
          for_session: 'tool' as const,
          state,
        };
        checkBlocks(sent(approvalOut('dlv_1', card)));
      }),
      cases(30),
    );
  });

  it.each(states)('has buttons only while it can be decided ($status)', (state) => {
    const blocks = sent(approvalOut('dlv_1', { state }));
    expect(buttonsOf(blocks)).toHaveLength(state.status === 'pending' ? 2 : 0);
  });

  it('mentions approvers whom Slack knows, and at most twenty of them', () => {
    const one = (id: string, kind: 'person' | 'group' = 'person') => ({ kind, id });
    const shown = (mentions: ReturnType<typeof one>[]) =>
      readableText(sent(approvalOut('dlv_1', { approvers: 'Ana, @oncall', mentions }))).join('\n');
    expect(shown([one('U1'), one('S1', 'group')])).toContain('Who may decide: <@U1>, <!subteam^S1>');
    expect(shown([])).toContain('Who may decide: Ana, @oncall');
    expect(shown(Array.from({ length: 25 }, (_, index) => one(`U${index}`)))).toContain('<@U19> and 5 more');
  });

  it('says who has approved where several have to', () => {
    const shown = (names: string[]) => {
      const approved_by = names.map((name) => ({ id: name, name }));
      return readableText(
        sent(approvalOut('dlv_1', { quorum: 2, state: { status: 'pending', reminded: 0, approved_by } })),
      );
    };
    expect(shown([]).join('\n')).toContain('0 of 2 have approved');
    expect(shown(['<Ana>']).join('\n')).toContain('1 of 2 have approved: *&lt;Ana&gt;*');
  });

  it('shows a command exactly, backticks and markup included', () => {
    const detail = 'echo "```" && cat <in >out # <!channel> <@U1>';
    expect(readableText(sent(approvalOut('dlv_1', { detail })))).toContain(detail);
  });

  it('says how much of a long command is not shown', () => {
    const blocks = sent(approvalOut('dlv_1', { detail: 'y'.repeat(3_000) }));
    expect(readableText(blocks).join('\n')).toContain('2000 more characters: *Review* shows all of it');
    expect(buttonsOf(blocks).map(buttonLabel)).toEqual(['Review', 'Deny']);
  });

  it('is reminded of by a mention of those who may decide, and by the names of who is elsewhere', () => {
    const called = [
      { name: 'Ben', mention: { kind: 'person' as const, id: 'U_BEN' } },
      { name: '@oncall', mention: { kind: 'group' as const, id: 'S1' } },
      { name: '#C9', mention: { kind: 'channel' as const, id: 'C9' } },
      { name: '<Cara>' },
    ];
    const notice = { kind: 'notice' as const, delivery_id: 'dlv_1', level: 'info' as const, agent_name: 'Deckhand' };
    const shown = (list: typeof called) =>
      readableText(sent({ ...notice, markdown: 'A reminder.', called: list })).join('\n');
    expect(shown(called)).toContain('For <@U_BEN>, <!subteam^S1>, <#C9>, *&lt;Cara&gt;*');
    expect(shown(Array.from({ length: 25 }, () => ({ name: 'Ben' })) as typeof called)).toContain('and 5 more');
  });

  it('lets nobody’s name or reason be read as markup', () => {
    const state = { status: 'denied', by, at: '2026-11-20T10:00:00Z', reason: '<!channel>', via: 'slack' } as const;
    const shown = readableText(sent(approvalOut('dlv_1', { state }))).join('\n');
    expect(shown).toContain('Ana &lt;boss&gt;');
    expect(shown).not.toContain('<!channel>');
  });
});

describe('the pieces of a stream', () => {
  const grow = (texts: string[]) => {
    let sentText = '';
    const pieces = texts.map((text) => {
      const piece = nextPiece(sentText, text);
      sentText += piece;
      return piece;
    });
    return { pieces, sentText };
  };

  it('are whole words with the space after them', () => {
    expect(grow(['One', 'One tw', 'One two three', 'One two three\n\nfo']).pieces).toEqual([
      '',
      'One ',
      'two ',
      'three\n\n',
    ]);
  });

  it('do not starve text without spaces, and never split a pair', () => {
    const half = `${'好'.repeat(50)}🛠`.slice(0, -1);
    expect(grow([half]).pieces).toEqual(['好'.repeat(50)]);
  });

  it('always add up to a beginning of the text', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme', maxLength: 80 }), { maxLength: 8 }), (parts) => {
        const texts = parts.map((_part, index) => parts.slice(0, index + 1).join(''));
        const { sentText } = grow(texts);
        expect((texts.at(-1) ?? '').startsWith(sentText)).toBe(true);
      }),
      cases(),
    );
  });
});
