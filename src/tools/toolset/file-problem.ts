import { type ToolResult, toolError } from '../tool.ts';
import { WorkspaceFileError } from '../workspace.ts';

/** What the workspace refused, as a result that Claude can act on. Anything else goes on being thrown. */
export async function orFileProblem(work: () => Promise<ToolResult>): Promise<ToolResult> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof WorkspaceFileError) return toolError(error.message);
    throw error;
  }
}
