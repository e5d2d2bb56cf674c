import { readdirSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { checkBlocks } from './block-limits.ts';
import { createSlackClock } from './clock.ts';
import { checkView } from './view-limits.ts';
import { createWorkspace, type SlackBlock } from './workspace.ts';

/*
 * What stands in test/snapshots/slack: a message (its blocks alone, or with the text beside them; the text alone), a view, what
 * is wrong with a form's fields, or several answers, each with who asked and how.
 */
const SNAPSHOTS = new URL('../../snapshots/slack/', import.meta.url);
const block = z.custom<SlackBlock>((one) => typeof one === 'object' && one !== null && 'type' in one);
const view = z
  .looseObject({ type: z.enum(['modal', 'home']), blocks: z.array(block) })
  .transform((sent) => ({ kind: 'view' as const, view: sent }));
const problems = z
  .object({ response_action: z.literal('errors'), errors: z.record(z.string(), z.string().min(1)) })
  .transform(({ errors }) => ({ kind: 'problems' as const, errors }));
const message = z
  .looseObject({ text: z.string(), blocks: z.array(block).default([]) })
  .transform(({ text, blocks }) => ({ kind: 'message' as const, text, blocks }));
const blocksAlone = z.array(block).transform((blocks) => ({ kind: 'message' as const, text: '', blocks }));
const surface = z.union([view, problems, message, blocksAlone]);
const answers = z.object({ answers: z.array(z.looseObject({ by: z.string(), asked: z.string() })).min(1) });

type Surface = z.infer<typeof surface>;

/** All snapshots, by name. */
export const snapshotNames = readdirSync(SNAPSHOTS).map((file) => file.replace(/\.json$/, ''));

export function snapshotOf(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`${name}.json`, SNAPSHOTS), 'utf8'));
}

/** How people asked for what a snapshot shows, such as `/agents list`; empty where it is no answer. */
export function askedIn(snapshot: unknown): string[] {
  return answers.safeParse(snapshot).data?.answers.map(({ asked }) => asked) ?? [];
}

export function surfacesOf(snapshot: unknown): Surface[] {
  const several = answers.safeParse(snapshot).data?.answers;
  return several === undefined ? [surface.parse(snapshot)] : several.map((one) => surface.parse(one));
}

/** @throws when Slack would not take it, or show nothing */
export function checkSurface(shown: Surface): void {
  switch (shown.kind) {
    case 'view':
      checkView(workspaceOf(JSON.stringify(shown.view)), { ...shown.view }, shown.view.type);
      return;
    case 'problems':
      if (Object.keys(shown.errors).length === 0) throw new Error('Nothing is wrong with any field');
      return;
    case 'message':
      if (shown.text === '' && shown.blocks.length === 0) throw new Error('It says nothing');
      checkBlocks(shown.blocks);
      return;
    default:
      shown satisfies never;
  }
}

/** A workspace with everybody and everything that is named. */
function workspaceOf(text: string) {
  const workspace = createWorkspace(createSlackClock());
  for (const [, id = ''] of text.matchAll(/"(U\w+)"/g)) workspace.users.set(id, { id, name: id, is_bot: false });
  for (const [, id = ''] of text.matchAll(/"(C\w+)"/g)) {
    workspace.channels.set(id, { id, name: id, kind: 'channel', members: new Set(), is_archived: false });
  }
  return workspace;
}
