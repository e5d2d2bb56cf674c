import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { commandSummary } from '../../src/tools/command-summary.ts';
import { ALL_EFFECTS } from '../../src/tools/program-effects.ts';
import { cases } from '../support/cases.ts';
import { AROUND, KNOWN, WRITTEN } from '../support/shell-constructs.ts';

const UNKNOWN = 'Run a shell script; what it does is not known';
const script = (effects: string, lines = '') => `Run a shell script${lines}; in it is what ${effects}, and maybe more`;
const DELETES = script('deletes files (rm)');
const ENDS = script('ends processes (kill)');
const PUSHES = script('uses the network (git)');

describe('what a command does, in words', () => {
  it.each([
    ['rm -rf build', 'Run a command that deletes files (rm)'],
    ['/bin/rm -rf build', 'Run a command that deletes files (rm)'],
    ['ls -la', 'Run ls'],
    ['cat a | sort | uniq -c', 'Run cat, sort and uniq'],
    [
      'df -h && rm -rf build dist; make',
      'Run a command that deletes files (rm) and runs other commands (make), with df',
    ],
    ['touch a; rmdir b; rm c', 'Run a command that deletes files (rmdir and rm) and writes files (touch)'],
    ['curl https://example.com', 'Run a command that uses the network (curl)'],
    ['find . -name x -delete', 'Run a command that deletes files (find)'],
    ['find . -name x', 'Run find'],
    ['sed -i s/a/b/ x', 'Run a command that writes files (sed)'],
    // What stands behind options and their values.
    ['git push origin main', 'Run a command that uses the network (git)'],
    ['git -C /r push --force', 'Run a command that uses the network (git)'],
    ['git --no-pager clean -fdx', 'Run a command that deletes files (git)'],
    ['git commit -m push', 'Run a command that changes a repository (git)'],
    ['git log', 'Run git'],
    ['npm install left-pad', 'Run a command that installs or removes packages (npm)'],
    ['apt-get -y install x', 'Run a command that installs or removes packages (apt-get)'],
    ['uv pip install x', 'Run a command that installs or removes packages (uv)'],
    // What is run by another, and what may be.
    ['sudo rm -rf x', 'Run a command that deletes files (rm) and runs other commands (sudo)'],
    ['sudo -u bob -- kill 1', 'Run a command that ends processes (kill) and runs other commands (sudo)'],
    ['nice -n 5 rm x', 'Run a command that deletes files (rm) and runs other commands (nice)'],
    ['ls | xargs rm', 'Run a command that deletes files (rm) and runs other commands (xargs), with ls'],
    ['ssh host rm -rf /', 'Run a command that deletes files (rm) and uses the network (ssh)'],
    ["bash -c 'git -C x push'", 'Run a command that uses the network (git) and runs other commands (bash)'],
    ["trap 'kill 1' EXIT", 'Run a command that ends processes (kill) and changes the shell (trap)'],
    ["alias ls='rm -rf'; ls", 'Run a command that deletes files (rm) and changes the shell (alias), with ls'],
    ['export PATH=/x; ls', 'Run a command that changes the shell (export), with ls'],
    ["git -c alias.x='!rm -rf /' x", 'Run a command that deletes files (rm) and runs other commands (git)'],
    ['echo rm -rf / | sh', 'Run a command that deletes files (rm) and runs other commands (sh), with echo'],
    ['docker rm x', 'Run a command that deletes files (rm), with “docker”'],
    ['echo rm', 'Run echo'],
    // Names of which nothing is known are no words of ours, and a path is no reassurance.
    ['a; b; c; d; e; f', 'Run “a”, “b”, “c”, “d” and 2 more'],
    ['nothing; safe', 'Run “nothing” and “safe”'],
    ['./rm x', 'Run a command that deletes files (rm), with “./rm”'],
    ['../bin/rm x', 'Run a command that deletes files (rm), with “../bin/rm”'],
    ['./ls x', 'Run “./ls”'],
    ['"ls, which only reads" x', UNKNOWN],
    [`${'a'.repeat(41)} x`, UNKNOWN],
    ['l? x', UNKNOWN],
    // Quotes.
    ['"r"m x', 'Run a command that deletes files (rm)'],
    ["'rm' x", 'Run a command that deletes files (rm)'],
    ['\\rm x', 'Run a command that deletes files (rm)'],
    ["$'rm' x", DELETES],
    ['r\\\nm x', script('deletes files (rm)', ' of 2 lines')],
    ['"r"m "$X"', DELETES],
  ])('%j', (command, summary) => expect(commandSummary(command)).toBe(summary));

  it.each([
    ['', UNKNOWN],
    ['echo $HOME', UNKNOWN],
    ['X=1 ls', UNKNOWN],
    ['if true; then ls; fi', UNKNOWN],
    ['rm -rf "$DIR"', DELETES],
    ['for f in *; do rm "$f"; done', DELETES],
    ['if true; then rm -rf /data; fi', DELETES],
    ['while read f; do rm -rf /data; done < list', DELETES],
    ['time rm -rf /data', DELETES],
    ['time -p kill 1', ENDS],
    ['! kill 1', ENDS],
    ['coproc kill 1', ENDS],
    ['case $x in a) kill 1;; esac', ENDS],
    ['function ls { kill "$1"; }; ls 1', ENDS],
    ['ls() { kill "$1"; }; ls 1', ENDS],
    ['mkdir -p a; X=1 rm -rf /data', script('deletes files (rm) and writes files (mkdir)')],
    ['a[0]=kill; ${a[0]} 1', ENDS],
    ['>x <y kill 1', ENDS],
    ['3>&- kill 1', ENDS],
    ['{fd}>x kill 1', ENDS],
    ['$SUDO kill 1', ENDS],
    ['find . -exec rm {} \\;', script('deletes files (rm) and runs other commands (find)')],
    ['find "$D" -delete', script('deletes files (find)')],
    ['sed -i "$E" x', script('writes files (sed)')],
    // Variables and substitutions.
    ['X=rm; $X y', DELETES],
    ['r${x}m y', DELETES],
    ['rm${IFS}-rf${IFS}/', DELETES],
    ['${X:-kill} 1', ENDS],
    ['{rm,-rf,/}', DELETES],
    ['echo `kill 1`', ENDS],
    ['echo "$(kill 1)"', ENDS],
    ['cat <(kill 1)', ENDS],
    ['cat <<EOF | sh\nkill 1\nEOF', script('ends processes (kill) and runs other commands (sh)', ' of 3 lines')],
    // What stands between git and what it does.
    ['git -C $(pwd) push', PUSHES],
    ['git -C "a;b" push "$X"', PUSHES],
    ['git 2>x push', PUSHES],
    // Not taken for the same as what only looks like it.
    ['git -C "a;b" push $X; "git -C a;b push "', PUSHES],
    ['git $OPTIONS push', PUSHES],
    ['git${IFS}push', PUSHES],
    ['echo "$X" && (git -C x push)', PUSHES],
    ['cat <<EOF\ndon\'t\nEOF\ngit -C "a;b" push "$X"', script('uses the network (git)', ' of 4 lines')],
    // Too much rather than too little.
    ['echo "$X" rm', DELETES],
    ['grep -e make install $X', UNKNOWN],
    ['echo install $X | sh', script('writes files (install) and runs other commands (sh)')],
    // Letters that look like others, and signs that nobody sees.
    ['r\u043c x', UNKNOWN],
    ['\u202erm x', UNKNOWN],
    ['\u00a0rm x', DELETES],
    ['ls\r; rm x', DELETES],
    [`${'echo a\n'.repeat(2_000)}rm x`, script('deletes files (rm)', ' of 2,001 lines')],
    [`${'echo a\n'.repeat(28_000)}rm x`, script('deletes files (rm)', ' of 28,001 lines')],
    [
      'x=$(curl -s "$URL")\nif true; then kill "$x"; fi',
      script('uses the network (curl) and ends processes (kill)', ' of 2 lines'),
    ],
  ])('of a script: %j', (command, summary) => expect(commandSummary(command)).toBe(summary));

  it('names fewer programs rather than leave out an effect', () => {
    const all =
      'rm rmdir shred unlink mv cp dd ln tee chmod chown chgrp curl wget ssh scp kill killall pkill sudo bash env ' +
      'perl python node; alias ls; npm install; git commit';
    for (const command of [all.replaceAll(' ', ';'), `${all.replaceAll(' ', '\n')}\n"$X"\n`.repeat(1_000)]) {
      const summary = commandSummary(`${command}; git commit; npm install`);
      for (const effect of ALL_EFFECTS) expect(summary).toContain(effect);
      // With `Restart the shell.` before it, it is not cut.
      expect(summary.length).toBeLessThanOrEqual(280);
    }
  });
});

const known = fc.constantFrom(...Object.entries(KNOWN));
const around = fc.constantFrom(...AROUND);

describe('what is known of a program is said', () => {
  it('wherever it stands', () => {
    for (const [command, effect] of Object.entries(KNOWN))
      for (const put of AROUND) expect(commandSummary(put(command)), put(command)).toContain(effect);
  });

  it('however its name is written, at any place of constructs in constructs', () => {
    // Quotes in quotes of the same kind would end them: then it is another command.
    const plain = AROUND.filter((put) => !/['"’]/.test(put('')));
    fc.assert(
      fc.property(
        known,
        fc.constantFrom(...WRITTEN),
        fc.array(fc.constantFrom(...plain), { maxLength: 3 }),
        fc.array(fc.constantFrom('ls -la', 'echo "$X"', "echo 'a b'", ':', 'x=1', 'cat < a'), { maxLength: 3 }),
        ([command, effect], write, shapes, before) => {
          const whole = [...before, shapes.reduce((inner, put) => put(inner), write(command))].join('\n');
          expect(commandSummary(whole)).toContain(effect);
        },
      ),
      cases(2_000),
    );
  });

  it('also among many others', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(known, around), { minLength: 2, maxLength: 6 }), (all) => {
        const summary = commandSummary(all.map(([[command], put]) => put(command)).join('\n'));
        for (const [[, effect]] of all) expect(summary).toContain(effect);
      }),
      cases(500),
    );
  });
});

describe('it promises nothing', () => {
  const NAMES = [
    ...'rm ls git push harmless nothing only safe'.split(' '),
    './read-only',
    'safe/rm',
    'and-nothing-else',
  ];
  const SIGNS = ['-rf', '"it only reads"', "'is safe'", '$X', '&&', ';', '|', '\n', '(', ')', '>', '“', '”', '\u202e'];

  it('has no words of the command’s own but names of programs: in quotes, or known', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...NAMES, ...SIGNS), { maxLength: 8 }), (parts) => {
        const summary = commandSummary(parts.join(' '));
        const ours = summary.replace(/“[\w./+-]{1,40}”/g, '');
        expect(ours).not.toMatch(/harmless|nothing|only|safe|[$"'\n>|&“”\u202e]|-rf/);
        if (ours.includes('shell script')) expect(ours).toMatch(/, and maybe more$|; what it does is not known$/);
      }),
      cases(1_000),
    );
  });

  it('takes no long time over a long command', () => {
    const parts = [
      ' ',
      '\t',
      '\n',
      '(',
      ')',
      '$(',
      'x=$(',
      ';',
      'a',
      '"',
      "'",
      '"\'',
      '\\"',
      '[',
      'a[',
      'a=',
      '=',
      '`',
    ];
    const more = [
      '$',
      '${',
      '${IFS',
      '{',
      '<',
      '>',
      '\\',
      ':-',
      '/',
      '!',
      '-',
      ',',
      'rm ',
      'sudo ',
      'git -c ',
      'find ',
    ];
    for (const part of [...parts, ...more, '“', '\u{1f600}']) {
      const long = part.repeat(Math.ceil(200_000 / part.length));
      const from = performance.now();
      commandSummary(long);
      commandSummary(long.slice(0, 4_000));
      // Many times what it takes: with the square of the length it would be minutes.
      expect(performance.now() - from, JSON.stringify(part)).toBeLessThan(5_000);
    }
  });
});
