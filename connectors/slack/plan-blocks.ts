import type { AnyChunk, PlanBlock, RichTextBlock, TaskCardBlock, TaskUpdateChunk } from '@slack/types';
import type { Outgoing, PlannedCall } from '../../src/chat/outgoing.ts';
import { cut, quiet } from './mrkdwn.ts';

/*
 * Slack counts the bytes of a message's tasks, of details and output twice, and refuses a streamed message at about 10,600
 * of them with `msg_too_long`. That is in no reference: openclaw/openclaw#143882 measured it. So many calls of these
 * sizes come to 9,100 at most, whatever the alphabet.
 */
export const PLAN_SIZE = 16;
const TITLE_BYTES = 160;
const DETAIL_BYTES = 100;
const OUTPUT_BYTES = 100;

export type PlanOut = Extract<Outgoing, { kind: 'plan' }>;

const STATUS = {
  waiting: 'pending',
  running: 'in_progress',
  done: 'complete',
  failed: 'error',
  denied: 'error',
} as const satisfies Record<PlannedCall['status'], TaskUpdateChunk['status']>;

/** A plan as a block: for a message that is posted and edited. */
export function planBlock(plan: PlanOut): PlanBlock {
  return { type: 'plan', title: planTitle(plan), tasks: plan.calls.map(taskCard) };
}

function taskCard(call: PlannedCall): TaskCardBlock {
  const { title, details, output } = fieldsOf(call);
  return {
    type: 'task_card',
    task_id: call.id,
    title,
    status: STATUS[call.status],
    ...(details !== '' && { details: lineOf(details, true) }),
    ...(output !== '' && { output: lineOf(output, false) }),
  };
}

function lineOf(text: string, code: boolean): RichTextBlock {
  const element = { type: 'text' as const, text, ...(code && { style: { code: true } }) };
  return { type: 'rich_text', elements: [{ type: 'rich_text_section', elements: [element] }] };
}

/** What of a plan a stream was sent: its title, and each call's status. */
export interface SentPlan {
  title: string;
  statuses: ReadonlyMap<string, string>;
}

export const NOTHING_SENT: SentPlan = { title: '', statuses: new Map() };

/** What to send so that the stream shows this plan. Details go out once and the output at the end: Slack adds them up. */
export function planChunks(sent: SentPlan, plan: PlanOut): { chunks: AnyChunk[]; sent: SentPlan } {
  const title = planTitle(plan);
  const chunks: AnyChunk[] = title === sent.title ? [] : [{ type: 'plan_update', title }];
  const statuses = new Map(sent.statuses);
  for (const call of plan.calls) {
    const status = STATUS[call.status];
    const before = sent.statuses.get(call.id);
    if (before === status) continue;
    const fields = fieldsOf(call);
    const details = before === undefined && fields.details !== '' ? { details: fields.details } : {};
    const output = fields.output === '' ? {} : { output: fields.output };
    chunks.push({ type: 'task_update', id: call.id, title: fields.title, status, ...details, ...output });
    statuses.set(call.id, status);
  }
  return { chunks, sent: { title, statuses } };
}

function planTitle({ calls, over }: PlanOut): string {
  const bad = calls.filter(({ status }) => status === 'failed' || status === 'denied').length;
  const steps = `${calls.length} step${calls.length === 1 ? '' : 's'}`;
  if (over) return bad === 0 ? `Done: ${steps}` : `Done: ${steps}, ${bad} without success`;
  if (calls.some(({ status }) => status === 'waiting')) return 'Waiting for a person';
  return `Working: ${steps} so far`;
}

/** In one line, for notifications and screen readers. */
export function planText(plan: PlanOut): string {
  const last = plan.calls.at(-1);
  return last === undefined || plan.over ? planTitle(plan) : `${planTitle(plan)}. ${fieldsOf(last).title}`;
}

/** Quiet: whether Slack reads what a stream says of a task as markup is in no reference. */
function fieldsOf({ title, detail, output }: PlannedCall): { title: string; details: string; output: string } {
  return {
    title: withinBytes(quiet(title.trim() || 'Use a tool'), TITLE_BYTES),
    details: withinBytes(quiet(detail.trim()), DETAIL_BYTES),
    output: withinBytes(quiet(output.trim()), OUTPUT_BYTES),
  };
}

/** At most so many bytes of UTF-8, never half a character; what is cut is said. */
function withinBytes(text: string, bytes: number): string {
  if (Buffer.byteLength(text) <= bytes) return text;
  let kept = cut(text, bytes);
  while (Buffer.byteLength(kept) > bytes - 3) kept = cut(kept, kept.length - 1);
  return `${kept}…`;
}
