import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import { matrixRows, sumOf } from '../support/kill/matrix-page.ts';

/** What the kill matrix promises of each step: a session goes on elsewhere within so long. */
const PROMISED_MS = 5_000;

const { lease_ms: lease, sweep_ms: sweep } = loadConfig({}).timings;
const INTERVALS = { lease, sweep };

test('every step of the kill matrix names the settings that bound its detection', () => {
  expect(matrixRows().length).toBeGreaterThan(30);
  expect(matrixRows().filter(({ noticed_after }) => Number.isNaN(sumOf(noticed_after, INTERVALS)))).toEqual([]);
});

test('with the defaults each is noticed in what is promised', () => {
  expect(matrixRows().filter(({ noticed_after }) => sumOf(noticed_after, INTERVALS) > PROMISED_MS)).toEqual([]);
  // The slowest there is, of a second loss in the same place.
  expect(sumOf('lease + sweep + sweep', INTERVALS)).toBeLessThanOrEqual(PROMISED_MS);
});

test('the page says what the defaults are', () => {
  const page = readFileSync('docs/reliability.md', 'utf8');
  expect(page).toContain(`| \`DECKHAND_LEASE_MS\` | ${lease} |`);
  expect(page).toContain(`| \`DECKHAND_SWEEP_MS\` | ${sweep} |`);
  expect(page).toContain(`${(lease + sweep) / 1_000} s with the defaults`);
});
