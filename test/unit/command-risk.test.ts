import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isHarmlessCommand } from '../../src/tools/command-risk.ts';
import { splitCommand } from '../../src/tools/command-words.ts';
import { evaluatePermission } from '../../src/tools/permission.ts';
import { cases } from '../support/cases.ts';

const auto = { enabled: true, policy: 'auto' } as const;

describe('a command that only reads or computes', () => {
  it.each([
    'ls',
    'ls -la /workspace',
    'cat README.md | head -20',
    "echo 'it is $5; really'",
    'echo "say \\"hi\\" for \\$5"',
    'echo hello world',
    'echo "hello!"',
    'pwd && uname -a; date',
    'date -u +%F',
    'date -d yesterday +%F',
    'date --date="2 days ago"',
    'grep -rn "TODO" src | wc -l',
    'grep -E "a|b" file || true',
    "find . -name '*.ts' -type f -maxdepth 2",
    'find . \\( -name a -o -name b \\) -mtime -7',
    'sort -k2 -t, -rn data.csv | uniq -c',
    'sort -rnk2 data.csv',
    "sed -n '10,20p' src/main.ts",
    'wc -l < notes.txt',
    'cat missing 2>/dev/null',
    'cat missing 2>&1 | tail -n 1',
    'ls *.md src/*',
    'cd src\nls\n',
    'ls;',
    "printf '%s\\n' a b",
    "jq '.name' package.json",
    'l"s" -a',
  ])('runs at once: %s', (command) => {
    expect(isHarmlessCommand(command)).toBe(true);
  });
});

describe('a command that is not sure to be harmless', () => {
  it.each([
    '',
    '   ',
    ';',
    '# only a remark',
    // Programs that change or run something.
    'rm -rf /workspace',
    'npm install',
    'python3 -c "print(1)"',
    'node -e 1',
    'curl http://example.com',
    'git status',
    'env ls',
    'xargs rm',
    'bash -c ls',
    'sh script.sh',
    './ls',
    '/bin/ls',
    'sudo ls',
    'exec ls',
    'eval ls',
    'command ls',
    'tee out',
    'awk "BEGIN{system(\\"id\\")}"',
    // Substitution in every place where bash does it.
    'echo $(rm x)',
    'echo "$(rm x)"',
    'echo `rm x`',
    'echo "`rm x`"',
    'echo $HOME',
    'echo "${x:=y}"',
    'cat <(rm x)',
    'echo $((1+1))',
    // Names that change what follows.
    'X=1 ls',
    'PATH=. ls',
    'ls() { rm -rf /; }',
    'alias ls=rm',
    'export PATH=.',
    'source x',
    '. x',
    // Hidden in a list, a pipe, a group or the background.
    'ls; rm x',
    'ls && rm x',
    'ls || rm x',
    'ls | rm x',
    'ls\nrm x',
    'ls & rm x',
    'ls &',
    '(rm x)',
    '{ ls; }',
    'if true; then ls; fi',
    '! ls',
    'ls |& cat',
    'ls &&',
    'ls |',
    'ls ;; ls',
    // Redirections that write, or reach a network.
    'echo x > file',
    'echo x >> file',
    'echo x >| file',
    'echo x 1> file',
    'echo x &> file',
    'echo x > /dev/nullx',
    'echo x > /dev/null/../../workspace/file',
    'cat < /dev/tcp/127.0.0.1/80',
    'cat <> file',
    'cat << END\nx\nEND',
    'cat <<< "$(id)"',
    'ls >&file',
    'ls >"/dev/null"x',
    'uniq in 2&>/dev/null',
    // Options that write or run.
    'find . -delete',
    'find . -exec rm {} +',
    'find . -execdir rm x \\;',
    'find . -ok rm x \\;',
    'find . -fprint out',
    'find . -fls out',
    'find . "-delete"',
    "find . '-del'ete",
    'find . \\-delete',
    'find *',
    'find . ?delete',
    'find . -{delete,print}',
    'sort -o out in',
    'sort -ro out in',
    'sort --output=out in',
    'sort --out out in',
    'sort --compress-program=./x in',
    'uniq in out',
    'uniq - out',
    'uniq *',
    "printf -v 'a[$(id)]' x",
    'date -s tomorrow',
    'date 010100002030',
    'hostname new',
    "sed -n '1e rm x'",
    "sed -n '1w out' in",
    "sed -n '1p' -i in",
    'sed -i s/a/b/ in',
    "test -v 'a[$(id)]'",
    "[ -v 'a[$(id)]' ]",
    '[[ -n x ]]',
    '(( x = 1 ))',
    // Quotes that do not close, escapes at the end, characters that hide.
    "echo 'x",
    'echo "x',
    'echo x\\',
    'ls \\\n rm',
    'echo "!!x"',
    'ls\u0000rm',
    'ls\rrm x',
    'ls \u001b[8m',
    "$'ls'",
    '$"ls"',
    'l?',
    '"" ls',
    `echo ${'x'.repeat(5000)}`,
  ])('waits for a person: %j', (command) => {
    expect(isHarmlessCommand(command)).toBe(false);
  });
});

describe('splitting a command', () => {
  it('takes quotes off as bash does and keeps what they held together', () => {
    const words = splitCommand(`a'b c'"d"\\ e  '' f\\*g`)?.map((command) => command.map((word) => word.text));
    expect(words).toEqual([['ab cd e', '', 'f*g']]);
  });

  it('tells a pattern from the same characters in quotes', () => {
    const globs = splitCommand(`* '*' a* "?" \\[`)?.[0]?.map((word) => [word.glob, word.glob_first]);
    expect(globs).toEqual([
      [true, true],
      [false, false],
      [true, false],
      [false, false],
      [false, false],
    ]);
  });
});

describe('what bash makes of a command', () => {
  // `p` prints the words it was given, one per line; nothing else can be found or written.
  const bash = (source: string) =>
    spawnSync('/bin/bash', ['-c', `p() { for word in "$@"; do echo ">$word<"; done; }\n${source}`], {
      env: { PATH: '/nowhere' },
      cwd: tmpdir(),
      encoding: 'utf8',
    });

  it('is what was judged, for every mixture of quotes, escapes and operators that is understood', () => {
    const pieces = fc.constantFrom(
      `'`,
      `"`,
      '\\',
      '$',
      '`',
      '!',
      ' ',
      '\t',
      '\n',
      ';',
      '|',
      '&',
      '&&',
      '||',
      '(',
      ')',
      '{',
      '}',
      '#',
      '=',
      'a',
      'b',
      '-',
      '1',
      '2',
      'é',
      `'a b'`,
      `"a b"`,
      `'$a'`,
      `"\\$a"`,
      `"a'b"`,
      `'a"b'`,
      '\\ ',
      "''",
      '""',
      'p ',
    );
    let compared = 0;
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 9 }), (parts) => {
        const source = `p ${parts.join('')}`;
        const commands = splitCommand(source);
        if (commands === null || !commands.every(([program]) => program?.text === 'p')) return;
        // In a pipe the words of all but the last go to the next one.
        if (/(^|[^|])\|([^|]|$)/.test(source) || source.includes('||')) return;
        compared += 1;
        const expected = commands.flatMap(([, ...words]) => words.map((word) => `>${word.text}<\n`)).join('');
        expect(bash(source).stdout).toBe(expected);
      }),
      cases(1200),
    );
    expect(compared).toBeGreaterThan(20);
  }, 60_000);
});

describe('the auto policy on bash', () => {
  it('lets a harmless command run and says that it judged it', () => {
    expect(evaluatePermission(auto, 'bash', { command: 'ls' })).toEqual({
      evaluated_permission: 'allow',
      evaluation: { type: 'auto', evaluated_permission: { type: 'allow' } },
    });
  });

  it.each([
    { command: 'rm x' },
    {},
    null,
    'ls',
    { command: 7 },
    { command: ['ls'] },
    { restart: true, command: 'rm x' },
  ])('asks for %j', (input) => {
    expect(evaluatePermission(auto, 'bash', input)).toEqual({
      evaluated_permission: 'ask',
      evaluation: { type: 'auto', evaluated_permission: { type: 'ask', reason_code: 'indeterminate' } },
    });
  });

  it('lets the shell be restarted', () => {
    expect(evaluatePermission(auto, 'bash', { restart: true }).evaluated_permission).toBe('allow');
  });

  it('judges commands of bash only', () => {
    expect(evaluatePermission(auto, 'write', { command: 'ls' }).evaluated_permission).toBe('ask');
  });
});
