import type { LogEntry } from '../../../src/session/event.ts';
import type { LogFields } from '../../../src/session/log-document.ts';
import type { JournalEntry } from '../slack/web-api.ts';
import type { SlackMessage } from '../slack/workspace.ts';
import type { Life } from './crew.ts';
import type { Outage } from './own-services.ts';
import type { Deed, Fault } from './plan.ts';

/** What somebody said to the bot (or near it), and what became of it as far as they know. */
export interface Sent {
  /** The job's id, or that of words which were not for the bot. */
  id: string;
  /** Of the plan. */
  session: string;
  for_bot: boolean;
  /** The thread, or the session's id where the API was used. */
  place: { channel: string; thread: string } | { session_id: string };
  /** `acked`: it must have its effect. `unknown`: it may have had it. */
  outcome: 'acked' | 'unknown';
}

/** One session as MongoDB holds it at the end. */
export interface SessionEvidence {
  id: string;
  /** Null for one that lives in no conversation. */
  conversation: { channel: string; thread: string } | null;
  head: Omit<LogFields, 'tail' | 'usage'>;
  /** The copies and what of the tail is not among them, by sequence number. */
  entries: LogEntry[];
  /** What stands in the tail and as a copy, as each has it. */
  copied: { tail: LogEntry; copy: LogEntry }[];
}

export interface ApprovalEvidence {
  id: string;
  session_id: string;
  status: string;
  /** The whole record. */
  record: unknown;
}

/** What the commands of sessions left in their files. */
export interface TraceEvidence {
  session_id: string;
  /** Lines of all its trace files, on all machines. */
  lines: string[];
  /** Files that an edit worked on, with their content. */
  edits: Record<string, string>;
  /** Every one of its files, with what stands in it. */
  files: { path: string; content: string }[];
}

/** One press of somebody's on a card. */
export interface Press {
  /** A user's id. */
  by: string;
  card: { channel: string; ts: string };
  /** By Slack's clock. */
  at: number;
  /** Without it Slack shows a warning sign, and they press again. */
  acked: boolean;
  /** A modal was open afterwards that had not been before, or that said what was wrong. */
  modal: boolean;
}

/** What should have been left behind by nobody. Each in words. */
export interface Leftovers {
  processes: string[];
  cgroups: string[];
  mounts: string[];
  folders: string[];
  /** Of sessions that were deleted, in MongoDB. */
  documents: string[];
}

/** Everything the checker looks at, as plain data. */
export interface Evidence {
  /** Why the house did not come to rest; null when it did. */
  unrest: string | null;
  sent: Sent[];
  /** What a client of the API was told instead of being served. */
  refusals: string[];
  sessions: SessionEvidence[];
  approvals: ApprovalEvidence[];
  traces: TraceEvidence[];
  /** Every call of Slack's Web API, in order. */
  journal: JournalEntry[];
  /** Every button that was pressed, and every modal that was sent. */
  presses: Press[];
  /** What Slack showed when the house had come to rest: the states of agent sessions by `channel:thread`, and our reactions. */
  shown: { states: Record<string, string>; marks: string[] };
  /** What MongoDB knows of each post; for the same. */
  deliveries: unknown[];
  /** What was done, and when; for the same. */
  timeline: { at: string; act: Deed | Fault }[];
  /** All that stands in the test Slack at the end, in order. */
  messages: SlackMessage[];
  lives: Life[];
  outages: Outage[];
  /** What Claude was asked. */
  model_requests: unknown[];
  leftovers: Leftovers;
  /** None of these may stand in anything that anybody reads. */
  secrets: string[];
}
