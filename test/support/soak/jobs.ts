/**
 * What a person asks for, small enough to stand in the message: the scripted Claude needs nothing but the conversation,
 * so whichever worker asks it, and however often, it goes on in the same way.
 *
 *   say    a short answer.
 *   long   `size` numbered lines, streamed.
 *   steps  `size` commands, one after another; each appends its own line to the session's trace.
 *   batch  the same in one answer of Claude's, with a look at the files beside them.
 *   edit   a file with one mark in it, and a change that doubles the mark, which people must approve.
 */
export type JobKind = 'say' | 'long' | 'steps' | 'batch' | 'edit';

export interface Job {
  /** Unique in a soak: `s3m1` is the first message of the third session. */
  id: string;
  kind: JobKind;
  size: number;
}

const JOB = /\[job (\w+) (say|long|steps|batch|edit) (\d+)\]/g;

export function jobText(job: Job): string {
  return `please do [job ${job.id} ${job.kind} ${job.size}]`;
}

export function jobsIn(text: string): Job[] {
  return [...text.matchAll(JOB)].map(([, id = '', kind = '', size = '']) => ({
    id,
    kind: kind as JobKind,
    size: Number(size),
  }));
}

/** Claude's last words about a job. */
export function doneText(job: Pick<Job, 'id'>, remark = ''): string {
  return `done (${job.id})${remark}`;
}

const DONE = /done \((\w+)\)/g;

/** Jobs that this text says are done. */
export function doneIn(text: string): string[] {
  return [...text.matchAll(DONE)].map(([, id = '']) => id);
}

export function longText(job: Job): string {
  return Array.from({ length: job.size }, (_, line) => `line ${line + 1} of ${job.id}`).join('\n');
}

/** The line that one command leaves in the trace: it names the tool call, not just what the call is for. */
export function traceLine(job: string, step: number, attempt: number): string {
  return `${job}.${step}.${attempt}`;
}

export const TRACE_FILE = 'trace';
/** What a command could see: the environment of each process in its sandbox. */
export const SEEN_FILE = 'seen';
export const MARK = 'x';

export function editFile(job: string, attempt: number): string {
  return `${job}.${attempt}.edit`;
}
