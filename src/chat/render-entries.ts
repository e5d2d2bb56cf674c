import type { EventOf, LogEntry, SessionEvent } from '../session/event.ts';
import { derivedId } from '../session/id.ts';
import { usd } from './commands/words.ts';
import { textOfBlocks } from './live.ts';
import type { Outgoing, ToolActivity } from './outgoing.ts';
import { raisedBy } from './over-budget.ts';
import { splitMarkdown } from './split.ts';

/** How a call is named to people; the tools know (`describe` in src/tools/tool.ts). */
export type DescribeCall = (name: string, input: Record<string, unknown>) => { title: string; detail: string };

export interface RenderContext {
  agent_name: string;
  /** Characters of one message. */
  text_limit: number;
  /** Posts of a text after which a file has the whole; absent: the platform takes no files. */
  posts_before_file?: number;
  /** After so many ms what follows in a growing message goes on in another; absent: never. */
  grows_for_ms?: number;
  describe: DescribeCall;
  /** Commands, arguments and what comes of them, which may repeat both, are not for the conversation. */
  private_detail: boolean;
}

/** The delivery that shows this event. */
export function deliveryId(event_id: string, part = 0): string {
  const id = derivedId('dlv', event_id);
  return part === 0 ? id : `${id}.${part}`;
}

/** What the deliveries of one event share. */
export function wholeOf(delivery_id: string): string {
  return delivery_id.split('.', 1)[0] ?? delivery_id;
}

/** Which of its event's posts a text is, from 0. */
export function partOf(delivery_id: string): number {
  return Number(delivery_id.split('.')[1] ?? 0);
}

/**
 * Most posts of one message. The longest answer that Claude gives (32,000 tokens) needs twelve of Slack's; whatever is
 * longer would fill a thread for minutes, at about one post a second.
 */
const MOST_POSTS = 20;

/**
 * A message's text as it is posted, and how many characters of it are not, about.
 * @param cuts where it went on in another post as it grew: each may make one post more
 */
export function partsOf(
  text: string,
  { text_limit: limit, posts_before_file: posts = MOST_POSTS }: Pick<RenderContext, 'text_limit' | 'posts_before_file'>,
  cuts: readonly number[] = [],
): { parts: string[]; left_out: number } {
  const most = posts * limit;
  // One character more, a pair perhaps, leaves the last cut to who knows where to cut.
  const all = splitMarkdown(text.slice(0, most + 2), limit, cuts);
  const parts = all.slice(0, Math.min(posts + cuts.length, MOST_POSTS));
  if (parts.length === all.length && text.length <= most + 2) return { parts, left_out: 0 };
  return { parts, left_out: text.length - parts.reduce((sum, part) => sum + part.length, 0) };
}

/**
 * A message of the agent's, in as many posts as it needs; of one that is too long for a chat, the beginning.
 * @param answers the session whose run it ends, if it does
 * @param cuts as for `partsOf`
 */
export function messagePosts(
  event: EventOf<'agent.message'>,
  context: RenderContext,
  answers: string | null = null,
  cuts: readonly number[] = [],
): Outgoing[] {
  const text = textOfBlocks(event.content.map((block) => (block.type === 'text' ? block.text : '*(withheld)*')));
  if (text === '') return [];
  const { agent_name } = context;
  const { parts, left_out } = partsOf(text, context, cuts);
  const posts = parts.map((markdown, part): Outgoing => {
    const isEnd = answers !== null && part === parts.length - 1;
    const answer = isEnd ? { answer: { session_id: answers, event_id: event.id } } : {};
    return { kind: 'text', delivery_id: deliveryId(event.id, part), markdown, live: false, ...answer, agent_name };
  });
  if (left_out === 0) return posts;
  if (context.posts_before_file !== undefined) return [...posts, wholeFile(event.id, text, agent_name)];
  const markdown = `This is not all: about ${left_out} more characters are too long for a chat. The session's log has them.`;
  const delivery_id = deliveryId(event.id, MOST_POSTS);
  return [...posts, { kind: 'notice', delivery_id, level: 'info', markdown, agent_name }];
}

/** A line in the place of a message that is not for the conversation. */
export function standIn(event_id: string, markdown: string, { agent_name }: RenderContext): Outgoing {
  return { kind: 'text', delivery_id: deliveryId(event_id), markdown, live: false, agent_name };
}

function wholeFile(event_id: string, content: string, agent_name: string): Outgoing {
  const markdown = `The whole of it, ${content.length.toLocaleString('en')} characters.`;
  const delivery_id = deliveryId(event_id, MOST_POSTS);
  return { kind: 'file', delivery_id, name: 'answer.md', content, markdown, agent_name };
}

/** A file that the agent left for people. */
export function outputPost(event: EventOf<'deckhand.output_shared'>, { agent_name }: RenderContext): Outgoing {
  const { id, filename, path, file_id, mime_type, size_bytes } = event;
  const content = { file_id, mime_type, size_bytes };
  const markdown = path === filename ? '' : path;
  return { kind: 'file', delivery_id: deliveryId(id), name: filename, content, markdown, agent_name };
}

export function notice(event_id: string, level: 'info' | 'error', markdown: string, context: RenderContext): Outgoing {
  return { kind: 'notice', delivery_id: deliveryId(event_id), level, markdown, agent_name: context.agent_name };
}

export type ToolUse = EventOf<'agent.tool_use'> | EventOf<'agent.mcp_tool_use'> | EventOf<'agent.custom_tool_use'>;

export function activityPost(event: ToolUse, context: RenderContext): Outgoing {
  const { title, detail } = context.describe(event.name, event.input);
  const waits = event.type === 'agent.custom_tool_use' || event.evaluated_permission === 'ask';
  const activity: ToolActivity = {
    tool_use_id: event.id,
    tool_name: event.name,
    title,
    detail,
    status: waits ? 'waiting' : 'running',
    output: '',
  };
  return { kind: 'activity', delivery_id: deliveryId(event.id), activity, agent_name: context.agent_name };
}

/** Most of a result that an activity carries; the log has the whole. */
const SHOWN_OUTPUT = 4000;

export function activityAfter(
  activity: ToolActivity,
  content: unknown,
  isError: boolean,
  { private_detail }: Pick<RenderContext, 'private_detail'>,
): ToolActivity {
  const output = outputText(content);
  const shown =
    output.length > SHOWN_OUTPUT
      ? `${output.slice(0, SHOWN_OUTPUT).replace(/[\uD800-\uDBFF]$/, '')}\n… (${output.length - SHOWN_OUTPUT} more characters)`
      : output;
  const status = !isError ? 'done' : output.startsWith('Denied by') ? 'denied' : 'failed';
  return { ...activity, status, output: private_detail ? '' : shown };
}

function outputText(content: unknown): string {
  if (!Array.isArray(content)) return '';
  return content
    .map((block: unknown) => {
      if (typeof block !== 'object' || block === null) return '';
      if ('text' in block && typeof block.text === 'string') return block.text;
      return 'type' in block && typeof block.type === 'string' ? `(${block.type})` : '';
    })
    .join('\n');
}

/** What a run's end means to people, when its messages do not say it; null when they do. */
export function endingOf(
  session_id: string,
  idle: EventOf<'session.status_idle'>,
  run: readonly LogEntry[],
): { level: 'info' | 'error'; text: string } | null {
  switch (idle.stop_reason.type) {
    case 'budget_reached':
      return { level: 'error', text: `I stopped: this session’s budget is used up. ${raisedBy(session_id)}` };
    case 'refusal': {
      const why = idle.stop_details?.explanation;
      return { level: 'error', text: `I cannot help with that.${typeof why === 'string' ? ` ${why}` : ''}` };
    }
    case 'retries_exhausted':
      return run.some(({ event }) => saysWhy(event))
        ? null
        : { level: 'error', text: 'I gave up after several failures.' };
    case 'requires_action':
      return null;
    case 'end_turn': {
      const stop = run.find(({ event }) => event.type === 'user.interrupt');
      if (stop !== undefined) return { level: 'info', text: `Stopped by ${stop.by?.name ?? 'a person'}.` };
      const said = run.some(({ event }) => event.type === 'agent.message' || saysWhy(event));
      return said ? null : { level: 'info', text: 'Done; there is nothing to add.' };
    }
    default:
      return idle.stop_reason satisfies never;
  }
}

/** A changed budget in words; null: something else of the session was changed. */
export function budgetSaid({ event, by }: LogEntry & { event: EventOf<'session.updated'> }): string | null {
  if (event.budget === undefined) return null;
  const who = by === undefined ? 'over the API' : `by ${by.name}`;
  if (event.budget === null) return `This session’s budget was taken away ${who}.`;
  return `This session may cost ${usd(Number(event.budget.max_list_cost.amount))} now, as set ${who}.`;
}

function saysWhy(event: SessionEvent): boolean {
  return event.type === 'session.error' && event.error.retry_status.type !== 'retrying';
}
