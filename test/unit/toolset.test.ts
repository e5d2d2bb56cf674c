import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { SPILL_CHARS } from '../../src/tools/spill.ts';
import type { Tool, ToolResult } from '../../src/tools/tool.ts';
import { AGENT_TOOLSET } from '../../src/tools/toolset/agent-toolset.ts';
import { type ExecResult, type Workspace, WorkspaceFileError } from '../../src/tools/workspace.ts';
import { cases } from '../support/cases.ts';
import { png } from '../support/images.ts';

const limits = { processes: 1, memory_bytes: 1, cpus: 1, file_bytes: 1, disk_bytes: 1, output_bytes: 1, timeout_ms: 1 };

/** A workspace in memory: the far side of the tools. */
function memoryWorkspace(files: Record<string, string | Uint8Array> = {}, exec: Partial<ExecResult> = {}) {
  const workspace: Workspace = {
    session_id: 's',
    root: '/workspace',
    limits,
    warmUp: async () => undefined,
    exec: async () => ({ outcome: 'exited', exit_code: 0, output: '', ...exec }),
    restartShell: async () => undefined,
    async readFile(path) {
      const content = files[path];
      if (content === undefined) throw new WorkspaceFileError('not_found', `${path} does not exist.`);
      return Buffer.from(content);
    },
    async writeFile(path, content) {
      files[path] = content;
    },
    glob: async () => [],
    grep: async () => Array.from({ length: 1001 }, (_, row) => `f:${row}:x`),
    outputs: async () => [],
    async *readOutput() {},
    [Symbol.asyncDispose]: async () => undefined,
  };
  return { files, workspace };
}

async function run(name: string, input: unknown, at = memoryWorkspace()): Promise<ToolResult> {
  const tool = AGENT_TOOLSET.find((one) => one.definition.name === name);
  if (tool === undefined) throw new Error(`no tool ${name}`);
  return tool.run(input, {
    session_id: 's',
    workspace_id: 'w',
    openWorkspace: async () => at.workspace,
    onProgress: () => undefined,
    signal: new AbortController().signal,
  });
}

function textOf(result: ToolResult): string {
  return result.content.map((block) => (block.type === 'text' ? block.text : block.type)).join('\n');
}

describe('bash', () => {
  test.each<[Partial<ExecResult>, string, boolean]>([
    [{ output: 'hi\n' }, 'hi', false],
    [{ output: '' }, '(no output)', false],
    [{ output: 'x\n', exit_code: 3 }, 'x\n(exit code 3)', true],
    [
      { outcome: 'timed_out', exit_code: null, note: 'after 5 s' },
      'The command ran too long and was stopped.\nafter 5 s',
      true,
    ],
    [{ outcome: 'lost', exit_code: null }, 'The sandbox was lost', true],
  ])('says how a command ended: %o', async (exec, text, is_error) => {
    const result = await run('bash', { command: 'x' }, memoryWorkspace({}, exec));
    expect(textOf(result)).toContain(text);
    expect(result.is_error).toBe(is_error);
  });

  test('puts long output into a file and shows both ends', async () => {
    const output = `START${'x'.repeat(SPILL_CHARS)}END`;
    const at = memoryWorkspace({}, { output });
    const text = textOf(await run('bash', { command: 'yes' }, at));
    expect(text.length).toBeLessThan(7000);
    expect(text).toMatch(/START/);
    expect(text).toMatch(/END$/);
    const [path] = Object.keys(at.files);
    expect(text).toContain(path);
    expect(at.files[path ?? '']).toBe(output);
  });

  test('needs a command or a restart', async () => {
    expect(await run('bash', {})).toMatchObject({ is_error: true });
    expect(await run('bash', { restart: true })).toMatchObject({ is_error: false });
  });
});

describe('bad input from the model is an answer, never an exception', () => {
  const inputs = [
    null,
    'text',
    7,
    [],
    {},
    { file_path: 1 },
    { pattern: '' },
    JSON.parse('{"__proto__": {"command": 1}}'),
  ];
  test.each(AGENT_TOOLSET.map((tool) => tool.definition.name))('%s', async (name) => {
    for (const input of inputs) expect(await run(name, input)).toMatchObject({ is_error: true });
  });
});

/** What Claude may give each tool, as its own definition says. */
function inputsOf({ definition }: Tool): fc.Arbitrary<Record<string, unknown>> {
  const { properties, required = [] } = definition.input_schema;
  const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 100 });
  const kinds: Record<string, fc.Arbitrary<unknown>> = {
    string: text,
    boolean: fc.boolean(),
    integer: fc.integer({ min: 0, max: 10_000 }),
    array: fc.array(fc.integer({ min: 0, max: 10_000 }), { minLength: 2, maxLength: 2 }),
  };
  const fields = Object.entries(properties).map(([name, schema]) => {
    const { type } = z.object({ type: z.string() }).parse(schema);
    const kind = kinds[type];
    if (kind === undefined) throw new Error(`no values for ${name}, which is a ${type}`);
    return [name, kind] as const;
  });
  return fc.record(Object.fromEntries(fields), { requiredKeys: required });
}

describe('what a person approves by', () => {
  /** Says the same as if it were not there. */
  const hasNoEffect = (value: unknown) => value === false || value === 0;

  test.each(AGENT_TOOLSET.map((tool) => [tool.definition.name, tool] as const))(
    'shows every argument of %s that has an effect, all texts as they are',
    (_name, tool) => {
      fc.assert(
        fc.property(inputsOf(tool), (input) => {
          const { detail } = tool.describe(input);
          for (const [name, value] of Object.entries(input)) {
            if (typeof value === 'string') expect(detail).toContain(value);
            if (tool.definition.input_schema.required?.includes(name) === true || hasNoEffect(value)) continue;
            const { [name]: _left, ...without } = input;
            expect(tool.describe(without).detail).not.toBe(detail);
          }
        }),
        cases(200),
      );
    },
  );

  test('is the command, also where the shell is restarted before it', () => {
    const bash = AGENT_TOOLSET.find(({ definition }) => definition.name === 'bash');
    expect(bash?.describe({ command: 'rm -rf build', restart: false, timeout_ms: 0 }).detail).toBe('rm -rf build');
    expect(bash?.describe({ restart: true, command: 'rm -rf build' })).toEqual({
      title: 'Restart the shell and run a command',
      summary: 'Restart the shell. Run a command that deletes files (rm)',
      detail: 'restart: true\ncommand: rm -rf build',
    });
    expect(bash?.describe({ restart: true })).toMatchObject({ title: 'Restart the shell', detail: 'restart: true' });
  });
});

describe('a call in words', () => {
  test('says of an edit when it replaces everywhere', () => {
    const tool = AGENT_TOOLSET.find(({ definition }) => definition.name === 'edit');
    const input = { file_path: '/a', old_string: 'x', new_string: 'y' };
    expect(tool?.describe(input)).toMatchObject({ summary: 'Edit /a', detail: '/a\n\n- x\n+ y' });
    expect(tool?.describe({ ...input, replace_all: true })).toMatchObject({
      summary: 'Edit /a (everywhere in it)',
      detail: '/a (everywhere in it)\n\n- x\n+ y',
    });
  });
});

describe('files', () => {
  test('reads whole files and ranges', async () => {
    const at = memoryWorkspace({ f: 'one\ntwo\nthree' });
    expect(textOf(await run('read', { file_path: 'f' }, at))).toBe('one\ntwo\nthree');
    expect(textOf(await run('read', { file_path: 'f', view_range: [2, 2] }, at))).toBe('two');
    expect(textOf(await run('read', { file_path: 'f', view_range: [2, -1] }, at))).toBe('two\nthree');
    expect(await run('read', { file_path: 'f', view_range: [4, 5] }, at)).toMatchObject({ is_error: true });
    expect(textOf(await run('read', { file_path: 'g' }, at))).toBe('g does not exist.');
  });

  test('shows images as images and refuses other binaries', async () => {
    const at = memoryWorkspace({ 'a.png': png(), 'wide.png': png(9_000, 1), 'b.bin': Buffer.from([1, 0, 2]) });
    expect((await run('read', { file_path: 'a.png' }, at)).content).toMatchObject([
      { type: 'image', source: { media_type: 'image/png' } },
    ]);
    expect(textOf(await run('read', { file_path: 'wide.png' }, at))).toContain('9000 by 1 pixels');
    expect(textOf(await run('read', { file_path: 'b.bin' }, at))).toContain('binary file of 3 bytes');
  });

  test('edits what is unique, or all of it when told', async () => {
    const at = memoryWorkspace({ f: 'a b a' });
    expect(textOf(await run('edit', { file_path: 'f', old_string: 'a', new_string: 'c' }, at))).toContain(
      'occurs 2 times',
    );
    expect(textOf(await run('edit', { file_path: 'f', old_string: 'z', new_string: 'c' }, at))).toContain(
      'does not occur',
    );
    await run('edit', { file_path: 'f', old_string: 'b', new_string: '$&' }, at);
    expect(at.files['f']).toBe('a $& a');
    await run('edit', { file_path: 'f', old_string: 'a', new_string: 'c', replace_all: true }, at);
    expect(at.files['f']).toBe('c $& c');
  });

  test('says when there is more than is shown', async () => {
    expect(textOf(await run('grep', { pattern: 'x' }))).toContain('only the first 1000 are shown');
    expect(textOf(await run('glob', { pattern: '*' }))).toBe('Nothing matches.');
  });
});
