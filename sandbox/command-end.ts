import type { ExecResult, WorkspaceLimits } from '../src/tools/workspace.ts';
import type { CommandEnd } from './shell.ts';

/** A command that took the shell with it. */
export interface DescribedEnd {
  result: ExecResult;
  /** For Claude: why, and what is left. */
  note: string;
  /** The next shell begins without the directory and variables of this one. */
  ends_state: boolean;
}

const IN_NEW_SHELL =
  'Everything that ran in the sandbox was ended; the next command starts in a new shell with the directory and variables from before this one.';

/** What to say of a command after which its shell is gone. */
export function describeEnd(
  outcome: Exclude<CommandEnd['outcome'], 'done'>,
  { exit_code, output }: Pick<CommandEnd, 'exit_code' | 'output'>,
  { limits, timeout_ms }: { limits: WorkspaceLimits; timeout_ms: number },
): DescribedEnd {
  switch (outcome) {
    case 'shell_ended':
      return {
        result: { outcome: 'exited', exit_code, output },
        note: 'The shell itself ended. The next command starts in a new one, in /workspace and without earlier variables.',
        ends_state: true,
      };
    case 'disk_limit': {
      const why = `Stopped: the files went over the disk limit of ${megabytes(limits.disk_bytes)}; delete something.`;
      return keepsState({ outcome: 'exited', exit_code: 137, output }, why);
    }
    case 'timed_out':
      return keepsState({ outcome, exit_code: null, output }, `Stopped after ${timeout_ms} ms.`);
    case 'output_limit': {
      const why = `Stopped: it printed more than ${megabytes(limits.output_bytes)}.`;
      return keepsState({ outcome, exit_code: null, output }, why);
    }
    case 'interrupted':
    case 'lost':
      return keepsState({ outcome, exit_code: null, output }, '');
    default:
      return outcome satisfies never;
  }
}

function keepsState(result: ExecResult, why: string): DescribedEnd {
  return { result, note: why === '' ? IN_NEW_SHELL : `${why} ${IN_NEW_SHELL}`, ends_state: false };
}

export function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MB`;
}
