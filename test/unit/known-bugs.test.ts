import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

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
  for (const { path, name } of tests) expect(read(path)).toContain(`'${name}'`);
});

test('the table has every bug of the list', () => {
  expect(rows().length).toBeGreaterThanOrEqual(21);
});
