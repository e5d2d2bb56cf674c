import type { BetaContentBlock } from '@anthropic-ai/sdk/resources/beta/messages/messages';
import type { BetaManagedAgentsSessionUsageSnapshot } from '@anthropic-ai/sdk/resources/beta/sessions/events';
import type { BetaManagedAgentsBudgetLimit } from '@anthropic-ai/sdk/resources/beta/sessions/sessions';
import type { Actor, EventOf, SessionStatus, StopReason } from './event.ts';

/**
 * What a log means, as plain data: the fold of its entries, and nothing else. A worker keeps it between turns and
 * folds in only what is new; a checkpoint is this object as JSON.
 */
export interface SessionState {
  seq: number;
  status: SessionStatus;
  stop_reason: StopReason | null;
  /** What Claude sees, oldest first. */
  transcript: TranscriptItem[];
  /** Messages that no turn has taken up yet, oldest first. */
  queued: QueuedMessage[];
  /** What both weigh: see transcript-weight.ts. */
  bytes: number;
  /** Interrupts that no turn has answered. */
  interrupts: Array<{ event_id: string; seq: number; by: Actor | null }>;
  /** Confirmations and results that have taken effect but are not yet marked as processed. */
  unmarked: string[];
  /** The tool calls of the last reply, in its order, until each has a result. */
  calls: ToolCall[];
  /** A `span.model_request_start` without its end: the worker that made it is lost, or the request is under way. */
  open_request: { event_id: string; seq: number } | null;
  /** Failed model requests since the last answer or new input. */
  failures: number;
  /** The run ended (answer, error, budget…): Claude is not asked again before something new arrives. */
  stopped: boolean;
  usage: BetaManagedAgentsSessionUsageSnapshot;
  /** List price of all requests so far, in millionths of a US dollar. */
  cost_micro_usd: number;
  /** Some request went to a model without a list price, so that the cost above is too low. */
  unpriced: boolean;
  /** The last change of the session's budget that the log tells, and where. */
  budget_change: { seq: number; budget: BetaManagedAgentsBudgetLimit | null } | null;
  running_since: string | null;
  /** The last reply's `toolu_` ids by event id. */
  tool_use_ids: Record<string, string>;
  /** Who has spoken since the last turn that came to its end, each once, in order: they ask for what follows. */
  requesters: Actor[];
  /** It came to its end: whoever speaks next asks anew. */
  answered: boolean;
  /** Somebody stopped the run that is under way, or the last one. */
  interrupted: boolean;
  /** What people approved for the rest of the session, oldest first. */
  session_approvals: SessionApproval[];
  /** The run is over but for what the agent left for people. */
  ending: RunEnd | null;
  /** What the agent left for people, by path, as it was when it was last looked at. */
  outputs: Output[];
  /** How many more it had left then. */
  outputs_waiting: number;
  /** What people were told of them since, and the agent was not. */
  untold: string[];
}

/** How a run ends. */
export type RunEnd = Pick<EventOf<'deckhand.run_ending'>, 'stop_reason' | 'stop_details' | 'answered'>;

export interface Output {
  path: string;
  /** The kernel's mark of its last change. */
  changed: string;
  /** What people were given of it; null: it could not be shared. */
  content: { sha256: string; size_bytes: number } | null;
}

export interface SessionApproval {
  approval_id: string;
  tool_name: string;
  /** The arguments that it holds for, as `fingerprint` gives them; null: whatever they are. */
  arguments: string | null;
  approved_by: Actor[];
  approved_at: string;
}

export interface QueuedMessage {
  event_id: string;
  seq: number;
  item: TranscriptItem;
  by: Actor | null;
}

export type UserContent = EventOf<'user.message'>['content'];

export type ResultContent = NonNullable<EventOf<'agent.tool_result'>['content']>;

export type TranscriptItem =
  | { role: 'user'; content: UserContent; by: Actor | null }
  | { role: 'system'; content: EventOf<'system.message'>['content'] }
  | { role: 'assistant'; content: BetaContentBlock[] }
  | { role: 'tools'; results: CallResult[] };

export interface CallResult {
  tool_use_id: string;
  content: ResultContent;
  is_error: boolean;
}

export interface ToolCall {
  /** The `agent.*tool_use` event's id: how the API and approvals name the call. */
  event_id: string;
  /** The Messages API's `toolu_` id: how Claude names it. */
  tool_use_id: string;
  kind: 'agent' | 'mcp' | 'custom';
  name: string;
  input: Record<string, unknown>;
  permission: 'allow' | 'ask' | 'deny';
  /** How many workers began it. From the first on it may have had an effect. */
  starts: number;
  /** The last of what it printed, as far as it was recorded; at most 2,000 characters. */
  progress: string;
  confirmation: { result: 'allow' | 'deny'; message: string | null; by: Actor | null } | null;
  result: { content: ResultContent; is_error: boolean } | null;
}

export function emptyState(): SessionState {
  return {
    seq: 0,
    status: 'idle',
    stop_reason: null,
    transcript: [],
    queued: [],
    bytes: 0,
    interrupts: [],
    unmarked: [],
    calls: [],
    open_request: null,
    failures: 0,
    stopped: true,
    usage: {},
    cost_micro_usd: 0,
    unpriced: false,
    budget_change: null,
    running_since: null,
    tool_use_ids: {},
    requesters: [],
    answered: false,
    interrupted: false,
    session_approvals: [],
    ending: null,
    outputs: [],
    outputs_waiting: 0,
    untold: [],
  };
}
