import { z } from 'zod';
import { type ImageMediaType, imageTypeOf, problemOfImage } from '../../image.ts';
import { SPILL_CHARS } from '../spill.ts';
import { defineTool, describeCall, type ToolResult, toolError, toolText } from '../tool.ts';
import { orFileProblem } from './file-problem.ts';

/** Largest file that is read; larger ones are looked at in parts with bash. */
const MAX_BYTES = 10 * 1024 * 1024;

const input = z.object({
  file_path: z.string().min(1).max(4096).describe('Path of the file, absolute or relative to /workspace.'),
  view_range: z
    .array(z.number().int())
    .length(2)
    .optional()
    .describe('[first line, last line], counted from 1; a last line of 0 or less means to the end.'),
});

export const read = defineTool({
  name: 'read',
  description: `Read a file of the workspace. Text comes back as it is; give view_range for a part of a long file. \
Images (PNG, JPEG, GIF, WebP) come back as pictures. Other binary files are refused: inspect them with bash.`,
  input,
  idempotent: true,
  parallel: true,
  describe: ({ file_path, view_range }) => {
    const lines = view_range === undefined ? '' : `\nlines ${view_range.join(' to ')}`;
    return describeCall('Read a file', `Read ${file_path}`, `${file_path}${lines}`);
  },
  run: ({ file_path, view_range }, context) =>
    orFileProblem(async () => {
      const workspace = await context.openWorkspace();
      const bytes = await workspace.readFile(file_path, MAX_BYTES);
      const media_type = imageTypeOf(bytes);
      if (media_type !== null) return image(file_path, bytes, media_type);
      const text = textOf(bytes);
      if (text === null)
        return toolError(`${file_path} is a binary file of ${bytes.length} bytes. Inspect it with bash.`);
      return view(file_path, text, view_range);
    }),
});

function view(path: string, text: string, range: number[] | undefined): ToolResult {
  const shown = range === undefined ? text : lines(text, range[0] ?? 1, range[1] ?? 0);
  if (shown === null) {
    return toolError(
      `view_range: ${path} has ${text.split('\n').length} lines; the first must be from 1 to that and not after the last.`,
    );
  }
  if (shown.length > SPILL_CHARS) {
    return toolError(
      `${path} has ${shown.length} characters here; at most ${SPILL_CHARS} fit. Give a smaller view_range, or search it with grep.`,
    );
  }
  return toolText(shown === '' ? '(empty file)' : shown);
}

function lines(text: string, first: number, last: number): string | null {
  const all = text.split('\n');
  const end = last <= 0 ? all.length : Math.min(last, all.length);
  if (first < 1 || first > all.length || end < first) return null;
  return all.slice(first - 1, end).join('\n');
}

function image(path: string, bytes: Uint8Array, media_type: ImageMediaType): ToolResult {
  const problem = problemOfImage(bytes, media_type);
  if (problem !== null) return toolError(`${path} is ${problem}. Make another image of it first.`);
  const data = Buffer.from(bytes).toString('base64');
  return { content: [{ type: 'image', source: { type: 'base64', media_type, data } }], is_error: false };
}

function textOf(bytes: Uint8Array): string | null {
  if (bytes.includes(0)) return null;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}
