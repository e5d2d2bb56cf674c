import type { BetaContentBlockParam, BetaMessageParam } from '@anthropic-ai/sdk/resources/beta/messages/messages';
import { expect, test } from 'vitest';
import type { ScriptedReply } from '../../../src/embedded/messages-api.ts';
import { answerOf } from '../../support/soak/claude.ts';
import { jobText } from '../../support/soak/jobs.ts';

const steps = { id: 's1m1', kind: 'steps', size: 2 } as const;
const say = { id: 's1m2', kind: 'say', size: 1 } as const;
const edit = { id: 's1m3', kind: 'edit', size: 1 } as const;

function asks(...texts: string[]): BetaMessageParam {
  return { role: 'user', content: texts.map((text) => ({ type: 'text', text })) };
}

/** The conversation after this reply, each of its calls with the same result. */
function after(
  messages: BetaMessageParam[],
  reply: ScriptedReply,
  result: string,
  is_error = false,
): BetaMessageParam[] {
  const uses = reply.tool_uses ?? [];
  const said: BetaContentBlockParam[] = [
    { type: 'text', text: reply.text ?? '' },
    ...uses.map((use) => ({ type: 'tool_use' as const, id: use.id ?? '', name: use.name, input: use.input })),
  ];
  const results = uses.map((use): BetaContentBlockParam => {
    return { type: 'tool_result', tool_use_id: use.id ?? '', content: [{ type: 'text', text: result }], is_error };
  });
  return [...messages, { role: 'assistant', content: said }, { role: 'user', content: results }];
}

function commandOf(reply: ScriptedReply): string {
  return JSON.stringify(reply.tool_uses?.map((use) => use.input));
}

test('whoever asks the same conversation again gets the same next call', () => {
  const messages = [asks(jobText(steps))];
  expect(commandOf(answerOf(messages))).toBe(commandOf(answerOf(messages)));
});

test('a job goes on step by step to its end, and what came meanwhile follows', () => {
  let messages = [asks(jobText(steps))];
  const first = answerOf(messages);
  expect(commandOf(first)).toContain('s1m1.1.1');
  messages = after(messages, first, 'ok');
  messages.push(asks(jobText(say)));
  const second = answerOf(messages);
  expect(commandOf(second)).toContain('s1m1.2.1');
  expect(answerOf(after(messages, second, 'ok'))).toEqual({ text: 'done (s1m1)\n\ndone (s1m2)' });
});

test('a lost call is looked after before it is made again, with a line of its own', () => {
  let messages = [asks(jobText({ ...steps, size: 1 }))];
  messages = after(messages, answerOf(messages), 'The worker that ran this call was lost', true);
  const look = answerOf(messages);
  expect(commandOf(look)).toContain("grep -cxF 's1m1.1.1'");
  expect(answerOf(after(messages, look, '1')).text).toBe('done (s1m1)');
  expect(commandOf(answerOf(after(messages, look, '0')))).toContain('s1m1.1.2');
});

test('an edit that people deny is not made again', () => {
  let messages = [asks(jobText(edit))];
  messages = after(messages, answerOf(messages), 'ok');
  const change = answerOf(messages);
  expect(change.tool_uses?.[0]?.name).toBe('edit');
  expect(answerOf(after(messages, change, 'Denied by Cara.', true)).text).toBe('done (s1m3) (denied)');
});

test('what is done is not done again', () => {
  const messages: BetaMessageParam[] = [
    asks(jobText(say)),
    { role: 'assistant', content: [{ type: 'text', text: 'done (s1m2)' }] },
    asks('thanks'),
  ];
  expect(answerOf(messages)).toEqual({ text: 'There is nothing to do.' });
});
