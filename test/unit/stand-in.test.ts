import { describe, expect, test } from 'vitest';
import { type ModelRequest } from '../../src/embedded/messages-api.ts';
import { STAND_IN_EXAMPLES, standInAnswer } from '../../src/embedded/model.ts';

const tools = [{ name: 'bash' }];

function asked(text: string, over: Partial<ModelRequest> = {}): ModelRequest {
  const content = [
    { type: 'text' as const, text: '<sender name="Ana" id="web:ana"/>' },
    { type: 'text' as const, text },
  ];
  return { model: 'm', tools, messages: [{ role: 'user', content }], ...over };
}

function after(text: string, is_error = false): ModelRequest {
  const content = [
    { type: 'tool_result' as const, tool_use_id: 't', is_error, content: [{ type: 'text' as const, text }] },
  ];
  return {
    model: 'm',
    tools,
    messages: [...asked('x').messages, { role: 'assistant', content: 'y' }, { role: 'user', content }],
  };
}

describe('the stand-in', () => {
  test('says what it is in its first answer, and only there', () => {
    expect(standInAnswer(asked('hello'))).toMatchObject({ text: expect.stringContaining('not Claude') });
    const later = asked('write a haiku');
    later.messages.unshift({ role: 'user', content: 'hi' }, { role: 'assistant', content: 'hello' });
    expect(JSON.stringify(standInAnswer(later))).not.toContain('not Claude');
  });

  test.each([
    ['run `ls -la` please', 'ls -la'],
    ['run uname -a', 'uname -a'],
    ['please deploy', 'mkdir -p build && rm -rf build && echo "deployed"'],
  ])('makes a call of %s', (text, command) => {
    expect(standInAnswer(asked(text))).toMatchObject({ tool_uses: [{ name: 'bash', input: { command } }] });
  });

  test('calls nothing that it was not offered', () => {
    expect(standInAnswer(asked('run `ls`', { tools: [] }))).not.toHaveProperty('tool_uses');
  });

  test('reports output in a fence that the output cannot close, a failure as one, and a denial with respect', () => {
    expect(standInAnswer(after('a ``` b'))).toMatchObject({ text: 'Done. It printed:\n\n````\na ``` b\n````' });
    expect(standInAnswer(after('boom', true))).toMatchObject({ text: expect.stringContaining('did not work') });
    expect(standInAnswer(after('Denied by Ana: no', true))).toMatchObject({
      text: expect.stringContaining('will not do it'),
    });
  });

  test('keeps the promises of the examples on the page', () => {
    const answers = STAND_IN_EXAMPLES.map(({ prompt }) => 'tool_uses' in standInAnswer(asked(prompt)));
    expect(answers).toEqual([false, true, true, true]);
  });
});
