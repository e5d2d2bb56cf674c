import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { runsTest } from '../support/runs-test.ts';

const ROOT = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, ROOT), 'utf8');

/** What agents in chat have shipped elsewhere. None may leave the table; what else stands there is tried as well. */
const BUGS = [
  'The same event three times, across replicas and a restart, makes several runs.',
  '`message` and `app_mention` for one mention make two runs.',
  'The answer to a post is lost, and it is posted again.',
  'Killed between click, decision and resume, the approval has no effect or two.',
  "Two approvers at once have two effects; a stranger's click counts, or gets no word.",
  'A late click has an effect, or gets no word.',
  'Decided elsewhere, and a card keeps its buttons.',
  '"By @user" is erased by a later edit.',
  'An approval is lost on restart.',
  'Output of 100,000 characters breaks the run or the chat.',
  'A code fence is split across messages and left open.',
  'A surrogate pair is cut in two.',
  'A run of ten minutes with five silent ones loses its status or its stream.',
  '429 with `Retry-After` in the middle of a stream loses words.',
  "A sub-agent's approval hangs its parent.",
  'A message in another thread is dropped while the agent is busy.',
  'Claude answered in text, but nothing was posted.',
  'The sandbox died, and every follow-up failed.',
  'The bot answers in threads in which nobody mentioned it.',
  'A token of one workspace is used for another, or a card is decided from there.',
  'The app was uninstalled, and its posts are tried for ever.',
];

/** The table in docs/reliability.md: the tests of each bug. */
function rows(): [bug: string, tests: { path: string; name: string }[]][] {
  const [, section = ''] = read('docs/reliability.md').split('## Bugs of this kind\n');
  const table = section.split('\n## ')[0] ?? '';
  return [...table.matchAll(/^\| (.+?) \| (.+) \|$/gm)].slice(2).map(([, bug = '', cell = '']) => {
    const tests = [...cell.matchAll(/`(test\/[^`]+)`: (.+?)(?=<br>|$)/g)];
    return [bug, tests.map(([, path = '', name = '']) => ({ path, name }))];
  });
}

test.each([...new Set([...BUGS, ...rows().map(([bug]) => bug)])])('%s', (bug) => {
  const tests = rows().find(([named]) => named === bug)?.[1] ?? [];
  expect(tests).not.toEqual([]);
  for (const { path, name } of tests) expect([path, name, runsTest(read(path), name)]).toEqual([path, name, true]);
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
