import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { loadConfig } from '../../src/config.ts';

/** What the kill matrix promises of each step: a session goes on elsewhere within so long. */
const PROMISED_MS = 5_000;

const { lease_ms: lease, sweep_ms: sweep } = loadConfig({}).timings;
const INTERVALS: Record<string, number> = { lease, sweep };

/** The rows of the kill matrix: each step, and the settings that bound the time until its loss is noticed. */
function rows(): { step: string; noticed_after: string }[] {
  const page = readFileSync('docs/reliability.md', 'utf8');
  const [, table = ''] = /## Kill matrix\n([\s\S]*?)(\n## |$)/.exec(page) ?? [];
  const lines = [...table.matchAll(/^\| ([^|]+) \|.*\| ([^|]+) \|$/gm)];
  return lines.slice(2).map(([, step = '', noticed_after = '']) => ({ step, noticed_after }));
}

function sumOf(settings: string): number {
  return settings
    .split(' + ')
    .map((name) => INTERVALS[name] ?? Number.NaN)
    .reduce((sum, ms) => sum + ms, 0);
}

test('every step of the kill matrix names the settings that bound its detection', () => {
  expect(rows().length).toBeGreaterThan(30);
  expect(rows().filter(({ noticed_after }) => Number.isNaN(sumOf(noticed_after)))).toEqual([]);
});

test('with the defaults each is noticed in what is promised', () => {
  expect(rows().filter(({ noticed_after }) => sumOf(noticed_after) > PROMISED_MS)).toEqual([]);
  // The slowest there is, of a second loss in the same place.
  expect(sumOf('lease + sweep + sweep')).toBeLessThanOrEqual(PROMISED_MS);
});

test('the page says what the defaults are', () => {
  const page = readFileSync('docs/reliability.md', 'utf8');
  expect(page).toContain(`| \`DECKHAND_LEASE_MS\` | ${lease} |`);
  expect(page).toContain(`| \`DECKHAND_SWEEP_MS\` | ${sweep} |`);
  expect(page).toContain(`${(lease + sweep) / 1_000} s with the defaults`);
});
