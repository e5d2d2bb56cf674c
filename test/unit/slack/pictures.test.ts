import { readdirSync, readFileSync, statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type DrawnFrom, drawnFrom } from '../../../scripts/pictures/drawn-from.ts';
import { surfaceHtml } from '../../../scripts/pictures/surface-html.ts';

const SNAPSHOTS = new URL('../../snapshots/slack/', import.meta.url);
const IMAGES = new URL('../../../docs/images/', import.meta.url);
const snapshots = readdirSync(SNAPSHOTS);

function read(name: string): unknown {
  return JSON.parse(readFileSync(new URL(name, SNAPSHOTS), 'utf8'));
}

/** Every word of the labels in a snapshot. */
function labelsOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(labelsOf);
  if (typeof value !== 'object' || value === null) return [];
  const here = 'type' in value && value.type === 'plain_text' && 'text' in value ? [String(value.text)] : [];
  // Not shown until somebody opens them.
  const shown = Object.entries(value).filter(([key]) => !['options', 'confirm', 'placeholder'].includes(key));
  return [...here, ...shown.flatMap(([, inner]) => labelsOf(inner))];
}

describe('the pictures of docs/slack.md', () => {
  it.each(snapshots)('can be drawn from %s, with every label in it', (name) => {
    const snapshot = read(name);
    const html = surfaceHtml(snapshot).replaceAll('&amp;', '&');
    for (const label of labelsOf(snapshot)) expect(html).toContain(label);
  });

  it('are no picture of a block that cannot be drawn', () => {
    expect(() => surfaceHtml([{ type: 'marquee', text: 'x' }])).toThrow();
    expect(() => surfaceHtml([{ type: 'markdown' }])).toThrow();
    expect(() => surfaceHtml([{ type: 'section', text: { type: 'mrkdwn', text: ':marquee: x' } }])).toThrow('no sign');
  });

  it('are each of a snapshot, shown in the docs, and small', () => {
    const docs = readFileSync(new URL('../../../docs/slack.md', import.meta.url), 'utf8');
    const shown = [...docs.matchAll(/\]\(images\/(slack-[a-z-]+\.png)\)/g)].flatMap(([, file]) => file ?? []);
    const drawn = readdirSync(IMAGES).filter((file) => /^slack-.*\.png$/.test(file));
    expect(new Set(shown)).toEqual(new Set(drawn));
    expect(shown).toHaveLength(drawn.length);
    expect(drawn.length).toBeLessThanOrEqual(12);
    for (const file of drawn) {
      expect(snapshots).toContain(`${file.replace(/^slack-/, '').replace(/\.png$/, '')}.json`);
      expect(statSync(new URL(file, IMAGES)).size).toBeLessThan(60_000);
    }
  });

  it('are as new as what they are drawn from', () => {
    const drawn = readdirSync(IMAGES).flatMap((file) => /^slack-(.*)\.png$/.exec(file)?.[1] ?? []);
    const then: DrawnFrom = JSON.parse(readFileSync(new URL('slack-pictures.json', IMAGES), 'utf8'));
    const now = drawnFrom(drawn);
    expect(then.renderer, 'what draws the pictures has changed: run npm run pictures').toBe(now.renderer);
    expect(then.snapshots, 'their snapshots have changed: run npm run pictures').toEqual(now.snapshots);
  });
});
