import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseArguments, UsageError } from '../../../bench/arguments.ts';
import { BENCHMARKS, namesOf, select } from '../../../bench/benchmarks.ts';

const names = namesOf(BENCHMARKS);

test('without arguments everything is measured and printed for people', () => {
  expect(parseArguments([], names)).toEqual({
    only: [],
    json: false,
    strict: false,
    profile: false,
    rounds: null,
    help: false,
  });
});

test('options, in either spelling', () => {
  expect(
    parseArguments(['--only', 'turn,bash.first', '--only=recovery', '--rounds=3', '--json', '--strict'], names),
  ).toMatchObject({
    only: ['turn', 'bash.first', 'recovery'],
    rounds: 3,
    json: true,
    strict: true,
  });
});

test('an unknown name is refused with all that there are', () => {
  const wrong = () => parseArguments(['--only', 'trun'], names);
  expect(wrong).toThrow(UsageError);
  expect(wrong).toThrow(/no benchmark "trun".*\n {2}chat-http\n[\s\S]*\n {2}turn\.latency\n/);
});

test.each([
  [['--fast']],
  [['--only']],
  [['--only', '--json']],
  [['--rounds', '0']],
  [['--rounds', 'many']],
  [['turn']],
])('%j makes no sense', (args) => {
  expect(() => parseArguments(args, names)).toThrow(UsageError);
});

test('a name selects its benchmark, and of that the rows it names', () => {
  const all = select(BENCHMARKS, []);
  expect(all.benchmarks).toEqual([...BENCHMARKS]);
  const { benchmarks, wants } = select(BENCHMARKS, ['turn.latency', 'bash']);
  expect(benchmarks.map(({ name }) => name)).toEqual(['turn', 'bash']);
  expect(['turn.latency', 'turn.throughput', 'bash.first', 'bash.second'].filter(wants)).toEqual([
    'turn.latency',
    'bash.first',
    'bash.second',
  ]);
});

test('every row is explained in docs/performance.md', () => {
  const docs = readFileSync('docs/performance.md', 'utf8');
  const rows = names.filter((name) => name.includes('.'));
  expect(rows.filter((name) => !docs.includes(`\`${name}\``))).toEqual([]);
});
