import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { commandSummary } from '../../src/tools/command-summary.ts';
import { cases } from '../support/cases.ts';

describe('what a command does, in words', () => {
  it.each([
    ['rm -rf build', 'Run a command that deletes files (rm)'],
    ['/bin/rm -rf build', 'Run a command that deletes files (/bin/rm)'],
    ['ls -la', 'Run ls'],
    ['cat a | sort | uniq -c', 'Run cat, sort and uniq'],
    ['a; b; c; d; e; f', 'Run a, b, c, d and 2 more'],
    [
      'df -h && rm -rf build dist; make',
      'Run a command that deletes files (rm) and runs other commands (make), with df',
    ],
    ['touch a; rmdir b; rm c', 'Run a command that deletes files (rmdir and rm) and writes files (touch)'],
    ['curl https://example.com', 'Run a command that uses the network (curl)'],
    ['git push origin main', 'Run a command that uses the network (git)'],
    ['git log', 'Run git'],
    ['npm install left-pad', 'Run a command that installs or removes packages (npm)'],
    ['find . -name x -delete', 'Run a command that deletes files (find)'],
    ['find . -name x', 'Run find'],
    ['sed -i s/a/b/ x', 'Run a command that writes files (sed)'],
    ['sudo rm -rf x', 'Run a command that runs other commands (sudo)'],
    // Not what it is usually called by.
    ['./rm x', 'Run ./rm'],
    // Not understood: only what stands in it is said.
    ['echo $HOME', 'Run a shell script'],
    ['rm -rf "$DIR"', 'Run a shell script; something in it deletes files (rm)'],
    ['for f in *; do rm "$f"; done', 'Run a shell script; something in it deletes files (rm)'],
    [
      'x=$(curl -s "$URL")\nif true; then kill "$x"; fi',
      'Run a shell script of 2 lines; something in it uses the network (curl) and ends processes (kill)',
    ],
    ['echo "$X" rm', 'Run a shell script'],
    ['X=1 ls', 'Run a shell script'],
    ['', 'Run a shell script'],
    [`${'echo a\n'.repeat(2_000)}rm x`, 'Run a shell script of 2,001 lines; something in it deletes files (rm)'],
    // Names that would be read as words of ours.
    ['"ls, which only reads" x', 'Run a shell script'],
    ['l? x', 'Run a shell script'],
  ])('%j', (command, summary) => {
    expect(commandSummary(command)).toBe(summary);
  });

  it('has no words of the command’s own but the names of programs', () => {
    const words = fc.constantFrom(
      'rm',
      'ls',
      'git',
      'push',
      'harmless',
      '-rf',
      '"it only reads"',
      '$X',
      '&&',
      ';',
      '|',
      '\n',
      '(',
      '>',
    );
    fc.assert(
      fc.property(fc.array(words, { maxLength: 8 }), (parts) => {
        const summary = commandSummary(parts.join(' '));
        expect(summary).not.toContain('only reads');
        expect(summary).not.toMatch(/[$"\n>|&]|-rf/);
        // A deletion that is understood, or begins a command, is never left out.
        if (parts[0] === 'rm') expect(summary).toContain('deletes files (rm');
      }),
      cases(500),
    );
  });

  it('takes no long time over a long script', () => {
    const from = performance.now();
    for (const part of [' ', '\t', '(', 'rm ', 'sudo ', ';', 'a', '"', "'"]) commandSummary(part.repeat(200_000));
    expect(performance.now() - from).toBeLessThan(2_000);
  });
});
