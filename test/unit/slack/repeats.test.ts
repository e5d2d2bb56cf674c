import { describe, expect, it } from 'vitest';
import { withoutRepeats } from '../../../connectors/slack/repeats.ts';

describe('what an app says in its text, its blocks and its attachments', () => {
  it('is told once where the text is the beginning of a block', () => {
    expect(withoutRepeats('Build *failed*…', ['Build failed on main', 'by Ana'], [])).toEqual([
      'Build failed on main',
      'by Ana',
    ]);
  });

  it('is told whole where an attachment says more than the text', () => {
    expect(withoutRepeats('Deployed.', [], ['Deployed.', 'Version 3'])).toEqual(['Deployed.', 'Version 3']);
  });

  it('compares links by their labels', () => {
    expect(withoutRepeats('See <https://x.example|the log>', ['See [the log](https://x.example)'], [])).toEqual([
      'See <https://x.example|the log>',
    ]);
  });

  // These would take minutes if a pattern began again at each bracket, or all were compared with all.
  it.each([
    ['brackets', '['.repeat(500_000)],
    ['brackets with labels', '[1, '.repeat(100_000)],
    ['angles', '<a|'.repeat(150_000)],
    ['colons', ':a'.repeat(200_000)],
  ])('is told as it stands where it is half a megabyte of %s', (_what, text) => {
    const attached = Array.from({ length: 20 }, () => text.slice(0, 7_000));
    expect(withoutRepeats(text, [text], attached)).toEqual([text, text, ...attached]);
  });

  it.each(['[', '[1, ', '<a|', ':a', '[a](b'])('is looked at once, and not again from each %j', (part) => {
    const attached = Array.from({ length: 300 }, (_, n) => `${part.repeat(20)}${n}`);
    expect(withoutRepeats(part.repeat(2_000), [], attached).length).toBeGreaterThan(0);
  });
});
