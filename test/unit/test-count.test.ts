import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const script = fileURLToPath(new URL('../../scripts/test-count.mjs', import.meta.url));
const file = (status: string, ...tests: string[]) => ({
  status,
  assertionResults: tests.map((of) => ({ status: of })),
});

test.each([
  ['all pass', [file('passed', 'passed', 'passed', 'skipped')], '2 passed, 0 failed\n', 0],
  ['one fails', [file('failed', 'passed', 'failed')], '1 passed, 1 failed\n', 1],
  ['a file does not load', [file('passed', 'passed'), file('failed')], '1 passed, 1 failed\n', 1],
  ['nothing ran', [], '0 passed, 0 failed\n', 1],
])('%s', (_name, testResults, line, code) => {
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-count-'));
  try {
    const report = join(dir, 'report.json');
    writeFileSync(report, JSON.stringify({ testResults }));
    expect(spawnSync(process.execPath, [script, report], { encoding: 'utf8' })).toMatchObject({
      stdout: line,
      status: code,
    });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
