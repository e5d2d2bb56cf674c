import { z } from 'zod';
import { defineTool, describeCall, toolText } from '../tool.ts';
import { orFileProblem } from './file-problem.ts';

const input = z.object({
  file_path: z.string().min(1).max(4096).describe('Path of the file, absolute or relative to /workspace.'),
  content: z.string().max(10_000_000).describe('The whole content of the file.'),
});

export const write = defineTool({
  name: 'write',
  description: 'Write a file of the workspace, whole. Missing folders are made; an existing file is replaced.',
  input,
  idempotent: true,
  parallel: false,
  describe: ({ file_path, content }) =>
    describeCall('Write a file', `Write ${file_path}`, `${file_path}\n\n${content}`),
  run: ({ file_path, content }, context) =>
    orFileProblem(async () => {
      const workspace = await context.openWorkspace();
      await workspace.writeFile(file_path, content);
      return toolText(`Wrote ${Buffer.byteLength(content)} bytes to ${file_path}.`);
    }),
});
