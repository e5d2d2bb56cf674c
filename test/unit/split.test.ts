import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fenceAtEnd } from '../../src/chat/markdown-lines.ts';
import { cutsToGoOn, splitMarkdown as split, splitPieces } from '../../src/chat/split.ts';
import { cases } from '../support/cases.ts';

const LONE_SURROGATE = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/;

/** Markdown as an agent writes it, and as it never should. */
const markdown = fc
  .array(
    fc.oneof(
      fc.lorem({ mode: 'sentences', maxCount: 4 }),
      fc.lorem({ mode: 'sentences', maxCount: 8 }).map((text) => `${text}\n\n`),
      fc
        .tuple(fc.constantFrom('```ts', '```', '~~~~sh', '  ```json'), fc.lorem({ maxCount: 40 }))
        .map(([open, code]) => `\n${open}\n${code.replaceAll(' ', '\n')}\n${/[`~]+/.exec(open)?.[0]}\n`),
      fc.constantFrom(
        '```js\nunclosed\n',
        '```',
        '| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n',
        '👩‍👩‍👧‍👦'.repeat(20),
      ),
      fc.string({ unit: 'grapheme', maxLength: 200 }),
      fc.webUrl().map((url) => `[see here](${url}) `),
      fc.constantFrom('x'.repeat(150), '\n', '\r\n', '   '),
    ),
    { maxLength: 25 },
  )
  .map((parts) => parts.join(''));

describe('split', () => {
  it('keeps every part within the limit', () => {
    fc.assert(
      fc.property(markdown, fc.integer({ min: 40, max: 400 }), (text, limit) => {
        for (const part of split(text, limit)) expect(part.length).toBeLessThanOrEqual(limit);
      }),
      cases(500),
    );
  });

  it('loses and adds nothing but fences', () => {
    fc.assert(
      fc.property(markdown, fc.integer({ min: 40, max: 400 }), (text, limit) => {
        const pieces = splitPieces(text, limit);
        expect(pieces.map((piece) => piece.body).join('')).toBe(text);
        for (const { prefix, suffix } of pieces) {
          expect(prefix).toMatch(/^([ \t]*(`{3,}|~{3,})[^\n]*\n)?$/);
          expect(suffix).toMatch(/^(\n?[ \t]*(`{3,}|~{3,}))?$/);
        }
      }),
      cases(500),
    );
  });

  it('leaves no fence open and no surrogate alone', () => {
    fc.assert(
      fc.property(markdown, fc.integer({ min: 40, max: 400 }), (text, limit) => {
        for (const part of split(text, limit)) {
          expect(fenceAtEnd(part)).toBeNull();
          expect(part).not.toMatch(LONE_SURROGATE);
        }
      }),
      cases(500),
    );
  });

  it('leaves a text that fits as it is', () => {
    expect(split('Hello.', 100)).toEqual(['Hello.']);
    expect(split('', 100)).toEqual(['']);
  });

  it('cuts between paragraphs rather than lines, lines rather than sentences, sentences rather than words', () => {
    const paragraph = `${'word '.repeat(10).trim()}.`;
    expect(split(`${paragraph}\n\n${paragraph}\n\n${paragraph}`, 120)).toEqual([
      `${paragraph}\n\n${paragraph}\n\n`,
      paragraph,
    ]);
    expect(split(`${paragraph}\n${paragraph}\n${paragraph}`, 120)).toEqual([`${paragraph}\n${paragraph}\n`, paragraph]);
    expect(split(`${paragraph} ${paragraph} ${paragraph}`, 120)).toEqual([`${paragraph} ${paragraph} `, paragraph]);
    expect(split('alpha beta gamma delta epsilon zeta eta theta', 40)).toEqual([
      'alpha beta gamma delta epsilon zeta eta ',
      'theta',
    ]);
  });

  it('closes a fence it has to cut and opens it again with its language', () => {
    const code = Array.from({ length: 12 }, (_, line) => `console.log(${line});`).join('\n');
    const parts = split(`\`\`\`ts\n${code}\n\`\`\``, 120);
    expect(parts.length).toBeGreaterThan(1);
    for (const part of parts) {
      expect(part.startsWith('```ts\n')).toBe(true);
      expect(part.endsWith('```')).toBe(true);
    }
  });

  it('moves a fence that fits as a whole to the next message', () => {
    const text = `${'Some words before it. '.repeat(4)}\n\n\`\`\`sh\n${'echo hello\n'.repeat(5)}\`\`\`\n`;
    const parts = split(text, 130);
    expect(parts[1]).toMatch(/^```sh\n(echo hello\n){5}```\n$/);
  });

  it('keeps a link and a table whole where they fit', () => {
    const link = '[the report of last week](https://example.com/reports/2026-11?a=1)';
    expect(split(`${'word '.repeat(12)}${link} and more words after it`, 80).some((part) => part.includes(link))).toBe(
      true,
    );
    const table = '| name | size |\n|---|---|\n| a | 1 |\n| b | 2 |\n';
    const parts = split(`${'word '.repeat(12)}\n${table}after`, 80);
    expect(parts.some((part) => part.includes(table))).toBe(true);
  });

  it('never cuts a family in two where there is room', () => {
    const family = '👩‍👩‍👧‍👦';
    for (const part of split(family.repeat(30), 50)) expect(part.replaceAll(family, '')).toBe('');
  });

  it('keeps the first parts of a growing text', () => {
    const text = Array.from({ length: 200 }, (_, n) => `Sentence number ${n} of a long answer.`).join(' ');
    const first = split(text.slice(0, 1_500), 500)[0];
    expect(split(text, 500)[0]).toBe(first);
  });
});

describe('a text that goes on in a new message before its last one is full', () => {
  it('keeps its messages as they were, and all of its words', () => {
    fc.assert(
      fc.property(markdown, markdown, fc.integer({ min: 40, max: 400 }), (text, more, limit) => {
        const cuts = cutsToGoOn(text, limit, []);
        fc.pre(cuts !== null);
        const before = split(text, limit);
        const after = split(text + more, limit, cuts ?? []);
        // All but the last stay, and that goes on in one more.
        expect(after.slice(0, before.length - 1)).toEqual(before.slice(0, -1));
        expect(after.length).toBeGreaterThan(before.length);
        expect(splitPieces(text + more, limit, cuts ?? []).map(({ body }) => body)).toEqual(
          expect.arrayContaining([text.slice((cuts ?? []).at(-2) ?? 0, (cuts ?? []).at(-1))]),
        );
        expect(
          splitPieces(text + more, limit, cuts ?? [])
            .map(({ body }) => body)
            .join(''),
        ).toBe(text + more);
      }),
      cases(500),
    );
  });

  it.each([
    ['its last paragraph', 'One.\n\nTwo.\n\nThree', 'Three'],
    ['its last line', '- one\n- two\n- three', '- three'],
    ['what follows its code', '```\na\n\nb\n```\nand', 'and'],
    ['what stands before its code', 'One.\n\n```\na\n\nb', '```\na\n\nb'],
    ['what stands before its table', 'One.\n\n| a |\n| - |\n| 1', '| a |\n| - |\n| 1'],
    ['the last whole line of its code', '```\na\nb\n\nc\nd', 'c\nd'],
    ['the last line of its code and what ends it', '```\na\nb\n```\n', 'b\n```\n'],
    ['the last whole row of its table', '| a |\n| - |\n| 1 |\n| 2 |\n| 3', '| 2 |\n| 3'],
  ])('begins with %s there', (_what, text, last) => {
    expect(text.slice(cutsToGoOn(text, 400, [])?.at(-1))).toBe(last);
  });

  it('goes on as code in its code, and with the header in its table', () => {
    const parts = (text: string) => split(text, 400, cutsToGoOn(text, 400, []) ?? []);
    expect(parts('```ts\na\nb\nc')).toEqual(['```ts\na\n```', '```ts\nb\nc\n```']);
    const table = '| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n';
    expect(parts(table)).toEqual(['| a | b |\n|---|---|\n| 1 | 2 |\n', '| a | b |\n|---|---|\n| 3 | 4 |\n']);
    const twice = [...(cutsToGoOn(table, 400, []) ?? [])];
    const longer = `${table}| 5 | 6 |\n`;
    expect(split(longer, 400, cutsToGoOn(longer, 400, twice) ?? []).at(-1)).toBe('| a | b |\n|---|---|\n| 5 | 6 |\n');
  });

  it.each(['One', 'One.\n\n', '```\na\n\nb', '```\na\n```\n', '| a |\n| - |\n| 1 |\n', '| a |\n| - |\n| 1'])(
    'does not where it is one piece: %j',
    (text) => {
      expect(cutsToGoOn(text, 400, [])).toBeNull();
    },
  );
});
