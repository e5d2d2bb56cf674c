import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { runCalls } from '../../src/harness/tool-calls.ts';
import { findUnstorable } from '../../src/session/storable.ts';
import type { ToolResult } from '../../src/tools/tool.ts';
import { AGENT_TOOLSET } from '../../src/tools/toolset/agent-toolset.ts';
import type { Workspace } from '../../src/tools/workspace.ts';
import { CASES_TIMEOUT_MS, cases } from '../support/cases.ts';
import { expectCleanLog, keptLog } from '../support/fuzz/logged.ts';
import { mutants } from '../support/fuzz/mutate.ts';
import { expectNoSecret, SECRETS } from '../support/fuzz/secrets.ts';
import { run, type TestSandbox, testSandbox } from '../support/sandbox.ts';

/** Whatever a model puts into a call: its result says what came of it, and nothing outside of the sandbox is touched. */

const { logger, takeLog } = keptLog();

let sandbox: TestSandbox;
let workspace: Workspace;
/** On the host, beside the sandboxes and in another session's: what no call may read or change. */
let outside: string;
let neighbour: string;

beforeAll(async () => {
  sandbox = testSandbox();
  outside = mkdtempSync(join(tmpdir(), 'deckhand-outside-'));
  writeFileSync(join(outside, 'secret.txt'), SECRETS.foreign_name);
  const other = await sandbox.open('sesn_other');
  await other.writeFile('secret.txt', SECRETS.foreign_name);
  neighbour = join(sandbox.dataDir, 'workspaces');
  workspace = await sandbox.open('sesn_fuzz', { timeout_ms: 5_000 });
  await run(workspace, PREPARE);
});

afterAll(async () => {
  await sandbox[Symbol.asyncDispose]();
  rmSync(outside, { recursive: true, force: true });
});

afterEach(() => expectCleanLog(takeLog()));

/** Files with which patterns and paths can go wrong. */
const PREPARE = `
mkdir -p deep/er && echo 'one two' > a.txt && printf 'a%.0s' {1..30000} > slow.txt && echo b >> slow.txt
ln -s / root; ln -s ../../../../.. up; ln -s loop loop; ln -s /proc/self/environ environ; mkfifo pipe
printf '\\x00\\xff' > binary; head -c 300000 /dev/zero | tr '\\0' 'a' > long.txt; touch -- '-rf' 'new
line' "quo'te" '*' '[a'
`;

const VALID: Array<[tool: string, input: Record<string, unknown>]> = [
  ['bash', { command: 'echo hi; cat a.txt', timeout_ms: 2_000, restart: false }],
  [
    'bash',
    {
      command: 'cat root/etc/shadow /proc/1/environ ../../*/*/secret.txt 2>&1 | head -c 300; sleep 60',
      timeout_ms: 300,
    },
  ],
  ['read', { file_path: 'a.txt', view_range: [1, 2] }],
  ['read', { file_path: 'root/../up/{outside}/secret.txt' }],
  ['read', { file_path: '{outside}/secret.txt' }],
  ['read', { file_path: 'pipe' }],
  ['write', { file_path: 'deep/er/new.txt', content: 'text' }],
  ['write', { file_path: '{outside}/new.txt', content: 'text' }],
  ['write', { file_path: 'root/tmp/../{outside}/new.txt', content: 'text' }],
  ['edit', { file_path: 'a.txt', old_string: 'one', new_string: 'one', replace_all: true }],
  ['edit', { file_path: 'long.txt', old_string: 'a', new_string: 'b'.repeat(500), replace_all: true }],
  ['glob', { pattern: '**/*.txt', path: 'deep' }],
  ['glob', { pattern: `${'**/'.repeat(60)}*${'a*'.repeat(200)}`, path: '/' }],
  ['glob', { pattern: '{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}' }],
  ['glob', { pattern: '{outside}/*' }],
  ['grep', { pattern: 'two', path: '.' }],
  ['grep', { pattern: '(a+)+$', path: 'slow.txt' }],
  ['grep', { pattern: '(?:(?:a|a)*)*c|[' }],
  // Not all of /: that reads every file of the machine's /usr, and finds no more.
  ['grep', { pattern: 'PLANTED', path: '/tmp' }],
  ['grep', { pattern: 'PLANTED', path: '/mnt' }],
  ['grep', { pattern: 'PLANTED', path: '{outside}' }],
];

/** Everything on the host that a call could have reached: names and contents. */
function hostState(): string {
  const others = readdirSync(neighbour).filter((name) => name !== 'sesn_fuzz');
  const kept = readFileSync(join(outside, 'secret.txt'), 'utf8');
  return JSON.stringify([readdirSync(outside), kept, others.toSorted()]);
}

async function call(name: string, input: Record<string, unknown>): Promise<ToolResult> {
  const tools = new Map(AGENT_TOOLSET.map((tool) => [tool.definition.name, tool]));
  const settled = {
    confirmation: null,
    result: null,
    started: true,
    starts: 1,
    progress: '',
    permission: 'allow',
  } as const;
  const [result] = await runCalls(
    [{ event_id: 'sevt_1', tool_use_id: 'toolu_1', kind: 'agent', name, input, ...settled }],
    {
      session_id: 'sesn_fuzz',
      workspace_id: 'wrkspc_default',
      tools,
      openWorkspace: async () => workspace,
      onOutput: () => undefined,
      logger,
      now: Date.now,
      signal: new AbortController().signal,
    },
  );
  if (result === undefined) throw new Error('The call has no result');
  return result;
}

function expectResult({ content, is_error }: ToolResult): void {
  expect(is_error).toEqual(expect.any(Boolean));
  expect(content.length).toBeGreaterThan(0);
  for (const block of content) {
    if (block.type === 'text') expect(block.text.trim()).not.toBe('');
  }
  const text = JSON.stringify(content);
  expectNoSecret(text, 'the result');
  // A failure of ours, and not of what was asked for.
  expect(text).not.toMatch(/The tool \w+ failed|The sandbox failed|is not a function|Cannot read properties/);
}

const outsideOf = (json: string) => json.replaceAll('{outside}', outside);

describe.each(VALID)('%s %j', (name, input) => {
  it(
    'has a result',
    async () => {
      const before = hostState();
      expectResult(await call(name, JSON.parse(outsideOf(JSON.stringify(input)))));
      expect(hostState()).toBe(before);
    },
    CASES_TIMEOUT_MS,
  );
});

it(
  'any input of any tool has a result in words',
  async () => {
    const calls = fc
      .constantFrom(...VALID)
      .chain(([name, input]) => fc.record({ name: fc.constant(name), mutant: mutants(input) }));
    const before = hostState();
    await fc.assert(
      fc.asyncProperty(calls, async ({ name, mutant }) => {
        const input = inputOf(outsideOf(mutant.json));
        fc.pre(input !== null);
        expectResult(await call(name, input ?? {}));
        expect(hostState()).toBe(before);
        // Describing it for a card never throws, whatever it is.
        AGENT_TOOLSET.find((tool) => tool.definition.name === name)?.describe(input);
      }),
      cases(15),
    );
  },
  CASES_TIMEOUT_MS,
);

/** Arguments as a turn hands them on: objects that the log can hold. */
function inputOf(json: string): Record<string, unknown> | null {
  try {
    const parsed: unknown = JSON.parse(json);
    const isObject = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed);
    return isObject && findUnstorable(parsed) === null ? { ...parsed } : null;
  } catch {
    return null;
  }
}
