import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aroundTable } from '../../../connectors/slack/table-block.ts';
import { cases } from '../../support/cases.ts';
import { checkBlocks } from '../../support/slack/block-limits.ts';
import type { SlackBlock } from '../../support/slack/workspace.ts';

const TABLE = ['| File | Size |', '| :-- | --: |', '| a.txt | 12 |', '| **b** `c|d`.txt |', '| | 3 | too much |'];

/** What a person reads, cell by cell. */
function cells(markdown: string): string[][] {
  const rows = aroundTable(markdown)?.table.rows ?? [];
  return rows.map((row) =>
    row.map((cell) => {
      if (cell.type !== 'rich_text') return 'text' in cell ? String(cell.text) : '';
      const [section] = cell.elements;
      const elements = section?.type === 'rich_text_section' ? section.elements : [];
      return elements.map((element) => ('text' in element ? element.text : '')).join('');
    }),
  );
}

describe('a table in markdown', () => {
  it('becomes Slack’s own, between what stands around it', () => {
    const around = aroundTable(['Two files:', '', ...TABLE, '', 'That is all.'].join('\n'));
    expect(around).toMatchObject({
      before: 'Two files:\n',
      table: {
        type: 'table',
        column_settings: [
          { align: 'left', is_wrapped: true },
          { align: 'right', is_wrapped: true },
        ],
      },
      after: '\nThat is all.',
    });
    expect(cells(TABLE.join('\n'))).toEqual([
      ['File', 'Size'],
      ['a.txt', '12'],
      ['b `c', 'd`.txt'],
      [' ', '3'],
    ]);
  });

  it('keeps what its cells say in bold, code, links and mentions', () => {
    const row = '| **bold** and `code` | [docs](https://a.test/x_y) | <@U0ANA> | snake_case_name *it* _too_ ~~no~~ |';
    const around = aroundTable(['| a | b | c | d |', '|---|---|---|---|', row].join('\n'));
    expect(around?.table.rows[1]).toEqual([
      section(text('bold', 'bold'), text(' and '), text('code', 'code')),
      section({ type: 'link', url: 'https://a.test/x_y', text: 'docs' }),
      section({ type: 'user', user_id: 'U0ANA' }),
      section(
        text('snake_case_name '),
        text('it', 'italic'),
        text(' '),
        text('too', 'italic'),
        text(' '),
        text('no', 'strike'),
      ),
    ]);
  });

  it.each([
    ['there is none', 'a | b\n\nc | d'],
    ['it is code', ['```md', ...TABLE, '```'].join('\n')],
    ['it is code that is still being written', ['~~~', ...TABLE].join('\n')],
    ['it is indented or quoted', ['    | a |', '    |---|', '> | a |', '> |---|'].join('\n')],
    ['its columns do not match', '| a | b |\n|---|\n| 1 | 2 |'],
    ['there are two', [...TABLE, '', ...TABLE].join('\n')],
    ['it is too long', ['| a |', '|---|', ...Array.from({ length: 100 }, (_row, n) => `| ${n} |`)].join('\n')],
    [
      'it is too wide',
      ['|', '|']
        .map(
          (_bar, n) =>
            `|${Array(21)
              .fill(n === 0 ? 'a' : '-')
              .join('|')}|`,
        )
        .join('\n'),
    ],
    ['it is too heavy', `| a |\n|---|\n| ${'x'.repeat(10_000)} |`],
  ])('is left as it is when %s', (_why, markdown) => {
    expect(aroundTable(markdown)).toBeNull();
  });

  it('is never one that Slack refuses, whatever is in it', () => {
    const cell = fc.string({
      unit: fc.constantFrom('a', '|', '\\', '`', '*', '_', '~', '[', ']', '(', ' ', '<', '@', '🛠'),
    });
    const row = fc.array(cell, { minLength: 1, maxLength: 25 }).map((texts) => `| ${texts.join(' | ')} |`);
    const table = fc.tuple(row, fc.integer({ min: 1, max: 25 }), fc.array(row, { maxLength: 120 }));
    fc.assert(
      fc.property(table, ([header, columns, rows]) => {
        const around = aroundTable([header, `|${Array(columns).fill('---').join('|')}|`, ...rows].join('\n'));
        if (around === null) return;
        const blocks: SlackBlock[] = JSON.parse(JSON.stringify([around.table]));
        checkBlocks(blocks);
      }),
      cases(),
    );
  });
});

function text(said: string, style?: 'bold' | 'code' | 'italic' | 'strike') {
  return { type: 'text', text: said, ...(style !== undefined && { style: { [style]: true } }) };
}

function section(...elements: object[]) {
  return { type: 'rich_text', elements: [{ type: 'rich_text_section', elements }] };
}
