import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fixedWords, plainly } from '../../support/said-words.ts';
import { askedIn, snapshotNames, snapshotOf } from '../../support/slack/surfaces.ts';

const ROOT = new URL('../../../', import.meta.url);

/** Where the words are that people read in Slack: folders and files. */
const SAYING = [
  'connectors/slack/',
  'src/approvals/decide.ts',
  'src/approvals/policy.ts',
  'src/chat/commands/',
  'src/chat/over-budget.ts',
  'src/chat/paused.ts',
  'src/chat/roles.ts',
];

/** Sources that say nothing there, and why. */
const ELSEWHERE: Record<string, string> = {
  'connectors/slack/files-in.ts': 'Ends of a sentence about files that did not come along.',
  'connectors/slack/groups.ts': 'The log.',
  'connectors/slack/install-pages.ts': 'Pages in a browser.',
  'connectors/slack/oauth.ts': 'The log.',
  'connectors/slack/refusal-words.ts': 'Ends of sentences, which snapshots show with some of them.',
  'connectors/slack/said.ts': 'The agent reads it.',
};

/** Words that no snapshot shows, and why. */
const UNSHOWN: Record<string, string> = {
  'About this message of': 'The agent reads it.',
  'Here every conversation is its people’s own: `/sessions` lists yours.': 'On the page.',
  'It is in a conversation of somebody else’s: ask them to let you in.': 'On the page.',
  'Nobody decided in time.': 'The agent reads it.',
  'Please go on where you stopped.': 'The agent reads it.',
  'Use a tool': 'Of a call without a title, which no tool makes.',
  'ask an agent about a message': 'Of a command that is not typed.',
  'more are not listed here: a command takes any of them by its name, see /agents help.':
    'Below a hundred choices, which forms.test.ts has.',
  'see agents': 'Everybody may.',
};

/** All that is said in the snapshots, as people read it. */
const shown = snapshotNames.map((name) => textsIn(snapshotOf(name)).map(plainly).join('\n\n')).join('\n\n');

function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => (key === 'asked' || key === 'by' ? [] : textsIn(inner)));
}

const sources = SAYING.flatMap((path) => {
  if (path.endsWith('.ts')) return [path];
  const files = readdirSync(new URL(path, ROOT)).filter((file) => file.endsWith('.ts'));
  return files.map((file) => `${path}${file}`);
}).filter((file) => ELSEWHERE[file] === undefined);

const said = sources.map((file) => [file, fixedWords(file, readFileSync(new URL(file, ROOT), 'utf8'))] as const);

describe('the words that people read in Slack', () => {
  it.each(said)('stand in a snapshot: %s', (_file, words) => {
    expect(words.filter((one) => !shown.includes(one) && UNSHOWN[one] === undefined)).toEqual([]);
  });

  it('have no exception that is none any more', () => {
    const all = said.flatMap(([, words]) => words);
    expect(Object.keys(UNSHOWN).filter((one) => shown.includes(one) || !all.includes(one))).toEqual([]);
  });
});

describe('what is answered to a command', () => {
  const asked = snapshotNames.flatMap((name) => askedIn(snapshotOf(name)));
  /** By the help itself, which a snapshot shows as it is. */
  const commands = [...new Set([...shown.matchAll(/^- `(\/\w+ \w+)[^`]*`: /gm)].map(([, command = '']) => command))];

  it('has commands, and a help of each family', () => {
    const families = [...new Set(commands.map((command) => command.split(' ')[0] ?? ''))];
    const manifest = readFileSync(new URL('manifest.yml', ROOT), 'utf8');
    const known = [...manifest.matchAll(/- command: (\/\w+)/g)].map(([, family = '']) => family);
    expect(families.toSorted()).toEqual(known.toSorted());
    expect(asked).toEqual(expect.arrayContaining(known.map((family) => `${family} help`)));
  });

  it.each(commands)('stands in a snapshot: %s', (command) => {
    expect(
      asked.filter((one) => one === command || one.startsWith(`${command} `) || one.startsWith(`${command}\n`)),
    ).not.toEqual([]);
  });
});
