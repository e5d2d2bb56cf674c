import { clip } from './tool.ts';
import type { Workspace } from './workspace.ts';

/** Longest output that goes back to Claude as it is, in characters (the Managed Agents toolset's own limit). */
export const SPILL_CHARS = 100_000;
/** How much of the beginning and of the end stays in sight when the rest goes to a file. */
const PREVIEW_HEAD = 4_000;
const PREVIEW_TAIL = 2_000;

/** Output within the limit as it is; longer output goes to a file of the workspace, with a preview and its path. */
export async function spill(workspace: Workspace, name: string, output: string): Promise<string> {
  if (output.length <= SPILL_CHARS) return output;
  const path = `${workspace.root}/.outputs/${name}.txt`;
  await workspace.writeFile(path, output);
  const tail = output.slice(-PREVIEW_TAIL).replace(/^[\uDC00-\uDFFF]/, '');
  return [
    `The output has ${output.length} characters. All of it is in ${path}; read it in parts or search it.`,
    `Beginning:\n${clip(output, PREVIEW_HEAD)}`,
    `End:\n${tail}`,
  ].join('\n\n');
}
