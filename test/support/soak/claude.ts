import { randomBytes } from 'node:crypto';
import type { BetaMessageParam, BetaToolResultBlockParam } from '@anthropic-ai/sdk/resources/beta/messages/messages';
import type { ScriptedReply } from '../../../src/embedded/messages-api.ts';
import {
  doneIn,
  doneText,
  editFile,
  type Job,
  jobsIn,
  longText,
  MARK,
  SEEN_FILE,
  TRACE_FILE,
  traceLine,
} from './jobs.ts';

/** A job whose calls fail this often is given up: it says so, and the run ends in words. */
const MAX_CALLS = 20;

type ToolUse = NonNullable<ScriptedReply['tool_uses']>[number];

/** What the conversation says so far. */
interface Reading {
  jobs: Job[];
  done: Set<string>;
  calls: Call[];
}

interface Call {
  job: string;
  step: number;
  attempt: number;
  /** `do` has an effect, `check` looks whether a lost `do` had it. */
  purpose: 'do' | 'check' | 'make';
  result: { text: string; is_error: boolean } | null;
}

/**
 * Claude's next answer, from the conversation alone: it finishes what can be finished, in the order it was asked, and
 * makes the next calls of the first job that is not done. A call that came back as lost is looked after: it is only made
 * again when it left nothing behind.
 */
export function answerOf(messages: readonly BetaMessageParam[]): ScriptedReply {
  const reading = read(messages);
  const said: string[] = [];
  for (const job of reading.jobs) {
    if (reading.done.has(job.id)) continue;
    const next = nextOf(job, reading);
    if (next.calls.length > 0) {
      said.push(`working on ${job.id}, call ${callsOf(job, reading).length + 1}`);
      return { text: said.join('\n\n'), tool_uses: next.calls };
    }
    said.push(next.words);
  }
  return { text: said.length === 0 ? 'There is nothing to do.' : said.join('\n\n') };
}

function read(messages: readonly BetaMessageParam[]): Reading {
  const jobs = new Map<string, Job>();
  const done = new Set<string>();
  const calls: (Call & { id: string })[] = [];
  for (const { role, content } of messages) {
    for (const block of Array.isArray(content) ? content : []) {
      if (block.type === 'text' && role === 'user')
        for (const job of jobsIn(block.text.replace(/^> .*$/gm, ''))) jobs.set(job.id, job);
      if (block.type === 'text' && role === 'assistant') for (const id of doneIn(block.text)) done.add(id);
      if (block.type === 'tool_use') calls.push({ ...parseCallId(block.id), id: block.id, result: null });
      if (block.type === 'tool_result') {
        const call = calls.findLast((one) => one.id === block.tool_use_id);
        if (call !== undefined) call.result = { text: textOf(block.content), is_error: block.is_error === true };
      }
    }
  }
  return { jobs: [...jobs.values()], done, calls };
}

function textOf(content: BetaToolResultBlockParam['content']): string {
  if (content === undefined || typeof content === 'string') return content ?? '';
  return content.map((block) => (block.type === 'text' ? block.text : '')).join('\n');
}

function callsOf(job: Job, { calls }: Reading): Call[] {
  return calls.filter((call) => call.job === job.id);
}

function nextOf(job: Job, reading: Reading): { calls: ToolUse[]; words: string } {
  const mine = callsOf(job, reading);
  if (mine.some((call) => call.result?.text.startsWith('Denied') === true)) return finished(job, ' (denied)');
  if (mine.length >= MAX_CALLS) return finished(job, ' (given up)');
  switch (job.kind) {
    case 'say':
      return finished(job);
    case 'long':
      return { calls: [], words: `${longText(job)}\n\n${doneText(job)}` };
    case 'steps': {
      for (let step = 1; step <= job.size; step++) {
        const use = stepUse(job, step, mine);
        if (use !== null) return { calls: [use], words: '' };
      }
      return finished(job);
    }
    case 'batch': {
      const uses = Array.from({ length: job.size }, (_, index) => stepUse(job, index + 1, mine));
      const open = uses.filter((use) => use !== null);
      const look = { name: 'glob', input: { pattern: '*' }, id: callId(job.id, 0, mine.length, 'check') };
      return open.length === 0 ? finished(job) : { calls: [...open, look], words: '' };
    }
    case 'edit': {
      const use = editUse(job, mine);
      return use === null ? finished(job) : { calls: [use], words: '' };
    }
    default:
      return job.kind satisfies never;
  }
}

function finished(job: Job, remark = ''): { calls: ToolUse[]; words: string } {
  return { calls: [], words: doneText(job, remark) };
}

/** Null when this step is done. */
function stepUse(job: Job, step: number, mine: readonly Call[]): ToolUse | null {
  const tries = mine.filter((call) => call.step === step && call.purpose === 'do');
  const last = tries.at(-1);
  if (last?.result?.is_error === false) return null;
  if (last !== undefined) {
    const check = mine.findLast(
      (call) => call.step === step && call.attempt === last.attempt && call.purpose === 'check',
    );
    const line = traceLine(job.id, step, last.attempt);
    if (check === undefined || check.result?.is_error !== false) {
      const command = `grep -cxF '${line}' ${TRACE_FILE} || true`;
      return { name: 'bash', input: { command }, id: callId(job.id, step, last.attempt, 'check') };
    }
    if (check.result.text.trim() === '1') return null;
  }
  const attempt = tries.length + 1;
  return { name: 'bash', input: { command: stepCommand(job, step, attempt) }, id: callId(job.id, step, attempt, 'do') };
}

/** The line comes first, last or between, so that a kill finds it there or not. */
function stepCommand(job: Job, step: number, attempt: number): string {
  const append = `echo '${traceLine(job.id, step, attempt)}' >> ${TRACE_FILE}; cat /proc/[0-9]*/environ > ${SEEN_FILE} 2> /dev/null || true`;
  const forms = [
    `${append}; sleep 0.3`,
    `sleep 0.3; ${append}`,
    `echo begun; sleep 0.1; ${append}; sleep 0.1; echo over`,
  ];
  return forms[(step + attempt + job.id.length) % forms.length] ?? append;
}

/** A file with one mark, then the change. Each attempt has a file of its own. */
function editUse(job: Job, mine: readonly Call[]): ToolUse | null {
  const last = mine.at(-1);
  if (last?.purpose === 'make' && last.result?.is_error === false) {
    const input = { file_path: editFile(job.id, last.attempt), old_string: MARK, new_string: MARK + MARK };
    return {
      name: 'edit',
      input: { ...input, replace_all: true },
      id: callId(job.id, 1, last.attempt, 'do'),
    };
  }
  if (last?.purpose === 'do' && last.result?.is_error === false) return null;
  const attempt = (last?.attempt ?? 0) + 1;
  const command = `printf ${MARK} > ${editFile(job.id, attempt)}`;
  return { name: 'bash', input: { command }, id: callId(job.id, 1, attempt, 'make') };
}

/** The Messages API's ids are Claude's to choose: these say what the call is for. */
function callId(job: string, step: number, attempt: number, purpose: Call['purpose']): string {
  return `toolu_${job}_${step}_${attempt}_${purpose}_${randomBytes(4).toString('hex')}`;
}

function parseCallId(id: string): Omit<Call, 'result'> {
  const [, job = '', step = '0', attempt = '0', purpose = 'do'] = id.split('_');
  return { job, step: Number(step), attempt: Number(attempt), purpose: purpose as Call['purpose'] };
}
