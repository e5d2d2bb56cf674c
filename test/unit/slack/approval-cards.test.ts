import { describe, expect, it } from 'vitest';
import { waitingMessage, waitingText } from '../../../connectors/slack/approvals-list.ts';
import { denyModal } from '../../../connectors/slack/deny-modal.ts';
import { wordsModal } from '../../../connectors/slack/open-modal.ts';
import { render } from '../../../connectors/slack/render.ts';
import { REVIEW_TITLE, reviewModal } from '../../../connectors/slack/review-modal.ts';
import type { ApprovalCard } from '../../../src/chat/outgoing.ts';
import { approvalOut, REMOVAL, waitingApproval } from '../../support/cards.ts';
import { buttonLabel, buttonsOf, checkBlocks, readableText } from '../../support/slack/block-limits.ts';
import { at, STATES } from '../../support/slack/card-states.ts';
import type { SlackBlock } from '../../support/slack/workspace.ts';

/** As it arrives at Slack, within its limits. */
async function snapshot(name: string, sent: { text?: string; blocks: unknown }): Promise<void> {
  const arrived: { blocks: SlackBlock[] } = JSON.parse(JSON.stringify(sent));
  checkBlocks(arrived.blocks);
  await expect(`${JSON.stringify(arrived, null, 2)}\n`).toMatchFileSnapshot(`../../snapshots/slack/${name}.json`);
}

describe('an approval card in Slack', () => {
  it.each(Object.entries(STATES))('%s', async (name, over) => {
    const { text, blocks } = render(approvalOut('dlv_1', over), '5.1');
    await snapshot(name, { text, blocks });
  });
});

it.each(Object.entries(STATES))('says which agent asks, also once it is decided: %s', (_name, over) => {
  const { blocks } = render({ ...approvalOut('dlv_1', over), agent_name: 'Code <Reviewer>' }, '5.1');
  const small = readableText(JSON.parse(JSON.stringify(blocks.filter(({ type }) => type === 'context'))));
  expect(small.filter((text) => text.startsWith('Agent: *Code &lt;Reviewer&gt;*'))).toHaveLength(1);
});

/** Every piece of text of the dialog behind "Approve for this session", if there is one. */
function askedFirst(blocks: unknown): string[] | undefined {
  const sent: SlackBlock[] = JSON.parse(JSON.stringify(blocks));
  const button = buttonsOf(sent).find((one) => buttonLabel(one) === 'Approve for this session');
  return button?.['confirm'] === undefined ? undefined : readableText(button['confirm']);
}

describe('what "Approve for this session" covers is asked before it counts', () => {
  const tool = expect.stringMatching(/^Not only this call: all further calls of this tool, whatever their arguments/);
  const same = expect.stringMatching(/^Not only this call: whenever the very same call comes again/);

  it.each([
    ['tool', tool],
    ['arguments', same],
  ] as const)('for %s', (for_session, covers) => {
    const dialog = ['Approve for this session?', covers, 'Approve for this session', 'Cancel'];
    expect(askedFirst(render(approvalOut('dlv_1', { for_session }), '5.1').blocks)).toEqual(dialog);
    const call = { summary: 'Run it', why: null, detail: 'make', closed: null, for_session };
    expect(
      askedFirst(reviewModal(call, { channel: 'C1', thread: '5.1', approval_id: 'appr_1', page: 0 }).blocks),
    ).toEqual(dialog);
    const list = { approvals: [waitingApproval('appr_1', { card: { for_session } })], more: 0 };
    expect(askedFirst(waitingMessage('1', list))).toEqual(dialog);
  });
});

describe('a card that shows nothing of its call', () => {
  it('has no button that approves: whoever would, reviews it first', () => {
    const { blocks } = render(approvalOut('dlv_1', { detail: '', for_session: 'tool' }), '5.1');
    expect(buttonsOf(JSON.parse(JSON.stringify(blocks))).map(buttonLabel)).toEqual(['Review', 'Deny']);
  });

  it('nor has it where it stands in a list that has no room for any of it', () => {
    const list = { approvals: [waitingApproval('appr_1', { card: { detail: '' } })], more: 0 };
    const blocks: SlackBlock[] = JSON.parse(JSON.stringify(waitingMessage('1', list)));
    expect(buttonsOf(blocks).map(buttonLabel)).toEqual(['Review', 'Deny']);
  });
});

describe('a card that names a crowd', () => {
  const long = '<&> '.repeat(100);
  const names = (count: number) => Array.from({ length: count }, (_, n) => `Person ${n} ${long}`);
  const problem = (name: string) => ({ name, why: `account deactivated ${long}` });
  const people = names(10).map((name) => ({ id: 'U_X', name }));

  it.each([
    ['nobody of whom could be asked', { elsewhere: { asked: [], not_asked: names(30).map(problem), left_out: 0 } }],
    ['some of whom could', { elsewhere: { asked: names(30), not_asked: names(30).map(problem), left_out: 9_999 } }],
    [
      'that was asked in turn, and in part approved',
      {
        quorum: 10,
        escalations: names(30).map((to) => ({ to, at })),
        state: { status: 'pending' as const, reminded: 9_999, escalated: 29, approved_by: people },
      },
    ],
  ])('%s, has what Slack takes', (_who, over) => {
    const { blocks } = render(approvalOut('dlv_1', over), '5.1');
    const sent: SlackBlock[] = JSON.parse(JSON.stringify(blocks));
    checkBlocks(sent);
    expect(readableText(sent).join('\n')).toMatch(/\d more/);
  });

  it('says how many could not be asked whom it does not name', () => {
    const not_asked = Array.from({ length: 30 }, (_, n) => ({ name: `P${n}`, why: 'gone' }));
    const { blocks } = render(approvalOut('dlv_1', { elsewhere: { asked: [], not_asked, left_out: 0 } }), '5.1');
    const text = readableText(JSON.parse(JSON.stringify(blocks))).join('\n');
    expect(text).toContain(':warning: Could not ask *P19*: gone  ·  :warning: Could not ask 10 more');
    expect(text).not.toContain('P20');
  });
});

describe('where it was asked, on a card that stands elsewhere', () => {
  it.each([
    ['another platform', { link: null }, 'Asked in another conversation, where nobody decided in time.'],
    ['its page', { link: '/c/conv_1' }, 'Asked in another conversation, where nobody decided in time.'],
    ['a direct message', { link: null, channel: 'D1' }, 'Asked in a direct message, where nobody decided in time.'],
    [
      'a channel',
      { link: 'https://x.test/p1', channel: 'C1' },
      'Asked in <#C1>, where nobody decided in time.  ·  <https://x.test/p1|Open the thread>',
    ],
  ])('is %s', (_where, about, words) => {
    const { blocks } = render(approvalOut('dlv_1', { about }), '5.1');
    expect(readableText(JSON.parse(JSON.stringify(blocks)))).toContain(`:arrow_upper_right: ${words}`);
  });
});

describe('a modal of an approval', () => {
  it('approval-deny-modal', () =>
    snapshot('approval-deny-modal', denyModal({ channel: 'C1', thread: '5.1', approval_id: 'appr_1' })));

  const memory = { channel: 'C1', thread: '5.1', approval_id: 'appr_1', page: 0 };
  const call = { summary: REMOVAL.summary, why: 'It is in the way.', detail: REMOVAL.detail, closed: null };

  it.each([
    ['approval-review-modal', { ...call, for_session: 'tool' as const }],
    ['approval-review-modal-long', { ...call, detail: `rm -rf ${'build '.repeat(3_000)}` }],
    ['approval-review-modal-closed', { ...call, closed: 'Ana already denied this on 20 November at 10:00 UTC.' }],
  ])('%s', (name, details) => snapshot(name, reviewModal(details, memory)));

  it('approval-reviewed-modal', () => snapshot('approval-reviewed-modal', wordsModal(REVIEW_TITLE, 'Approved.')));

  it.each([
    ['of one kind', '&'.repeat(100_001)],
    ['in pairs of surrogates, with one character before them', `x${'😀'.repeat(30_000)}`],
    ['of lines', 'echo <!channel>\n'.repeat(3_000)],
    ['short', 'ls'],
    ['empty', ''],
  ])('shows every character of a call %s, page by page, and approves on the last alone', (_what, detail) => {
    const shown: string[] = [];
    const long = '&'.repeat(5_000);
    for (let page = 0; ; page++) {
      const { blocks } = reviewModal(
        { summary: long, why: long, detail, closed: null, for_session: 'tool' },
        { ...memory, page },
      );
      const sent: SlackBlock[] = JSON.parse(JSON.stringify(blocks));
      checkBlocks(sent);
      shown.push(...sent.filter(({ type }) => type === 'rich_text').flatMap(readableText));
      const labels = buttonsOf(sent).map(buttonLabel);
      const isLast = !labels.includes('Next');
      expect(labels.includes('Approve')).toBe(isLast);
      expect(labels.includes('Approve for this session')).toBe(isLast);
      expect(labels.includes('Previous')).toBe(page > 0);
      expect(labels).toContain('Deny');
      if (isLast) break;
    }
    expect(shown.join('')).toBe(detail);
  });

  it('that may not be decided any more, or not by this person, has no button that decides', () => {
    const { blocks } = reviewModal(
      { ...call, detail: 'x'.repeat(30_000), closed: 'Too late.' },
      { ...memory, page: 2 },
    );
    expect(buttonsOf(JSON.parse(JSON.stringify(blocks))).map(buttonLabel)).toEqual(['Previous']);
  });
});

describe('the list of what waits', () => {
  it('approvals-list', async () => {
    const approvals = [
      waitingApproval('appr_1', { card: STATES['approval-escalating'] ?? {} }),
      waitingApproval('appr_2', {
        card: { ...STATES['approval-private'], quorum: 2 },
        conversation: { connector: 'slack', tenant: 'T1', channel: 'D0BEN', thread: '6.1' },
        link: '/c/conv_1',
      }),
    ];
    const list = { approvals, more: 4 };
    const none = { approvals: [], more: 0 };
    for (const [name, waiting] of Object.entries({ 'approvals-list': list, 'approvals-list-empty': none })) {
      const text = waitingText(waiting);
      await snapshot(name, { text, blocks: waitingMessage(text, waiting) });
    }
  });

  const long = '&'.repeat(3_000);
  const largest: Partial<ApprovalCard> = {
    tool_name: long,
    summary: long,
    why: long,
    detail: long,
    approvers: long,
    requested_by: { id: 'U', name: long },
    also_asked: Array.from({ length: 50 }, () => ({ id: 'U', name: long })),
    private_detail: true,
    for_session: 'tool',
    quorum: 10,
    escalations: Array.from({ length: 10 }, () => ({ to: long, at })),
    state: { status: 'pending', reminded: 1, approved_by: Array.from({ length: 9 }, () => ({ id: 'U', name: long })) },
  };
  const many = (count: number, card: Partial<ApprovalCard>) =>
    Array.from({ length: count }, (_, index) => waitingApproval(`appr_${index}`, { agent_name: long, card }));

  const { private_detail: _hidden, ...open } = largest;
  it.each(
    [1, 2, 3, 5, 7, 8, 9, 10].flatMap(
      (count) =>
        [
          [count, 'and private', largest],
          [count, 'and whole, for the session', { ...open, why: 'x'.repeat(150), detail: '&'.repeat(300) }],
        ] as const,
    ),
  )('fits one message with %i that are as large as they get, %s', (count, _what, card) => {
    const list = { approvals: many(count, card), more: 1 };
    for (const text of ['Approved.', 'x'.repeat(2_900)]) {
      const blocks: SlackBlock[] = JSON.parse(JSON.stringify(waitingMessage(text, list)));
      checkBlocks(blocks);
      const shown = buttonsOf(blocks).filter((button) => button.action_id === 'deckhand_deny').length;
      const said = readableText(blocks).join('\n');
      expect(said).toContain(`${count + 1 - shown} more wait`);
      if (text === 'Approved.') expect(shown).toBe(count);
      expect(shown).toBeGreaterThan(0);
    }
  });

  it('shows the beginning of a long call, says how much is missing, and offers the rest', () => {
    const list = { approvals: many(1, { detail: 'x'.repeat(1_250) }), more: 0 };
    const blocks: SlackBlock[] = JSON.parse(JSON.stringify(waitingMessage('1', list)));
    expect(readableText(blocks).join('\n')).toContain('250 more characters');
    expect(buttonsOf(blocks).map(buttonLabel)).toEqual(['Review', 'Deny']);
  });

  it.each([3, 10])('shows all that a card shows when %i wait that are of common size', (count) => {
    const card = {
      why: 'The disk is full.',
      detail: 'rm -rf build && df -h',
      expires_at: at,
      for_session: 'tool' as const,
    };
    const waiting = { approvals: many(count, card).map((one) => ({ ...one, agent_name: 'Deckhand' })), more: 0 };
    const blocks: SlackBlock[] = JSON.parse(JSON.stringify(waitingMessage('', waiting)));
    const said = readableText(blocks).join('\n');
    for (const words of [card.why, card.detail, 'Requested by *Ana*', 'it is denied', 'Open the thread']) {
      expect(said.split(words)).toHaveLength(count + 1);
    }
    const labels = buttonsOf(blocks).map(buttonLabel);
    expect(labels).toEqual(Array.from({ length: count }, () => ['Approve', 'Approve for this session', 'Deny']).flat());
  });
});
