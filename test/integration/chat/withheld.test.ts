import { beforeEach, describe, expect, it } from 'vitest';
import { createCursorStore } from '../../../src/chat/delivery-cursor.ts';
import { asks, decided, ends, errs, replied, returns, says, uses } from '../../support/chat-events.ts';
import type { NewEvent } from '../../support/chat-stage.ts';
import { eventually } from '../../support/eventually.ts';
import { useLiveStage } from '../../support/use-live-stage.ts';

const live = useLiveStage();
const WHY = 'The disk is full, so I run `rm -rf build` next.';
const INSTEAD = '*What I say before a step that needs approval is not shown here: commands are private.*';
const ben = { via: 'test', id: 'U_BEN', name: 'Ben' };

/** Everything that anybody could have read there at any time. */
const everRead = () => JSON.stringify(live.platform.messages);

function setPrivate(isPrivate: boolean): Promise<unknown> {
  const which: { _id: string } = { _id: live.ref.session_id };
  const $set = { 'approval_policy.private_detail': isPrivate };
  return live.stage.db.collection<{ _id: string }>('sessions').updateOne(which, { $set });
}

beforeEach(() => setPrivate(true));

/** As the turn's one append. */
const asking = (id: string): NewEvent[] => [
  replied('tool_use', [id]),
  says(WHY, `sevt_m_${id}`),
  ...asks(`appr_${id}`, id, { private_detail: true }),
];

describe('where commands are private, what the agent says in a reply that asks', () => {
  it('is a line that tells nothing, and what it says in any other is there', async () => {
    live.gateway();
    await live.stage.append(live.ref, replied('tool_use', ['sevt_ls']), says('I look first.'), uses('sevt_ls'));
    await live.stage.append(live.ref, returns('sevt_ls'), ...asking('sevt_rm'));
    const question = '[pending] Use the tool bash.';
    await live.shows(['I look first.', INSTEAD, question]);
    await live.stage.append(
      live.ref,
      decided('appr_sevt_rm', 'sevt_rm', 'allowed', ben),
      returns('sevt_rm'),
      replied('end_turn'),
      says('There is room again.'),
      ends(),
    );
    await live.shows(['I look first.', INSTEAD, '[allowed by Ben] Use the tool bash.', 'There is room again.']);
    expect(everRead()).not.toContain('rm -rf');
    expect(everRead()).not.toContain('disk');
  });

  it('never grows there: nothing does before it is whole', async () => {
    live.gateway();
    await live.begun();
    expect(await live.starts('sevt_m_sevt_rm')).toBeGreaterThan(0);
    await live.grows('sevt_m_sevt_rm', WHY);
    // As long as a text needs that may grow, and longer.
    for (const word of ['One.', 'Two.', 'Three.']) {
      await live.stage.append(live.ref, errs(word, 'retrying'));
      await eventually(() => expect(live.platform.calls).toContain(`status ${word} Trying again…`));
    }
    await live.stage.append(live.ref, ...asking('sevt_rm'));
    await live.shows([INSTEAD, '[pending] Use the tool bash.']);
    expect(live.platform.calls).not.toContain('post text live');
    expect(everRead()).not.toContain('rm -rf');
  });

  it('stays withheld where another gateway goes on between the reply and its message', async () => {
    await live.stage.append(live.ref, ...asking('sevt_rm'));
    const [message] = await live.stage.entries('agent.message');
    const cursors = createCursorStore(live.stage.db);
    const { session_id, workspace_id } = live.ref;
    const lease = await cursors.acquire(session_id, workspace_id, 'gateway_1', 60_000);
    if (lease === null || message === undefined) throw new Error('Nothing to go on from');
    await cursors.advance(lease, message.seq - 1);
    await cursors.release(lease);
    await live.gateway('gateway_2').sweepNow();
    await live.shows([INSTEAD, '[pending] Use the tool bash.']);
    expect(everRead()).not.toContain('rm -rf');
  });

  it.each<[string, NewEvent[], string]>([
    [
      'asks nobody, because it was approved for the session',
      [replied('tool_use', ['sevt_1']), says(WHY), reused('sevt_1', { type: 'always_ask' })],
      INSTEAD,
    ],
    [
      'would have asked under the auto policy',
      [
        replied('tool_use', ['sevt_1']),
        says(WHY),
        reused('sevt_1', { type: 'auto', evaluated_permission: { type: 'ask', reason_code: 'indeterminate' } }),
      ],
      INSTEAD,
    ],
    [
      'asks in its second call',
      [replied('tool_use', ['sevt_1', 'sevt_2']), says(WHY), uses('sevt_1'), asked('sevt_2')],
      INSTEAD,
    ],
    ['has a call that is not in the log', [replied('tool_use', ['sevt_1']), says(WHY)], INSTEAD],
    [
      'was stopped before it came to a call',
      [replied(null), says(WHY)],
      '*What I was saying when I was stopped is not shown here: commands are private.*',
    ],
    ['has no reply before it', [says(WHY)], INSTEAD],
    ['runs what nobody is asked for', [replied('tool_use', ['sevt_1']), says(WHY), uses('sevt_1')], WHY],
    ['is an answer', [replied('end_turn'), says(WHY)], WHY],
  ])('is treated so when it %s', async (_when, events, shown) => {
    live.gateway();
    await live.stage.append(live.ref, ...events);
    await live.shows([shown]);
    expect(everRead().includes('rm -rf')).toBe(shown === WHY);
  });

  it('is all there where they are not', async () => {
    await setPrivate(false);
    live.gateway();
    await live.stage.append(live.ref, ...asking('sevt_rm'));
    await live.shows([WHY, expect.stringContaining('[pending]')]);
  });
});

type ToolUse = Extract<NewEvent, { type: 'agent.tool_use' }>;

function asked(id: string): NewEvent {
  return { ...(uses(id) as ToolUse), evaluated_permission: 'ask' };
}

function reused(id: string, evaluation: NonNullable<ToolUse['evaluation']>): NewEvent {
  return { ...(uses(id) as ToolUse), evaluation };
}
