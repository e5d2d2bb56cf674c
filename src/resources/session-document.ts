import type {
  BetaManagedAgentsBudgetLimit,
  BetaManagedAgentsSession,
  BetaManagedAgentsSessionAgent,
} from '@anthropic-ai/sdk/resources/beta/sessions/sessions';
import type { ApprovalPolicy } from '../session/event.ts';
import type { LogFields } from '../session/log-document.ts';
import type { Metadata } from './metadata.ts';

/** A session as a resource, beside its log's head (without the tail, which only the log reads). */
export interface SessionDocument {
  _id: string;
  workspace_id: string;
  /** Snapshot of the agent at creation, with the session's own changes. */
  agent: BetaManagedAgentsSessionAgent;
  /** The agent's at creation: a later change is for later sessions. */
  approval_policy: ApprovalPolicy;
  /** Actor ids of the agent's owners at creation. Only gateways of before 22 November 2026 go by them: now the agent says it. */
  owners: string[];
  environment_id: string;
  budget: BetaManagedAgentsBudgetLimit | null;
  metadata: Metadata;
  title: string | null;
  /** Actor id of whoever began it in chat. */
  started_by?: string;
  /** The conversation that the session answers in; absent for one made through the API. */
  conversation_id?: string;
  created_at: Date;
  updated_at: Date;
  archived_at: Date | null;
  log: Omit<LogFields, 'tail'>;
}

/** As the API shows it. `now` is for the session's age. */
export function toSession(
  document: SessionDocument,
  resources: BetaManagedAgentsSession['resources'],
  now: Date = new Date(),
): BetaManagedAgentsSession {
  const { log } = document;
  const touched = log.last_event_at === null ? [] : [log.last_event_at.getTime()];
  const updated_at = new Date(Math.max(document.updated_at.getTime(), ...touched));
  const end = log.status === 'terminated' ? updated_at : now;
  const active = log.usage?.active_seconds;
  return {
    id: document._id,
    type: 'session',
    agent: document.agent,
    archived_at: document.archived_at?.toISOString() ?? null,
    budget: document.budget,
    created_at: document.created_at.toISOString(),
    deployment_id: null,
    environment_id: document.environment_id,
    metadata: document.metadata,
    outcome_evaluations: [],
    resources,
    stats: {
      ...(active === undefined ? {} : { active_seconds: active }),
      duration_seconds: Math.max(0, (end.getTime() - document.created_at.getTime()) / 1000),
    },
    status: log.status,
    title: document.title,
    updated_at: updated_at.toISOString(),
    usage: log.usage ?? {},
    vault_ids: [],
  };
}
