import type { BetaContentBlock } from '@anthropic-ai/sdk/resources/beta/messages/messages';
import type {
  BetaManagedAgentsSessionEvent,
  BetaManagedAgentsSessionStatusIdleEvent,
} from '@anthropic-ai/sdk/resources/beta/sessions/events';

/**
 * The contract of the house: everything that can stand in a session's log. The API's own events have the SDK's types,
 * so that a drift is a compile error; Deckhand's carry the prefix `deckhand.` and stay out of the API unless asked for.
 */
export type SessionEvent = BetaManagedAgentsSessionEvent | DeckhandEvent;
export type EventType = SessionEvent['type'];
export type EventOf<T extends EventType> = Extract<SessionEvent, { type: T }>;

/** Who did something. `id` is unique within `via` (a connector's name, `api` or `deckhand`). */
export interface Actor {
  via: string;
  id: string;
  name: string;
}

export type StopReason = BetaManagedAgentsSessionStatusIdleEvent['stop_reason'];
export type SessionStatus = 'idle' | 'running' | 'rescheduling' | 'terminated';

interface Base {
  id: string;
  processed_at: string;
}

export type DeckhandEvent =
  | InputProcessed
  | ModelReply
  | ToolStarted
  | ToolProgress
  | ApprovalRequested
  | ApprovalReminded
  | ApprovalEscalated
  | ApprovalVoted
  | ApprovalDecided
  | ApprovalReused
  | Feedback
  | SessionResumed
  | RunEnding
  | OutputShared
  | OutputsUnchanged
  | OutputWithheld
  | Note;

/** These queued inputs are now part of what Claude sees (or were consumed by an interrupt). */
export interface InputProcessed extends Base {
  type: 'deckhand.input_processed';
  event_ids: string[];
}

/** What Claude answered, whole, so that the next request repeats it to the letter (thinking signatures included). */
export interface ModelReply extends Base {
  type: 'deckhand.model_reply';
  model: string;
  content: BetaContentBlock[];
  stop_reason: string | null;
  /** The Messages API's `toolu_` ids to this log's tool use event ids. */
  tool_use_events: Record<string, string>;
  /** List price of this request in millionths of a US dollar; null for a model without a list price. */
  cost_micro_usd: number | null;
}

/** From here on these calls may have had an effect: without a result they are never blindly run again. */
export interface ToolStarted extends Base {
  type: 'deckhand.tool_started';
  tool_use_ids: string[];
  worker: string;
}

/** What a running call has printed since the last record: the latest part, at most 4,000 characters. */
export interface ToolProgress extends Base {
  type: 'deckhand.tool_progress';
  tool_use_id: string;
  text: string;
}

/**
 * Who may decide, as it was when the question was asked. Times in milliseconds. What is optional came later: sessions from
 * before it have a policy without.
 */
export interface ApprovalPolicy {
  /** Who may decide: people (`slack:U1`) and user groups (`slack:group:S1`); empty means members in the conversation. */
  approvers: string[];
  /** How many people have to approve; absent: one. One who denies is enough. */
  quorum?: number;
  /** The person who asked for the work may not decide. */
  four_eyes: boolean;
  /**
   * What may be approved for the rest of the session: calls of the same tool, or those with the very same arguments.
   * Absent: nothing, each call is asked for.
   */
  for_session?: SessionScope;
  remind_after_ms: number | null;
  /** Whom to ask besides when nobody decides, one after another, each so long after the one before; absent: nobody. */
  escalate_after_ms?: number;
  /** People (`slack:U1`), user groups (`slack:group:S1`) and channels (`slack:channel:C1`). They may decide from then on. */
  escalate_to?: string[];
  expire_after_ms: number | null;
  /** Commands, arguments and the reason for them are kept out of the conversation: only who may decide sees them. */
  private_detail?: true;
}

export type SessionScope = 'tool' | 'arguments';

export interface ApprovalRequested extends Base {
  type: 'deckhand.approval_requested';
  approval_id: string;
  tool_use_id: string;
  tool_name: string;
  /** By the database's clock: due times count from here. Absent in events of before it was kept: from `processed_at`. */
  asked_at?: string;
  /** What will be done, in words; at most 300 characters. */
  summary: string;
  /** The exact command or arguments; at most 3,000 characters. */
  detail: string;
  /** What the agent said before it asked, at most 300 characters; absent: nothing. */
  why?: string;
  /** Who spoke first in the run that asks. */
  requested_by: Actor | null;
  /** Who else spoke in it since, in order: they asked for it too. Absent: nobody. */
  also_asked?: Actor[];
  policy: ApprovalPolicy;
}

export interface ApprovalReminded extends Base {
  type: 'deckhand.approval_reminded';
  approval_id: string;
  tool_use_id: string;
  /** Which reminder of the question it is; absent: the first, of a time when there was one alone. */
  count?: number;
  /** Those who may decide by now and have not, as a policy names them; absent: nobody in particular. */
  to?: string[];
}

/** Nobody decided for a while, and somebody else is asked as well. */
export interface ApprovalEscalated extends Base {
  type: 'deckhand.approval_escalated';
  approval_id: string;
  tool_use_id: string;
  /** The place in the policy's list, from 1. */
  step: number;
  to: string;
}

/** One of several people who have to approve has done so, and others still have to. */
export interface ApprovalVoted extends Base {
  type: 'deckhand.approval_voted';
  approval_id: string;
  tool_use_id: string;
  by: Actor;
  /** They would have it run without asking for the rest of the session. */
  for_session: boolean;
}

/** The record of a decision, beside the `user.tool_confirmation` that the API knows. */
export interface ApprovalDecided extends Base {
  type: 'deckhand.approval_decided';
  approval_id: string;
  tool_use_id: string;
  /** `expired` denies; `withdrawn`: the run was interrupted or the session archived, so nobody need decide. */
  outcome: 'allowed' | 'denied' | 'expired' | 'withdrawn';
  by: Actor | null;
  reason: string | null;
  /** Where several had to approve: all who did, in order, `by` last. */
  approved_by?: Actor[];
  /** Later calls within this scope run without asking, for the rest of the session. */
  for_session?: SessionScope;
}

/** A call that would ask a person runs, because of what was approved for the session. */
export interface ApprovalReused extends Base {
  type: 'deckhand.approval_reused';
  tool_use_id: string;
  /** The approval that it runs by, who gave it and when. */
  approval_id: string;
  approved_by: Actor[];
  approved_at: string;
}

/** What a person thinks of an answer (an `agent.message`). Of each person, the latest counts. */
export interface Feedback extends Base {
  type: 'deckhand.feedback';
  event_id: string;
  rating: 'good' | 'bad';
}

/** A person (`by`) lets it go on by a command: what they say to the agent for that stands behind it. */
export interface SessionResumed extends Base {
  type: 'deckhand.session_resumed';
}

/**
 * A run is over but for the files that the agent has left for people: they are stored next, by whichever worker, and then it
 * rests for this reason. A run that left none goes without.
 */
export interface RunEnding extends Base {
  type: 'deckhand.run_ending';
  stop_reason: StopReason;
  stop_details: BetaManagedAgentsSessionStatusIdleEvent['stop_details'];
  /** What stands in the log up to here has been answered for: only what came later is owed a turn. */
  answered: number;
}

/** A file that the agent had left for people when a run ended. */
export interface OutputShared extends Base {
  type: 'deckhand.output_shared';
  file_id: string;
  /** Below the outputs folder, and the kernel's mark of its last change there. */
  path: string;
  changed: string;
  filename: string;
  mime_type: string;
  size_bytes: number;
  sha256: string;
}

/** Files that were shared, were touched or written again since, and say what they said. */
export interface OutputsUnchanged extends Base {
  type: 'deckhand.outputs_unchanged';
  files: Array<{ path: string; changed: string }>;
}

/** Files that it left and that are not shared. */
export interface OutputWithheld extends Base {
  type: 'deckhand.output_withheld';
  /** Those that cannot be, until they change. */
  files: Array<{ path: string; changed: string }>;
  /** How many more wait for the end of another run. */
  waiting: number;
  /** Both in words, for people. */
  text: string;
}

/** Something worth a line in the log that nobody acts on. */
export interface Note extends Base {
  type: 'deckhand.note';
  text: string;
}

/** An event with its place in the log. */
export interface LogEntry {
  /** 1 for the first event of a session, without gaps. */
  seq: number;
  created_at: Date;
  event: SessionEvent;
  /** Who sent an input; absent on what the agent did. */
  by?: Actor;
  /** The chat message that this is, by its platform's id; absent on what came otherwise. */
  message_id?: string;
  /** Where a chat message was changed before this told of it: which one, and the version that this tells. */
  tells?: ChatVersion;
}

/** Versions of one message sort as text, the later is the greater; null: it was deleted. */
export interface ChatVersion {
  message_id: string;
  version: string | null;
}

export type NewEntry = Pick<LogEntry, 'event' | 'by' | 'message_id' | 'tells'>;

/** Inputs wait in the log until a turn takes them up: their `processed_at` is null until then. */
const INPUT_TYPES = [
  'user.message',
  'user.interrupt',
  'user.tool_confirmation',
  'user.custom_tool_result',
  'user.tool_result',
  'user.define_outcome',
  'system.message',
] as const;

export type InputEvent = EventOf<(typeof INPUT_TYPES)[number]>;

const inputTypes: ReadonlySet<string> = new Set(INPUT_TYPES);

export function isInput(event: SessionEvent): event is InputEvent {
  return inputTypes.has(event.type);
}

export function isDeckhandEvent(event: SessionEvent): event is DeckhandEvent {
  return event.type.startsWith('deckhand.');
}
