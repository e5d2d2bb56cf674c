import { describe, expect, it } from 'vitest';
import { nearest, parseCommand } from '../../src/chat/commands/parse-command.ts';

const NAMES = ['name', 'instructions', 'bash'];

describe('a command', () => {
  it.each([
    ['', { subcommand: '', args: '' }],
    ['  LIST ', { subcommand: 'list', args: '' }],
    ['show  Code Reviewer ', { subcommand: 'show', args: 'Code Reviewer' }],
    ['rollback deploy 3', { subcommand: 'rollback', args: 'deploy 3' }],
  ])('%j is taken apart', (text, expected) => {
    expect(parseCommand(text, NAMES)).toEqual({ ...expected, fields: null, stray: null });
  });

  it('takes fields line by line, and a text of many lines', () => {
    const text = 'edit reviewer\nInstructions: Look first.\n\nNote: be kind.\n  Then say: fine.\nbash: ask';
    expect(parseCommand(text, NAMES)).toEqual({
      subcommand: 'edit',
      args: 'reviewer',
      fields: { instructions: 'Look first.\n\nNote: be kind.\n  Then say: fine.', bash: 'ask' },
      stray: null,
    });
  });

  it('says which line it does not understand', () => {
    expect(parseCommand('new\n\nmodle: x\nname: y', NAMES)).toMatchObject({ stray: 'modle: x', fields: { name: 'y' } });
  });
});

describe('the nearest word', () => {
  const known = ['list', 'show', 'rollback', 'resume'];
  it.each([
    ['lits', 'list'],
    ['lst', 'list'],
    ['SHOW', 'show'],
    ['rolback', 'rollback'],
    ['banana', null],
    ['x', null],
  ])('to %s is %s', (word, expected) => {
    expect(nearest(word, known)).toBe(expected);
  });
});
