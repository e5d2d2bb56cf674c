import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';

const ROOT = new URL('../../', import.meta.url);

/** What the pictures of docs/slack.md were drawn from, as sha256; docs/images/slack-pictures.json keeps it beside them. */
export interface DrawnFrom {
  /** Over all that draws. */
  renderer: string;
  /** Of each picture, over its snapshot. */
  snapshots: Record<string, string>;
}

/** As things are now. @param names of snapshots, each of which has a picture */
export function drawnFrom(names: readonly string[]): DrawnFrom {
  const own = readdirSync(new URL('scripts/pictures/', ROOT)).map((file) => `scripts/pictures/${file}`);
  const renderer = ['scripts/slack-pictures.ts', ...own].toSorted();
  return {
    renderer: sha256(...renderer),
    snapshots: Object.fromEntries(names.map((name) => [name, sha256(`test/snapshots/slack/${name}.json`)])),
  };
}

function sha256(...paths: string[]): string {
  const hash = createHash('sha256');
  for (const path of paths) hash.update(`${path}\n`).update(readFileSync(new URL(path, ROOT)));
  return hash.digest('hex');
}
