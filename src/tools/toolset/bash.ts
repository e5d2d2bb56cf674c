import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { argumentsOf } from '../../session/arguments.ts';
import { commandSummary } from '../command-summary.ts';
import { spill } from '../spill.ts';
import { defineTool, describeCall, type ToolResult, toolError } from '../tool.ts';
import type { ExecResult } from '../workspace.ts';

/** No command runs longer than this; the environment's own limit may be lower. */
const MAX_TIMEOUT_MS = 3_600_000;

const input = z.object({
  command: z.string().max(200_000).optional().describe('The command to run. Omit it only with restart.'),
  restart: z.boolean().optional().describe('Start a fresh shell instead of running a command.'),
  timeout_ms: z.number().int().min(0).max(MAX_TIMEOUT_MS).optional().describe('Stop the command after this time.'),
});

export const bash = defineTool({
  name: 'bash',
  description: `Run a command in a bash shell inside this session's sandbox. The shell persists between calls: the \
working directory, variables and functions stay until you restart it. Files under /workspace stay for the whole session. \
There is no network and no terminal: commands that ask for input get none. Output is stdout and stderr together. A \
command that runs too long is stopped with everything it started; start long-running services in the background with \
their output in a file.`,
  input,
  idempotent: false,
  parallel: false,
  describe({ command, restart, timeout_ms }) {
    // In the order in which they have their effect; what has none is left out.
    const detail = argumentsOf({
      restart: restart === true ? restart : undefined,
      command,
      timeout_ms: timeout_ms === 0 ? undefined : timeout_ms,
    });
    const run = commandSummary(command ?? '');
    if (restart !== true) return describeCall('Run a command', run, detail);
    if (command === undefined) return describeCall('Restart the shell', 'Restart the shell.', detail);
    return describeCall('Restart the shell and run a command', `Restart the shell. ${run}`, detail);
  },
  async prepare({ openWorkspace }) {
    const workspace = await openWorkspace();
    await workspace.warmUp();
  },
  async run({ command, restart, timeout_ms }, context) {
    const workspace = await context.openWorkspace();
    if (restart === true) {
      await workspace.restartShell();
      if (command === undefined)
        return { content: [{ type: 'text', text: 'The shell was restarted.' }], is_error: false };
    }
    if (command === undefined || command.trim() === '') return toolError('bash: give a command, or restart: true.');
    const result = await workspace.exec(
      {
        command,
        onOutput: context.onProgress,
        ...(timeout_ms === undefined || timeout_ms === 0 ? {} : { timeout_ms }),
      },
      context.signal,
    );
    const output = await spill(workspace, `bash-${randomBytes(6).toString('hex')}`, result.output);
    return report(result, output);
  },
});

const ENDINGS: Record<Exclude<ExecResult['outcome'], 'exited'>, string> = {
  timed_out: 'The command ran too long and was stopped.',
  interrupted: 'The command was interrupted.',
  output_limit: 'The command printed more than is allowed and was stopped.',
  lost: 'The sandbox was lost while the command ran; the next call gets a fresh one over the same files.',
};

function report(result: ExecResult, output: string): ToolResult {
  const failed = result.outcome !== 'exited' || result.exit_code !== 0;
  const ending = result.outcome === 'exited' ? exitLine(result.exit_code) : ENDINGS[result.outcome];
  const parts = [output.trimEnd(), ending, result.note ?? ''].filter((part) => part !== '');
  return { content: [{ type: 'text', text: parts.join('\n') || '(no output)' }], is_error: failed };
}

function exitLine(code: number | null): string {
  return code === 0 ? '' : `(exit code ${code ?? 'unknown'})`;
}
