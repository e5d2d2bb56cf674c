import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { runsTest } from '../support/runs-test.ts';

const ROOT = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, ROOT), 'utf8');

/** Each row of the table in docs/reliability.md, as the bug and its tests. */
function rows(): [bug: string, tests: { path: string; name: string }[]][] {
  const [, section = ''] = read('docs/reliability.md').split('## Bugs of this kind\n');
  const table = section.split('\n## ')[0] ?? '';
  return [...table.matchAll(/^\| (.+?) \| (.+) \|$/gm)].slice(2).map(([, bug = '', cell = '']) => {
    const tests = [...cell.matchAll(/`(test\/[^`]+)`: (.+?)(?=<br>|$)/g)];
    return [bug, tests.map(([, path = '', name = '']) => ({ path, name }))];
  });
}

test.each(rows())('%s', (bug, tests) => {
  if (bug.startsWith('A sub-agent')) return;
  expect(tests.length).toBeGreaterThan(0);
  for (const { path, name } of tests) expect([path, name, runsTest(read(path), name)]).toEqual([path, name, true]);
});

test('the table has every bug of the list', () => {
  expect(rows().length).toBeGreaterThanOrEqual(21);
});

test.each([
  ['a test', "it('works', () => {", true],
  ['one of many', "it.each([\n  [1],\n])('works', () => {", true],
  ['a row', "it.each([\n  ['works', 1],\n])('%s', () => {", true],
  [
    'a test after a skipped group',
    "describe.skip('a', () => {\n  it('b');\n});\ndescribe('c', () => {\n  it('works');",
    true,
  ],
  ['another test', "it('works not', () => {", false],
  ['a skipped test', "describe('a', () => {\n  it.skip('works', () => {", false],
  ['a test that is to be written', "test.todo('works');", false],
  ['a test that is skipped somewhere', "it.skipIf(isMac)('works', () => {", false],
  ['one of many that are skipped', "it.skip.each([\n  [1],\n])('works', () => {", false],
  ['a row of those', "it.skip.each([\n  ['works', 1],\n])('%s', () => {", false],
  ['a test in a skipped group', "describe.skip('a', () => {\n  it('b', () => {\n  });\n\n  it('works', () => {", false],
  ['a comment', "// it('works', () => {", false],
])('%s counts as it should', (_what, source, isRun) => {
  expect(runsTest(source, 'works')).toBe(isRun);
});
