import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { withoutIds } from './block-limits.ts';
import type { SlackPerson } from './person.ts';
import type { SlackMessage } from './workspace.ts';

/** What the connector showed is what test/snapshots/slack has by this name; vitest writes a new one (`-u`: again). */
export async function matchesSnapshot(name: string, shown: string): Promise<void> {
  const file = fileURLToPath(new URL(`../../snapshots/slack/${name}.json`, import.meta.url));
  await expect(`${shown}\n`).toMatchFileSnapshot(file);
}

/** A message as Slack has it. */
export function messageShown({ text, blocks }: Pick<SlackMessage, 'blocks' | 'text'>): string {
  return JSON.stringify({ text, blocks: withoutIds(blocks) }, null, 2);
}

/** The modal that is open for somebody, as it was sent. */
export function modalShown(person: SlackPerson): string {
  const view = person.view();
  if (view === undefined) throw new Error(`No modal is open for ${person.user.name}`);
  const { callback_id, private_metadata, title, submit, close, blocks } = view;
  // Slack has the empty text for what was not said.
  const own = callback_id === '' ? {} : { callback_id, private_metadata };
  const sent = { type: 'modal', ...own, title, submit, close, blocks };
  return steady(JSON.stringify(sent, null, 2));
}

/** Each run has its own ids and times. */
export function steady(shown: string): string {
  return shown
    .replaceAll(/\b(sesn|appr|agent|env|file)_[0-9A-Za-z]{20,}/g, '$1_1')
    .replaceAll(/http:\/\/127\.0\.0\.1:\d+\/response\/\w+/g, 'https://hooks.slack.test/1')
    .replaceAll(/\b\d{10}\.\d{6}\b/g, '5.1')
    .replaceAll(/\/archives\/\w+\/p\d+/g, '/archives/C1/p51')
    .replaceAll(/\d{1,2} \w{3,9}, \d\d:\d\d UTC/g, '20 Nov, 12:00 UTC')
    .replaceAll(/\d{1,2} \w{3,9} at \d\d:\d\d UTC/g, '20 November at 12:00 UTC');
}
