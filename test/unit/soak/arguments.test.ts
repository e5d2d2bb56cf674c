import { expect, it } from 'vitest';
import { parseSoakArguments, UsageError } from '../../../test/support/soak/arguments.ts';

it('takes the long form by default, with a seed of its own', () => {
  const { seed, ...rest } = parseSoakArguments([]) ?? { seed: Number.NaN };
  expect(rest).toEqual({ kills: 200, sessions: 100, json: false });
  expect(Number.isInteger(seed)).toBe(true);
});

it('repeats what it is told to', () => {
  const args = ['--seed', '7', '--kills=20', '--sessions', '10', '--json'];
  expect(parseSoakArguments(args)).toEqual({ seed: 7, kills: 20, sessions: 10, json: true });
});

it.each([
  [['--kills', 'many'], '--kills must be a whole number from 1 to 10000, not "many"'],
  [['--sessions', '0'], '--sessions must be a whole number from 1 to 10000, not "0"'],
  [['--seed=-1.5'], '--seed must be a whole number'],
  [['--seed', ''], '--seed must be a whole number'],
  [['--kill', '3'], "Unknown option '--kill'"],
])('refuses %j, and says what would do', (args, words) => {
  expect(() => parseSoakArguments(args)).toThrow(UsageError);
  expect(() => parseSoakArguments(args)).toThrow(words);
  expect(() => parseSoakArguments(args)).toThrow('npm run soak --');
});

it('only helps where that is asked for', () => {
  expect(parseSoakArguments(['--help'])).toBeNull();
});
