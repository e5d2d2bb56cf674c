import { describe, expect, it } from 'vitest';
import { visible } from '../../src/chat/visible.ts';

describe('what people are asked about', () => {
  it.each([
    ['a change of direction', 'rm \u202Etxt.a\u202C', 'rm ⟨U+202E⟩txt.a⟨U+202C⟩'],
    ['a space without width', 'rm -rf build\u200B/', 'rm -rf build⟨U+200B⟩/'],
    ['a carriage return', 'curl evil.test\rls', 'curl evil.test⟨U+000D⟩ls'],
    ['an escape sequence', '\u001B[8mhidden', '⟨U+001B⟩[8mhidden'],
    ['a tag that is no letter', 'ls \u{E0041}', 'ls ⟨U+E0041⟩'],
  ])('shows %s', (_what, text, shown) => {
    expect(visible(text)).toBe(shown);
  });

  it('is as it is otherwise', () => {
    const text = 'echo "Grüße, 世界 😀"\n\tls -l # <!channel>';
    expect(visible(text)).toBe(text);
  });
});
