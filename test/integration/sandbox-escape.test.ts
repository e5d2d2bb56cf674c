import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Workspace } from '../../src/tools/workspace.ts';
import { run, type TestSandbox, testSandbox } from '../support/sandbox.ts';

const SECRET = 'planted-secret-of-the-host';
let sandbox: TestSandbox;
let workspace: Workspace;

beforeEach(async () => {
  sandbox = testSandbox();
  workspace = await sandbox.open();
});

afterEach(async () => {
  // Whatever was tried, the worker lives and the sandbox answers again.
  expect((await run(workspace, 'echo still here')).output).toContain('still here');
  await sandbox[Symbol.asyncDispose]();
});

describe('reading what is not its own', () => {
  it('sees neither files beside its own nor other sessions', async () => {
    writeFileSync(join(sandbox.dataDir, 'secret'), SECRET);
    const other = await sandbox.open('sesn_other');
    await other.writeFile('secret', SECRET);
    const result = await run(
      workspace,
      `cat ${sandbox.dataDir}/secret /etc/shadow /root/* /home/* 2>&1; grep -rs ${SECRET} /workspace /tmp /etc /run /var`,
    );
    expect(result.output).not.toContain(SECRET);
    expect(result.exit_code).not.toBe(0);
  });

  it('does not get the environment of the worker', async () => {
    process.env['PLANTED_SECRET'] = SECRET;
    const { output } = await run(workspace, 'env; cat /proc/*/environ 2>/dev/null | tr "\\0" "\\n"');
    delete process.env['PLANTED_SECRET'];
    expect(output).toContain('HOME=/workspace');
    expect(output).not.toContain(SECRET);
  });

  it('cannot reach the host through the first process', async () => {
    const result = await run(workspace, 'cat /proc/1/root/etc/shadow; cat /proc/1/mem; tr "\\0" " " < /proc/1/cmdline');
    expect(result.output).toMatch(/Permission denied|No such file/);
    expect(result.output).not.toContain(sandbox.dataDir);
  });

  it.each([
    ['a link to a host file', (dir: string) => `ln -s ${dir}/secret link`],
    ['a link to /etc/passwd', () => 'ln -s /etc/passwd link'],
    ['a link through /proc', () => 'ln -s /proc/1/root/etc/passwd link'],
    ['a linked folder', (dir: string) => `ln -s ${dir} d; ln -s d/secret link`],
    ['a pipe', () => 'mkfifo link'],
  ])('file tools do not follow %s', async (_name, plant) => {
    writeFileSync(join(sandbox.dataDir, 'secret'), SECRET);
    await run(workspace, plant(sandbox.dataDir));
    await expect(workspace.readFile('link', 1000)).rejects.toThrow(/link|not a file|exist/);
    await expect(workspace.writeFile('link', 'overwritten')).rejects.toThrow(/link|not a file/);
    expect(await workspace.glob('**/passwd', undefined, 10, new AbortController().signal)).toEqual([]);
    expect(readFileSync(join(sandbox.dataDir, 'secret'), 'utf8')).toBe(SECRET);
  });

  it('file tools survive a link that is swapped under them', async () => {
    writeFileSync(join(sandbox.dataDir, 'secret'), SECRET);
    await workspace.writeFile('own', 'own');
    await run(workspace, `(while :; do ln -sfn ${sandbox.dataDir}/secret s; ln -sfn own s; done) > /dev/null 2>&1 &`);
    for (let attempt = 0; attempt < 20; attempt++) {
      const read = await workspace.readFile('s', 1000).then((bytes) => Buffer.from(bytes).toString(), String);
      expect(read).not.toContain(SECRET);
      await workspace.writeFile('s', 'overwritten').catch(() => {});
    }
    expect(readFileSync(join(sandbox.dataDir, 'secret'), 'utf8')).toBe(SECRET);
  });
});

describe('changing what is not its own', () => {
  it.each([
    '/usr/bin/x',
    '/etc/passwd',
    '/x',
    '/dev/x',
    '/run/x',
    '/proc/sys/kernel/core_pattern',
    '/proc/sysrq-trigger',
    '/sys/fs/cgroup/release_agent',
  ])('cannot write %s', async (path) => {
    const result = await run(workspace, `echo x > ${path}`);
    expect(result.exit_code).not.toBe(0);
  });

  it.each([
    'unshare -U true',
    'unshare -m true',
    'mount -t tmpfs none /tmp',
    'mknod /tmp/d b 8 0',
    'chroot / true',
    'setpriv --reuid 0 true',
    'strace -o /dev/null true',
  ])('is refused: %s', async (command) => {
    expect((await run(workspace, command)).exit_code).not.toBe(0);
  });

  it('has no capabilities and can gain none', async () => {
    const { output } = await run(
      workspace,
      'cat /proc/self/status; find / -xdev -perm -4000 -newermt 2030-01-01 2>/dev/null; su -c id root </dev/null',
    );
    expect(output).toMatch(/CapEff:\s+0000000000000000/);
    expect(output).toMatch(/CapBnd:\s+0000000000000000/);
    expect(output).toMatch(/NoNewPrivs:\s+1/);
    expect(output).toMatch(/Seccomp:\s+2/);
    expect(output).not.toContain('uid=0');
  });

  it('cannot signal the worker or anything of the host', async () => {
    const bystander = spawn('/bin/sleep', ['60']);
    await run(workspace, `kill -9 ${process.pid} ${bystander.pid}; kill -9 -1; true`);
    expect(bystander.exitCode).toBeNull();
    expect(bystander.signalCode).toBeNull();
    bystander.kill();
    await once(bystander, 'exit');
  });
});

describe('the network', () => {
  it('reaches no service of the host and no name server', async () => {
    let connections = 0;
    const server = createServer(() => connections++).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const result = await run(
      workspace,
      `echo x > /dev/tcp/127.0.0.1/${port}; echo x > /dev/udp/8.8.8.8/53; echo x > /dev/tcp/example.com/80`,
    );
    expect(result.exit_code).not.toBe(0);
    expect(connections).toBe(0);
    server.close();
  });
});

describe('what needs a program of its own to try', () => {
  /** Perl is part of every Debian; its syscall and ioctl reach what bash cannot. */
  const perl = (program: string) => run(workspace, `perl -e '${program}'`);

  it('perl runs at all, or the refusals below mean nothing', async () => {
    expect((await perl('print 6 * 7')).output).toBe('42');
  });

  it('abstract sockets of the host are out of reach', async () => {
    let connections = 0;
    const name = `deckhand-escape-${process.pid}`;
    const server = createServer(() => connections++).listen(`\0${name}`);
    await once(server, 'listening');
    const address = `pack("S a*", 1, chr(0) . "${name}")`;
    const result = await perl(`socket(my $s, 1, 1, 0) or exit 3; connect($s, ${address}) or exit 4; exit 0`);
    expect(result.exit_code).toBeGreaterThanOrEqual(3);
    expect(connections).toBe(0);
    server.close();
  });

  it('raw and packet sockets are refused', async () => {
    expect((await perl('socket(my $s, 2, 3, 1) and exit 0; exit 3')).exit_code).toBe(3);
    expect((await perl('socket(my $s, 17, 3, 768) and exit 0; exit 3')).exit_code).toBe(3);
  });

  it('nobody can be traced, not even oneself', async () => {
    // ptrace(PTRACE_TRACEME), by its number on this architecture.
    const number = process.arch === 'arm64' ? 117 : 101;
    expect((await perl(`exit(syscall(${number}, 0, 0, 0, 0) == 0 ? 0 : 3)`)).exit_code).toBe(3);
  });

  it('no terminal takes pushed input', async () => {
    const tiocsti =
      'my $c = "x"; for my $fd (0, 1, 2) { open(my $h, "+<&=", $fd) or next; ioctl($h, 0x5412, $c) and exit 0 } exit 3';
    expect((await perl(tiocsti)).exit_code).toBe(3);
  });
});

describe('using everything up', () => {
  it('ends a filler of many small files', async () => {
    const own = await sandbox.open('sesn_small_files', { disk_bytes: 16 * 1024 * 1024 });
    const result = await run(own, 'i=0; while :; do echo x > f$((i++)); done');
    expect(result.note).toMatch(/disk limit/);
    expect((await run(own, 'rm -f f*; echo still here')).output).toBe('still here\n');
  });

  it('ends a fork bomb', async () => {
    // The shell gives up once the bomb leaves no process for its own command.
    const result = await run(workspace, ':(){ :|:& };:; sleep 3');
    expect(result.note).toMatch(/limit of 64|ran too long|was ended/);
    expect((await run(workspace, 'echo still here')).output).toBe('still here\n');
  });

  it('ends a memory hog', async () => {
    const result = await run(workspace, 'tail /dev/zero');
    expect(result.exit_code).toBe(137);
    expect(result.note).toMatch(/memory limit/);
  });

  it('ends a disk filler, and lets it tidy up', async () => {
    const result = await run(workspace, 'head -c 200000000 /dev/zero > big; sleep 10');
    expect(result.note).toMatch(/disk limit/);
    expect((await run(workspace, 'rm big')).exit_code).toBe(0);
  });

  it('ends a flood of output', async () => {
    expect((await run(workspace, 'yes')).outcome).toBe('output_limit');
  });

  it('refuses a file above the size limit', async () => {
    const own = await sandbox.open('sesn_file', { file_bytes: 1024 * 1024 });
    expect((await run(own, 'head -c 5000000 /dev/zero > big')).exit_code).not.toBe(0);
  });
});

it('a worker killed with -9 takes its sandboxes with it, and what it leaves is cleaned', async () => {
  const dir = join(sandbox.dataDir, 'victim');
  mkdirSync(dir);
  const script = `
    import { createBubblewrapProvider } from '${join(import.meta.dirname, '../../sandbox/index.ts')}';
    const quiet = { info() {}, warn() {} };
    const provider = createBubblewrapProvider({ data_dir: ${JSON.stringify(dir)}, worker_id: 'victim', logger: quiet });
    provider.open({ workspace_id: 'default', session_id: 'sesn_victim' }).then((workspace) =>
      workspace.exec({ command: 'sleep 54321 & echo ready; sleep 54321', onOutput: (text) => process.stdout.write(text) }, new AbortController().signal));
  `;
  const worker = spawn(process.execPath, ['--import', 'tsx', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(worker.stdout, 'data');
  const sleepers = (): string[] =>
    readdirSync('/proc').filter((pid) => {
      try {
        return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'latin1') === 'sleep\x0054321\0';
      } catch {
        return false;
      }
    });
  await expect.poll(() => sleepers().length, { timeout: 15_000 }).toBeGreaterThan(0);
  worker.kill('SIGKILL');
  await once(worker, 'exit');
  await expect.poll(sleepers, { timeout: 15_000 }).toEqual([]);
  expect(await sandbox.provider.reapOrphans()).toBeGreaterThanOrEqual(
    sandbox.provider.describe().includes('cgroup') ? 1 : 0,
  );
});
