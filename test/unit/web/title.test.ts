import { expect, it } from 'vitest';
import { titleOf } from '../../../connectors/web/render.ts';

it.each([
  ['Why is **staging** down?\nSince noon.', 'Why is staging down?'],
  ['\n\n## A heading', 'A heading'],
  ['> quoted `code`', 'quoted code'],
  ['Fix issue #5 in snake_case.c', 'Fix issue #5 in snake_case.c'],
  ['```\nls\n```', 'ls'],
  [' \n', 'Untitled'],
  ['x'.repeat(81), `${'x'.repeat(79)}…`],
  ['👩‍🚒'.repeat(80), '👩‍🚒'.repeat(80)],
  ['👩‍🚒'.repeat(90), `${'👩‍🚒'.repeat(79)}…`],
])('%j is called %j', (text, title) => {
  expect(titleOf(text)).toBe(title);
});
