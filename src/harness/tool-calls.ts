import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { EventOf } from '../session/event.ts';
import type { ToolCall } from '../session/session-state.ts';
import { type Tool, type ToolResult, toolError } from '../tools/tool.ts';
import type { Workspace } from '../tools/workspace.ts';
import { WorkspaceLostError } from '../tools/workspace.ts';
import { stamp } from './turn-log.ts';

/** Workers that one call may cost: a tool that may run again is not run again for ever when it is what kills them. */
const MAX_STARTS = 3;

export interface CallContext {
  session_id: string;
  workspace_id: string;
  tools: ReadonlyMap<string, Tool>;
  openWorkspace(): Promise<Workspace>;
  onOutput(tool_use_id: string, text: string): void;
  logger: Logger;
  now: () => number;
  signal: AbortSignal;
}

/**
 * What a call without a result gets without running: a refusal, a person's denial, or the news that the worker that
 * started it was lost. Null: it may run. `mine` are the calls that this very turn started.
 */
export function verdictOf(
  call: ToolCall,
  tools: ReadonlyMap<string, Tool>,
  mine: ReadonlySet<string>,
): ToolResult | null {
  const tool = tools.get(call.name);
  if (tool === undefined || call.permission === 'deny') {
    return toolError(`The tool ${call.name} is not available in this session.`);
  }
  if (call.confirmation?.result === 'deny') return toolError(denialOf(call));
  if (call.starts === 0 || mine.has(call.event_id)) return null;
  if (!tool.idempotent) {
    return toolError(
      'The worker that ran this call was lost before the result was recorded. It may have run not at all, in part or ' +
        `to the end. It was not run again: look at the current state first, then decide.${lastWords(call)}`,
    );
  }
  if (call.starts >= MAX_STARTS) {
    return toolError(
      `The worker that ran this call was lost, ${call.starts} times in a row. It is not tried again: ask for less at ` +
        'once, or go another way.',
    );
  }
  return null;
}

/** Run these calls, in order, side by side where each of them allows it. Results come in the calls' order. */
export async function runCalls(calls: readonly ToolCall[], context: CallContext): Promise<ToolResult[]> {
  const results: ToolResult[] = [];
  for (const group of groups(calls, context.tools)) {
    results.push(...(await Promise.all(group.map((call) => runCall(call, context)))));
  }
  return results;
}

export function resultEvent(call: ToolCall, result: ToolResult, now: () => number): EventOf<'agent.tool_result'> {
  return {
    ...stamp(now),
    type: 'agent.tool_result',
    tool_use_id: call.event_id,
    content: result.content,
    is_error: result.is_error,
  };
}

async function runCall(call: ToolCall, context: CallContext): Promise<ToolResult> {
  const tool = context.tools.get(call.name);
  if (tool === undefined) return toolError(`There is no tool named ${call.name}.`);
  if (context.signal.aborted) return toolError('Interrupted before it ran.');
  try {
    return await tool.run(call.input, {
      session_id: context.session_id,
      workspace_id: context.workspace_id,
      openWorkspace: context.openWorkspace,
      onProgress: (text) => context.onOutput(call.event_id, text),
      signal: context.signal,
    });
  } catch (err) {
    if (context.signal.aborted) return toolError('Interrupted while it ran: it may have had part of its effect.');
    if (err instanceof WorkspaceLostError) {
      return toolError(`The sandbox was lost while this ran (${messageOf(err)}). The next call gets a new one.`);
    }
    context.logger.error({ err, session_id: context.session_id, tool: call.name }, 'tool failed');
    return toolError(`The tool ${call.name} failed: ${messageOf(err)}`);
  }
}

/** Neighbours that are safe beside each other share a group; every other call has one of its own. */
function groups(calls: readonly ToolCall[], tools: ReadonlyMap<string, Tool>): ToolCall[][] {
  const result: ToolCall[][] = [];
  let open: ToolCall[] | null = null;
  for (const call of calls) {
    const parallel = tools.get(call.name)?.parallel === true;
    if (parallel && open !== null) open.push(call);
    else {
      const group = [call];
      result.push(group);
      open = parallel ? group : null;
    }
  }
  return result;
}

function lastWords(call: ToolCall): string {
  return call.progress === '' ? '' : `\nThe last that was seen of its output:\n${call.progress}`;
}

function denialOf(call: ToolCall): string {
  const who = call.confirmation?.by?.name ?? 'a person';
  const why = call.confirmation?.message ?? '';
  return why === '' ? `Denied by ${who}.` : `Denied by ${who}: ${why}`;
}
