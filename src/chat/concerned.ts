import type { Approvals } from '../approvals/approvals.ts';
import { actorKey, decidersOf, requestersOf } from '../approvals/policy.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { LogEntry } from '../session/event.ts';
import type { SessionRef } from '../session/log.ts';
import type { Connector } from './connector.ts';
import { targetOf } from './names.ts';
import type { ConversationKey, Mention } from './place.ts';
import type { Roles } from './roles.ts';
import { shorthanded } from './shorthanded.ts';

export interface ConcernedDeps {
  ref: SessionRef;
  /** The records are brought up to the log: whoever looks what waits for them has to find what was asked, and of whom. */
  approvals: Pick<Approvals, 'findByToolUse' | 'record'>;
  connectors: ReadonlyMap<string, Pick<Connector, 'changed' | 'isDirect' | 'isGuest'>>;
  roles: Pick<Roles, 'adminsOf' | 'roleOf'>;
  /** Where the session is shown. */
  conversation: ConversationKey;
  /** Actor id of whoever began the session in chat; null: nobody did. */
  started_by: string | null;
  logger: Logger;
}

/**
 * Tell the platforms of those whom this entry concerns: who began what runs or rests now, and who may decide what was asked or
 * decided. Nobody waits for it; what a failure loses is not told again, and seen by whoever looks.
 */
export function tellConcerned(deps: ConcernedDeps, entry: LogEntry): void {
  const { event } = entry;
  switch (event.type) {
    case 'session.status_running':
    case 'session.status_idle':
    case 'session.status_terminated':
      return tell(deps, deps.started_by === null ? [] : [deps.started_by]);
    case 'deckhand.approval_requested':
    case 'deckhand.approval_escalated':
    case 'deckhand.approval_voted':
    case 'deckhand.approval_decided':
      tellDeciders(deps, entry, event.tool_use_id).catch((error: unknown) => {
        deps.logger.warn({ ...deps.ref, reason: messageOf(error) }, 'nobody is told of an approval beside its card');
      });
      return;
    default:
      return;
  }
}

async function tellDeciders(deps: ConcernedDeps, entry: LogEntry, tool_use_id: string): Promise<void> {
  if (![...deps.connectors.values()].some((connector) => connector.changed !== undefined)) return;
  // What asks or decides finds a record, or has it made; the steps in between follow the log.
  if (entry.event.type === 'deckhand.approval_escalated') await deps.approvals.record(deps.ref, [entry]);
  const approval = await deps.approvals.findByToolUse(deps.ref, tool_use_id);
  if (approval === null) return;
  const isForAdmins = (await shorthanded(deps, approval, deps.conversation)) !== null;
  const admins = isForAdmins ? await deps.roles.adminsOf(deps.ref.workspace_id) : [];
  // Where members in the conversation may decide, those who asked are shown it elsewhere too.
  tell(deps, [...decidersOf(approval), ...admins, ...requestersOf(approval).map(actorKey)]);
}

/** @param keys as a policy names people and groups */
function tell({ connectors, conversation }: ConcernedDeps, keys: readonly string[]): void {
  const concerned = new Map<string, Mention[]>();
  for (const { via, kind, id } of keys.map(targetOf)) {
    concerned.set(via, [...(concerned.get(via) ?? []), { kind, id }]);
  }
  for (const [via, theirs] of concerned) {
    connectors.get(via)?.changed?.(theirs, via === conversation.connector ? conversation.tenant : null);
  }
}
