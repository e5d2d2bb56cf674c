import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

/**
 * The import table of docs/design.md, held by lint: for each row every folder it does not name is imported once, and
 * lint must object to each; everything it does name must pass.
 */
const root = fileURLToPath(new URL('../..', import.meta.url));
const FOLDERS = ['api', 'approvals', 'chat', 'embedded', 'harness', 'queue', 'resources', 'session', 'tools'];
const TABLE: Record<string, string[]> = {
  session: [],
  queue: [],
  resources: ['session'],
  tools: ['session'],
  approvals: ['session', 'resources'],
  harness: ['session', 'resources', 'tools', 'approvals'],
  chat: ['session', 'resources', 'queue', 'approvals'],
  api: ['session', 'resources', 'queue', 'approvals'],
};
const CONNECTORS = ['slack', 'teams', 'web'];
const OPEN = ['src/errors.ts', 'src/logger.ts'];

const forbidden: [string, string][] = [];
const allowed: [string, string][] = [];
for (const [folder, may] of Object.entries(TABLE)) {
  const from = `src/${folder}/planted`;
  for (const other of FOLDERS.filter((name) => name !== folder)) {
    (may.includes(other) ? allowed : forbidden).push([from, `src/${other}/thing.ts`]);
  }
  for (const module of [
    'src/context.ts',
    'src/config.ts',
    'src/worker.ts',
    'sandbox/index.ts',
    'connectors/web/index.ts',
  ]) {
    forbidden.push([from, module]);
  }
  allowed.push(...OPEN.map((module): [string, string] => [from, module]));
}
for (const connector of CONNECTORS) {
  const from = `connectors/${connector}/planted`;
  allowed.push([from, 'src/chat/connector.ts'], ...OPEN.map((module): [string, string] => [from, module]));
  for (const other of CONNECTORS.filter((name) => name !== connector))
    forbidden.push([from, `connectors/${other}/index.ts`]);
  for (const folder of FOLDERS) forbidden.push([from, `src/${folder}/thing.ts`]);
  forbidden.push([from, 'src/chat/receive.ts'], [from, 'src/context.ts'], [from, 'sandbox/index.ts']);
}
// What Slack gives for each workspace is kept sealed.
allowed.push(['connectors/slack/planted', 'src/seal.ts']);
allowed.push(
  ['sandbox/planted', 'src/tools/workspace.ts'],
  ...OPEN.map((m): [string, string] => ['sandbox/planted', m]),
);
for (const folder of FOLDERS) forbidden.push(['sandbox/planted', `src/${folder}/thing.ts`]);
forbidden.push(['sandbox/planted', 'src/context.ts'], ['sandbox/planted', 'connectors/slack/index.ts']);

let house: string;

beforeAll(() => {
  house = mkdtempSync(join(tmpdir(), 'deckhand-floor-'));
  cpSync(join(root, '.oxlintrc.json'), join(house, '.oxlintrc.json'));
});

afterAll(() => {
  rmSync(house, { recursive: true, force: true });
});

/** Lint files in a copy of the house; returns `file rule` for each finding. */
function lint(files: Record<string, string>): string[] {
  for (const name of readdirSync(house)) {
    if (name !== '.oxlintrc.json') rmSync(join(house, name), { recursive: true });
  }
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(house, name)), { recursive: true });
    writeFileSync(join(house, name), text);
  }
  const oxlint = join(root, 'node_modules', 'oxlint', 'bin', 'oxlint');
  const { stdout } = spawnSync(process.execPath, [oxlint, '-f', 'json', '.'], { cwd: house, encoding: 'utf8' });
  const report = JSON.parse(stdout) as { diagnostics: { filename: string; code: string }[]; number_of_files: number };
  expect(report.number_of_files).toBeGreaterThanOrEqual(Object.keys(files).length);
  return report.diagnostics.map(({ filename, code }) => `${filename} ${code}`);
}

/** One file for each planted import, at the depth of the importing folder. */
function plant(imports: [string, string][]): Record<string, string> {
  return Object.fromEntries(
    imports.map(([from, module], index) => {
      const up = '../'.repeat(from.split('/').length - 1);
      // Within src the house writes `../session/log.ts`, not `../../src/session/log.ts`.
      const specifier =
        from.startsWith('src/') && module.startsWith('src/') ? `../${module.slice(4)}` : `${up}${module}`;
      return [`${from}-${index}.ts`, `import { thing } from '${specifier}';\nexport const planted = thing;\n`];
    }),
  );
}

describe('the import table', () => {
  test('every import it forbids is refused', () => {
    const files = plant(forbidden);
    const refused = lint(files).map((finding) => finding.split(' ')[0]);
    expect(new Set(refused)).toEqual(new Set(Object.keys(files)));
  });

  test('every import it allows passes', () => {
    expect(lint(plant(allowed))).toEqual([]);
  });

  test('a type is an import too, and so is a nested folder and a re-export', () => {
    const findings = lint({
      'src/harness/a.ts': `import type { Queue } from '../queue/turn-queue.ts';\nexport type A = Queue;\n`,
      'src/tools/toolset/b.ts': `import { turn } from '../../harness/turn.ts';\nexport const b = turn;\n`,
      'src/session/c.ts': `export { turn } from '../harness/turn.ts';\n`,
    });
    expect(findings).toHaveLength(3);
  });
});

test('circles, the environment and any are refused; the configuration may read the environment', () => {
  const findings = lint({
    'src/session/a.ts': `import { b } from './b.ts';\nexport const a = (): number => b();\n`,
    'src/session/b.ts': `import { a } from './a.ts';\nexport const b = (): number => a();\n`,
    'src/tools/env.ts': 'export const home = process.env.HOME;\n',
    'src/tools/any.ts': 'export function echo(value: any): unknown {\n  return value;\n}\n',
    'src/config.ts': 'export const home = process.env.HOME;\n',
  });
  expect(findings.toSorted()).toEqual([
    'src/session/a.ts import(no-cycle)',
    'src/session/b.ts import(no-cycle)',
    'src/tools/any.ts typescript(no-explicit-any)',
    'src/tools/env.ts node(no-process-env)',
  ]);
});
