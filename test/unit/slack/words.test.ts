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
  'src/chat/',
  'src/chat/commands/',
];

/** Sources that say nothing there, and why. */
const ELSEWHERE: Record<string, string> = {
  'connectors/slack/files-in.ts': 'Ends of a sentence about files that did not come along.',
  'connectors/slack/groups.ts': 'The log.',
  'connectors/slack/install-pages.ts': 'Pages in a browser.',
  'connectors/slack/oauth.ts': 'The log.',
  'connectors/slack/refusal-words.ts': 'Ends of sentences, which snapshots show with some of them.',
  'connectors/slack/said.ts': 'The agent reads it.',
  'src/chat/apply-room.ts': 'What is counted, by name.',
  'src/chat/connector-health.ts': 'The page of the house’s health.',
  'src/chat/earlier-files.ts': 'The agent reads it.',
  'src/chat/earlier.ts': 'The agent reads it.',
  'src/chat/event-room.ts': 'What is counted, by name.',
  'src/chat/fetch-room.ts': 'What is counted, by name.',
};

/** Words that no snapshot shows, and why. */
const UNSHOWN: Record<string, string> = {
  '(a mention without a word)': 'The agent reads it.',
  '*(broken off)*': 'Of a text that grows, which chat/leftovers.test.ts has.',
  ', shown below': 'The agent reads it.',
  '; attach it again': 'Ends of a sentence that a snapshot shows.',
  'An agent': 'Of an approval whose session is gone.',
  'Attached files, read-only in the sandbox:': 'The agent reads it.',
  'Attached too, but not to be had:': 'The agent reads it.',
  'It says now:': 'The agent reads it.',
  'Nobody could be told': 'In the log of a session.',
  'I ask for an approval, and this chat does not take its card (':
    'Where Slack takes no card, which chat/unseen.test.ts has.',
  '). It waits: `/approvals` shows it to those who may decide.': 'The end of that.',
  'I need an approval to go on there, and it waits: `/approvals` shows it to those who may decide. What else':
    'Where Slack takes nothing, which chat/unseen.test.ts has.',
  'Storing files…': 'A status, which is no message.',
  'The agent had not been given the message that you deleted, and is not given it any more.':
    'While its files wait for a limit of Slack’s, which chat/attached-files.test.ts has.',
  'The chat platform takes no message in the conversation (': 'In the log of a session.',
  'The platform does not say whether somebody is a guest': 'The log.',
  'The form has closed meanwhile. You sent:': 'After the time that a form waits, which slack-commands.test.ts has.',
  'The form could not be opened just now. Press the button again, or type `/':
    'On the Home tab, which slack-home.test.ts has.',
  '` in a channel.': 'On the Home tab, which slack-home.test.ts has.',
  'This is not all: about': 'Where a platform takes no files.',
  'Trying again…': 'A status, which is no message.',
  'What was still waiting for its files is not given to the agent any more.':
    'While they wait for a limit of Slack’s, which chat/attached-files.test.ts has.',
  'Whoever asked': 'In the log of a session.',
  'changed this message:': 'The agent reads it.',
  'it could not be fetched': 'Ends of a sentence that a snapshot shows.',
  'it is not connected': 'Of a connector that was taken out of the configuration.',
  "more characters are too long for a chat. The session's log has them.": 'Where a platform takes no files.',
  'the chat platform asked to wait for too long': 'Ends of a sentence that a snapshot shows.',
  'the question is not shown here': 'Where Slack has taken no card, and so no thread has it.',
  'took this message back, so what it asked for is not wanted any more:': 'The agent reads it.',
  'was told directly': 'In the log of a session.',
  'with the files that are newer it would be too much': 'The agent reads it.',
  'About this message of': 'The agent reads it.',
  'Here every conversation is its people’s own: `/sessions` lists yours.': 'On the page.',
  'It is in a conversation of somebody else’s: ask them to let you in.': 'On the page.',
  'Nobody decided in time.': 'The agent reads it.',
  'Please go on where you stopped.': 'The agent reads it.',
  'Use a tool': 'Of a call without a title, which no tool makes.',
  'the only admin here: make somebody else one first.':
    'Where none is one by configuration, which chat/commands/roles.test.ts has.',
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
