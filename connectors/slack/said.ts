import { escape } from './mrkdwn.ts';

/** A message's text in Slack's markup with the names of what is attached to it, one a line. */
export function withFiles(
  text: string,
  files: ReadonlyArray<{ name?: string | null | undefined; title?: string | null | undefined }> = [],
): string {
  const attached = files.map((file) => escape(`[file: ${file.name ?? file.title ?? 'unnamed'}]`));
  return [text, ...attached].filter((part) => part !== '').join('\n');
}
