/**
 * Prints `<n> passed, <n> failed` from vitest's JSON report, given as the only argument. A file that failed before its
 * tests ran counts as one failure. Ends with code 1 when anything failed, nothing passed, or there is no report.
 */
import { readFileSync } from 'node:fs';

/** @typedef {{ status: string, assertionResults: { status: string }[] }} FileResult */

/**
 * @param {FileResult[]} files
 * @returns {{ passed: number, failed: number }}
 */
function count(files) {
  const tests = files.flatMap((file) => file.assertionResults);
  const broken = files.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  );
  return {
    passed: tests.filter((test) => test.status === 'passed').length,
    failed: tests.filter((test) => test.status === 'failed').length + broken.length,
  };
}

/** @returns {FileResult[]} */
function readReport() {
  try {
    return JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')).testResults;
  } catch (error) {
    process.stderr.write(`vitest left no report: ${String(error)}\n`);
    return [];
  }
}

const { passed, failed } = count(readReport());
process.stdout.write(`${passed} passed, ${failed} failed\n`);
if (passed === 0 || failed > 0) process.exitCode = 1;
