import { z } from 'zod';
import { defineTool, describeCall, toolText } from '../tool.ts';
import type { Workspace } from '../workspace.ts';
import { orFileProblem } from './file-problem.ts';

/** More rows help nobody; a narrower pattern does. */
const MAX_ROWS = 1000;

const path = z.string().min(1).max(4096).optional().describe('Folder to search; default /workspace.');

interface Search {
  name: string;
  description: string;
  pattern: string;
  title: string;
  find(workspace: Workspace, pattern: string, path: string | undefined, signal: AbortSignal): Promise<string[]>;
}

function searchTool({ name, description, pattern, title, find }: Search) {
  return defineTool({
    name,
    description,
    input: z.object({ pattern: z.string().min(1).max(10_000).describe(pattern), path }),
    idempotent: true,
    parallel: true,
    describe: (input) =>
      describeCall(
        title,
        `${title}: ${input.pattern}`,
        [input.pattern, ...(input.path === undefined ? [] : [`in ${input.path}`])].join('\n'),
      ),
    run: (input, context) =>
      orFileProblem(async () => {
        const workspace = await context.openWorkspace();
        const rows = await find(workspace, input.pattern, input.path, context.signal);
        if (rows.length === 0) return toolText('Nothing matches.');
        const more = rows.length > MAX_ROWS ? `\n(only the first ${MAX_ROWS} are shown; narrow the pattern)` : '';
        return toolText(rows.slice(0, MAX_ROWS).join('\n') + more);
      }),
  });
}

export const glob = searchTool({
  name: 'glob',
  description: 'Find files by name. Newest first.',
  pattern: 'Doublestar pattern such as **/*.ts.',
  title: 'Find files',
  find: (workspace, pattern, from, signal) => workspace.glob(pattern, from, MAX_ROWS + 1, signal),
});

export const grep = searchTool({
  name: 'grep',
  description: 'Search the contents of files for a regular expression. Rows are path:line:text.',
  pattern: 'Extended regular expression.',
  title: 'Search in files',
  find: (workspace, pattern, from, signal) => workspace.grep(pattern, from, MAX_ROWS + 1, signal),
});
