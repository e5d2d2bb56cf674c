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

/** The modal that is open for somebody, without what is Slack's own or never seen. */
export function modalShown(person: SlackPerson): string {
  const view = person.view();
  if (view === undefined) throw new Error(`No modal is open for ${person.user.name}`);
  const { title, submit, close, blocks } = view;
  return JSON.stringify({ type: 'modal', title, submit, close, blocks: withoutIds(blocks) }, null, 2);
}
