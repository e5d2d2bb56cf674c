import fc from 'fast-check';
import { createElement } from 'react';
import { renderToStaticMarkup } from 'react-dom/server';
import ReactMarkdown from 'react-markdown';
import remarkGfm from 'remark-gfm';
import { describe, expect, it } from 'vitest';
import { splitMarkdown } from '../../../console/src/markdown-blocks.ts';
import { cases } from '../../support/cases.ts';

function html(text: string): string {
  return renderToStaticMarkup(createElement(ReactMarkdown, { remarkPlugins: [remarkGfm], children: text }));
}

/** Newlines between blocks are all that may differ. */
function together(blocks: string[]): string {
  return blocks.map(html).join('').replaceAll('\n', '');
}

const LINES = [
  'Some words.',
  '',
  '# Heading',
  '## Another',
  '#hashtag',
  '```ts',
  '```',
  '````',
  '~~~',
  '```not a fence```',
  '- item',
  '  - nested',
  '    indented',
  '1. first',
  '> quoted',
  '| a | b |',
  '| - | - |',
  '  ```',
  '    ```',
  '---',
  '<b>raw</b>',
  '<!-- open',
  '-->',
  '**bold',
  'text**',
];

describe('splitting markdown', () => {
  it('never changes how it reads', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...LINES), { maxLength: 14 }), (lines) => {
        const text = lines.join('\n');
        expect(splitMarkdown(text).join('')).toBe(text);
        expect(together(splitMarkdown(text))).toBe(html(text).replaceAll('\n', ''));
      }),
      cases(1_000),
    );
  });

  it('keeps what stands before a growing end as it is', () => {
    const before = 'Intro\n\n# One\n\ntext\n\n```sh\nls\n```\n';
    const blocks = splitMarkdown(before);
    expect(blocks).toHaveLength(3);
    expect(splitMarkdown(`${before}\nmore`).slice(0, 3)).toEqual(blocks);
  });

  it('leaves a text with link definitions whole', () => {
    const text = 'See [the log].\n\n# Next\n\n[the log]: https://example.com\n';
    expect(splitMarkdown(text)).toEqual([text]);
  });
});
