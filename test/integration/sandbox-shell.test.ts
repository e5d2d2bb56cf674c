import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Workspace } from '../../src/tools/workspace.ts';
import { run, type TestSandbox, testSandbox } from '../support/sandbox.ts';

let sandbox: TestSandbox;
let workspace: Workspace;

beforeEach(async () => {
  sandbox = testSandbox();
  workspace = await sandbox.open();
});

afterEach(() => sandbox[Symbol.asyncDispose]());

it('keeps directory, variables and functions from command to command, and past a time-out', async () => {
  await run(workspace, 'mkdir -p a; cd a; v=5; f() { echo "f$v"; }');
  expect((await run(workspace, 'f; pwd')).output).toBe('f5\n/workspace/a\n');
  const late = await run(workspace, 'v=6; sleep 60; touch /workspace/continued', 200);
  expect(late.outcome).toBe('timed_out');
  expect((await run(workspace, 'f; pwd; ls /workspace')).output).toBe('f5\n/workspace/a\na\n');
});

it('ends the shell gracefully with exit, and starts a new one', async () => {
  expect(await run(workspace, 'echo bye; exit 3')).toMatchObject({ outcome: 'exited', exit_code: 3, output: 'bye\n' });
  expect(await run(workspace, 'pwd')).toMatchObject({ exit_code: 0, output: '/workspace\n' });
});

it('is not confused by what a command reads, leaves open, forgets to close or prints', async () => {
  expect((await run(workspace, 'cat; read x; echo "[$x]"')).output).toBe('[]\n');
  expect((await run(workspace, 'sleep 60 & echo started')).output).toBe('started\n');
  expect((await run(workspace, '"unclosed')).exit_code).toBe(2);
  expect(
    (await run(workspace, `printf '\\0%032d\\0' 0; ls /proc/self/fd | wc -l; exec 5>&1; break; false`)).exit_code,
  ).toBe(1);
  expect((await run(workspace, 'printf "\\xff\\xc3"')).output).toBe('\uFFFD\uFFFD');
  expect((await run(workspace, 'echo x > /dev/stdout; echo y > /dev/stderr')).output).toBe('x\ny\n');
  expect((await run(workspace, 'seq 1000000')).output).toHaveLength(6888896);
});

it('stops a command when its signal fires', async () => {
  const stop = new AbortController();
  const result = await workspace.exec({ command: 'echo on; sleep 60', onOutput: () => stop.abort() }, stop.signal);
  expect(result).toMatchObject({ outcome: 'interrupted', output: 'on\n' });
});

it('keeps files over a new start, shares one workspace, and deletes it when told', async () => {
  const [first, second] = await Promise.all([sandbox.open('sesn_two'), sandbox.open('sesn_two')]);
  expect(first).toBe(second);
  await first.writeFile('deep/down/file.txt', 'content');
  expect(await sandbox.provider.reapIdle(0)).toBeGreaterThan(0);
  const again = await sandbox.open('sesn_two');
  expect(Buffer.from(await again.readFile('/workspace/deep/down/file.txt', 100)).toString()).toBe('content');
  const signal = new AbortController().signal;
  expect(await again.glob('**/*.{txt,md}', undefined, 10, signal)).toEqual(['/workspace/deep/down/file.txt']);
  expect(await again.grep('c\\w+t$', undefined, 10, signal)).toEqual(['/workspace/deep/down/file.txt:1:content']);
  await expect(again.grep('(', undefined, 10, signal)).rejects.toMatchObject({ code: 'invalid_pattern' });
  await expect(again.readFile('deep/down/file.txt', 3)).rejects.toMatchObject({ code: 'too_large' });
  await sandbox.provider.destroy('sesn_two');
  await expect((await sandbox.open('sesn_two')).readFile('deep/down/file.txt', 100)).rejects.toMatchObject({
    code: 'not_found',
  });
});

it('is warmed up without a trace: the first command finds the shell, one after another with what is asked beside it', async () => {
  const [, first] = await Promise.all([
    workspace.warmUp(),
    run(workspace, 'echo $$ $BASHPID; v=1; ls -A /workspace /tmp'),
  ]);
  const shell = /^(\d+) \1\n/.exec(first.output)?.[1];
  expect(first).toMatchObject({ exit_code: 0, output: `${shell} ${shell}\n/tmp:\n\n/workspace:\n` });
  await workspace.warmUp();
  expect((await run(workspace, 'echo $$ $v')).output).toBe(`${shell} 1\n`);
});
