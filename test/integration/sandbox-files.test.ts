import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type MountedFile, OUTPUTS, UPLOADS, type Workspace } from '../../src/tools/workspace.ts';
import { run, type TestSandbox, testSandbox } from '../support/sandbox.ts';

const MiB = 1024 * 1024;
const signal = new AbortController().signal;

let sandbox: TestSandbox;

beforeEach(() => {
  sandbox = testSandbox();
});

afterEach(() => sandbox[Symbol.asyncDispose]());

/** How often each was read. */
const reads = new Map<string, number>();

function file(name: string, content: string): MountedFile {
  return {
    id: `file_${name}_${content}`,
    name,
    size_bytes: Buffer.byteLength(content),
    async *content() {
      reads.set(name, (reads.get(name) ?? 0) + 1);
      for (const character of content) yield Buffer.from(character);
    },
  };
}

function openWith(...uploads: MountedFile[]): Promise<Workspace> {
  return sandbox.provider.open({ workspace_id: 'default', session_id: 'sesn_files', uploads });
}

async function contentOf(workspace: Workspace, path: string, maxBytes = 10 * MiB): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of workspace.readOutput(path, maxBytes, signal)) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

describe('what people attached', () => {
  it('is there to read, by commands and by file tools, and nobody inside can change it', async () => {
    const workspace = await openWith(file('Größe "1".txt', 'as it came'));
    const path = `${UPLOADS}/Größe "1".txt`;
    const result = await run(
      workspace,
      `cd ${UPLOADS}; cat *; echo x > *; echo x > new; rm -f *; mv * other; chmod 777 . *; ln -s /etc/passwd l; touch *`,
    );
    expect(result.output).toMatch(/^as it came/);
    expect((await run(workspace, `ls ${UPLOADS}; cat ${UPLOADS}/*`)).output).toBe('Größe "1".txt\nas it came');
    expect(Buffer.from(await workspace.readFile(path, 100)).toString()).toBe('as it came');
    await expect(workspace.writeFile(path, 'x')).rejects.toThrow(/may be used/);
  });

  it('comes while something runs, once, and goes when it is no longer the session’s', async () => {
    const workspace = await openWith(file('a', 'first'));
    await run(workspace, 'v=kept');
    expect(await openWith(file('a', 'first'), file('b', 'second'))).toBe(workspace);
    expect((await run(workspace, `echo $v; cat ${UPLOADS}/*`)).output).toBe('kept\nfirstsecond');
    expect(reads.get('a')).toBe(1);
    await openWith(file('b', 'second'));
    expect((await run(workspace, `ls ${UPLOADS}`)).output).toBe('b\n');
  });

  it('is another file’s where that has taken its name, though it weighs as much', async () => {
    await openWith(file('same', 'before'));
    const workspace = await openWith(file('same', 'behind'));
    expect((await run(workspace, `cat ${UPLOADS}/same`)).output).toBe('behind');
  });

  it('is there for whoever asks for it while other files come, and fail', async () => {
    const workspace = await openWith(file('a', 'first'));
    let comes = (): void => {};
    const gate = new Promise<void>((resolve) => {
      comes = resolve;
    });
    const slow: MountedFile = {
      id: 'file_slow',
      name: 'b',
      size_bytes: 4,
      async *content() {
        await gate;
        yield Buffer.from('slow');
      },
    };
    const broken: MountedFile = {
      id: 'file_broken',
      name: 'c',
      size_bytes: 3,
      async *content() {
        yield Buffer.from('d');
        throw new Error('MongoDB is away');
      },
    };
    const coming = openWith(file('a', 'first'), slow);
    const failing = openWith(broken);
    comes();
    await coming;
    await expect(failing).rejects.toThrow('MongoDB is away');
    await openWith(file('a', 'first'), slow);
    expect((await run(workspace, `cat ${UPLOADS}/a ${UPLOADS}/b`)).output).toBe('firstslow');
  });

  it.each([
    ['at once', ''],
    ['midway', 'd'],
  ])('is brought again where it is missing or not whole, and a failure %s leaves nothing', async (_when, before) => {
    await openWith(file('c', 'whole'));
    writeFileSync(join(sandbox.dataDir, 'workspaces/sesn_files/uploads/c'), 'who');
    const broken: MountedFile = {
      id: 'file_broken',
      name: 'd',
      size_bytes: 3,
      async *content() {
        if (before !== '') yield Buffer.from(before);
        throw new Error('MongoDB is away');
      },
    };
    await expect(openWith(file('c', 'whole'), broken)).rejects.toThrow('MongoDB is away');
    const workspace = await openWith(file('c', 'whole'));
    expect((await run(workspace, `ls ${UPLOADS}; cat ${UPLOADS}/c`)).output).toBe('c\nwhole');
    const left = readdirSync(join(sandbox.dataDir, 'workspaces')).filter((name) => name.startsWith('.run-'));
    const parts = left.flatMap((name) => readdirSync(join(sandbox.dataDir, 'workspaces', name)));
    expect(parts.filter((name) => name.startsWith('part-'))).toEqual([]);
  });

  it('is brought once when several calls need it at the same time, and goes with the session', async () => {
    const opened = await Promise.all([1, 2, 3].map(() => openWith(file('e', 'once'))));
    expect(new Set(opened).size).toBe(1);
    expect(reads.get('e')).toBe(1);
    await sandbox.provider.destroy('sesn_files');
    expect(existsSync(join(sandbox.dataDir, 'workspaces/sesn_files'))).toBe(false);
  });
});

describe('what the agent leaves for people', () => {
  it('is found with its size, oldest first, also in folders and by file tools', async () => {
    const workspace = await openWith();
    expect(await sandbox.provider.hasOutputs('sesn_files')).toBe(false);
    expect(await workspace.outputs(signal)).toEqual([]);
    await run(
      workspace,
      `cd ${OUTPUTS}; mkdir -p deep/er; echo one > "deep/er/a file\nof two lines"; seq 100000 > numbers`,
    );
    await workspace.writeFile(`${OUTPUTS}/by-tool.txt`, 'tool');
    const found = await workspace.outputs(signal);
    expect(found.map(({ path, size_bytes }) => [path, size_bytes])).toEqual([
      ['deep/er/a file\nof two lines', 4],
      ['numbers', 588_895],
      ['by-tool.txt', 4],
    ]);
    expect(await contentOf(workspace, 'deep/er/a file\nof two lines')).toBe('one\n');
    expect(await contentOf(workspace, 'numbers')).toHaveLength(588_895);
    expect(await sandbox.provider.hasOutputs('sesn_files')).toBe(true);
    expect(await sandbox.provider.hasOutputs('sesn_none')).toBe(false);
  });

  it('is marked by every change, and nobody inside can hide one', async () => {
    const workspace = await openWith();
    await run(workspace, `echo 1 > ${OUTPUTS}/a`);
    const [before] = await workspace.outputs(signal);
    await run(workspace, `cd ${OUTPUTS}; cp -p a /tmp/old; echo 2 > a; touch -r /tmp/old a`);
    const [after] = await workspace.outputs(signal);
    expect(after?.size_bytes).toBe(before?.size_bytes);
    expect(after?.changed).not.toBe(before?.changed);
  });

  it.each([
    ['a link to a file', 'ln -s /etc/passwd x'],
    ['a link to a folder', 'ln -s /etc x'],
    ['a link to an attached file', `ln ${UPLOADS}/secret x || ln -s ${UPLOADS}/secret x`],
    ['a pipe', 'mkfifo x'],
    ['a socket', `python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("x")'`],
    ['a device', 'mknod x c 1 5 || mkfifo x'],
  ])('is not %s', async (_what, plant) => {
    const workspace = await openWith(file('secret', 'attached'));
    await run(workspace, `cd ${OUTPUTS}; ${plant}`);
    expect(await workspace.outputs(signal)).toEqual([]);
    await expect(contentOf(workspace, 'x')).rejects.toThrow(/may be used|not exist/);
  });

  it('keeps nobody by growing, and ends where it was when it was found', async () => {
    const workspace = await openWith();
    await run(workspace, `cd ${OUTPUTS}; echo start > log; (while :; do echo more >> log; done) > /dev/null 2>&1 &`);
    const [found] = await workspace.outputs(signal);
    expect(await contentOf(workspace, 'log', found?.size_bytes)).toHaveLength(found?.size_bytes ?? -1);
  });

  it('is not read any further than it is taken, and lets go when nobody wants more', async () => {
    const workspace = await openWith();
    await run(workspace, `head -c ${32 * MiB} /dev/zero > ${OUTPUTS}/large`);
    let pieces = 0;
    for await (const piece of workspace.readOutput('large', 64 * MiB, signal)) {
      expect(piece.length).toBeLessThan(MiB);
      pieces += 1;
      if (pieces === 3) break;
    }
    const stop = new AbortController();
    const reading = workspace.readOutput('large', 64 * MiB, stop.signal)[Symbol.asyncIterator]();
    await reading.next();
    stop.abort();
    await expect(
      (async () => {
        while ((await reading.next()).done !== true);
      })(),
    ).rejects.toThrow();
  });

  it('counts towards what the workspace may hold', async () => {
    const workspace = await openWith();
    const result = await run(workspace, `head -c ${80 * MiB} /dev/zero > ${OUTPUTS}/large; sleep 5`);
    expect(result.note).toMatch(/disk limit/);
  });
});
