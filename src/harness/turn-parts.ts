import type {
  BetaManagedAgentsBudgetLimit,
  BetaManagedAgentsSessionAgent,
} from '@anthropic-ai/sdk/resources/beta/sessions/sessions';
import type { Logger } from '../logger.ts';
import type { Files } from '../resources/files.ts';
import type { ApprovalPolicy, LogEntry } from '../session/event.ts';
import type { Hints } from '../session/hints.ts';
import type { SessionLog, SessionRef } from '../session/log.ts';
import type { SessionState } from '../session/session-state.ts';
import type { Tool } from '../tools/tool.ts';
import type { Workspace } from '../tools/workspace.ts';
import type { AttachedImages } from './attached-images.ts';
import type { InterruptBell } from './interrupt-bell.ts';
import type { AskModel } from './model.ts';
import type { Preview } from './preview.ts';
import type { StateCache } from './state-cache.ts';
import type { TurnLog } from './turn-log.ts';
import type { TurnsHere } from './turns-here.ts';

/** What a turn needs to know of its session's resources. */
export interface TurnSession {
  agent: BetaManagedAgentsSessionAgent;
  budget: BetaManagedAgentsBudgetLimit | null;
  approval_policy: ApprovalPolicy;
  /** Archived: nothing runs any more. */
  closed: boolean;
  /** Claude is writing calls: look up meanwhile what they need. Said once per answer, which may need something new. */
  expectHands(): void;
  openWorkspace(): Promise<Workspace>;
  /** Whether the agent has left anything for people on this machine; cheap. */
  hasOutputs(): Promise<boolean>;
}

/** Times in milliseconds. */
export interface TurnTimings {
  /** How long a silent worker keeps a session: the time it takes to notice that it is lost. */
  lease_ms: number;
  /** First wait after a failed model request; doubled each time, with jitter. */
  retry_ms: number;
  /** Longest wait between two model requests of one run. */
  retry_max_ms: number;
  /** Model requests that may fail in a row before the run ends. */
  max_failures: number;
}

export interface TurnDeps {
  log: SessionLog;
  hints: Hints;
  logger: Logger;
  states: StateCache;
  ask: AskModel;
  images: AttachedImages;
  files: Pick<Files, 'keep' | 'max_bytes' | 'withKey'>;
  tools: readonly Tool[];
  /** Rings when somebody has sent input to a session that this worker is the brain of. */
  bell: InterruptBell;
  here: TurnsHere;
  /** What the turn needs of the document that it has claimed. */
  sessionOf(ref: SessionRef, document: object): TurnSession;
  approvals: {
    /** Materialise the questions among these entries. */
    record(ref: SessionRef, entries: LogEntry[]): Promise<void>;
    /** Milliseconds since the epoch by the clock that questions are due by, which need not be this machine's. */
    now(): Promise<number>;
  };
  worker_id: string;
  now: () => number;
  /** A share of a wait between 0.5 and 1, so that many sessions do not retry in step. */
  jitter: () => number;
  timings: TurnTimings;
}

/** The start of a model request in the log. */
export interface OpenedRequest {
  request_id: string;
  /** Where the log stood with it: Claude sees it up to here. */
  asked_at: number;
}

/** A turn under way: what its steps share. */
export interface Turn {
  ref: SessionRef;
  deps: TurnDeps;
  session: TurnSession;
  tools: ReadonlyMap<string, Tool>;
  log: TurnLog;
  /** Whether Claude may be asked once more, by the budget as it is in this state: it may be changed during a run. */
  isWithinBudget(state: SessionState): boolean;
  preview: Preview;
  /** Calls that this turn itself started: only these may run although they count as started. */
  mine: Set<string>;
  /** The model request that is in the log and not made yet, because what came before it brought it along. */
  opened: OpenedRequest | null;
  /** Aborts on interrupt, shutdown and a lost lease. A new one after each interrupt. */
  signal: AbortSignal;
  /** The same but for a shutdown: what the agent left on this machine still comes along. */
  storing: AbortSignal;
  /** The worker is going away: hand over at the next safe point. */
  stopping: AbortSignal;
  /** The lease may be somebody else's by now: nothing more may be appended. @throws LeaseLostError */
  stillHeld(): void;
  /** The lease is held at this moment, not in doubt. */
  isSure(): boolean;
  /**
   * Do what has effects beside the log, and so must end with the lease's time. All else goes on while it is in doubt who
   * holds it: an append is refused when somebody else does. @throws LeaseLostError
   */
  act<T>(work: () => Promise<T>): Promise<T>;
}

/** A step either lets the turn go on or has ended it (and given the lease back with its last append). */
export type StepResult = 'go_on' | 'ended';
