import { z } from 'zod';
import { defineTool, describeCall, toolError, toolText } from '../tool.ts';
import { orFileProblem } from './file-problem.ts';

const MAX_BYTES = 10 * 1024 * 1024;

const input = z.object({
  file_path: z.string().min(1).max(4096).describe('Path of the file, absolute or relative to /workspace.'),
  old_string: z.string().min(1).max(1_000_000).describe('The exact text to replace, with its white space.'),
  new_string: z.string().max(1_000_000).describe('What to put in its place.'),
  replace_all: z
    .boolean()
    .optional()
    .describe('Replace every occurrence; otherwise old_string must occur exactly once.'),
});

export const edit = defineTool({
  name: 'edit',
  description: `Replace text in a file of the workspace. old_string must match exactly and occur exactly once, unless \
replace_all is true: include enough of the surrounding lines to make it unique.`,
  input,
  // A second run would not find its old_string, or change the replacement itself.
  idempotent: false,
  parallel: false,
  describe: ({ file_path, old_string, new_string, replace_all }) => {
    const where = replace_all === true ? ' (everywhere in it)' : '';
    return describeCall(
      'Edit a file',
      `Edit ${file_path}${where}`,
      `${file_path}${where}\n\n- ${old_string}\n+ ${new_string}`,
    );
  },
  run: ({ file_path, old_string, new_string, replace_all }, context) =>
    orFileProblem(async () => {
      const workspace = await context.openWorkspace();
      const text = Buffer.from(await workspace.readFile(file_path, MAX_BYTES)).toString('utf8');
      const pieces = text.split(old_string);
      const found = pieces.length - 1;
      if (found === 0)
        return toolError(`old_string does not occur in ${file_path}. Read the file and copy the text exactly.`);
      if (found > 1 && replace_all !== true) {
        return toolError(`old_string occurs ${found} times in ${file_path}. Make it longer, or set replace_all.`);
      }
      const length = text.length + found * (new_string.length - old_string.length);
      if (length > MAX_BYTES) {
        return toolError(`${file_path} would have ${length} characters; at most ${MAX_BYTES} can be edited. Use bash.`);
      }
      await workspace.writeFile(file_path, pieces.join(new_string));
      return toolText(`Replaced ${found} occurrence${found === 1 ? '' : 's'} in ${file_path}.`);
    }),
});
