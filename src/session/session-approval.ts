import type { ApprovalPolicy } from './event.ts';
import { fingerprint } from './fingerprint.ts';
import type { SessionApproval, SessionState } from './session-state.ts';

/**
 * What lets this call run without asking anybody anew; null when nothing does. With four eyes nobody's own approval
 * counts for what they ask for later, alone or with others.
 */
export function sessionApprovalOf(
  state: Pick<SessionState, 'session_approvals' | 'requesters'>,
  tool_name: string,
  input: Record<string, unknown>,
  policy: Pick<ApprovalPolicy, 'four_eyes'>,
): SessionApproval | null {
  const { requesters, session_approvals } = state;
  const ofTool = session_approvals.filter((approval) => approval.tool_name === tool_name);
  if (ofTool.length === 0) return null;
  const same = fingerprint(input);
  const found = ofTool.find((approval) => {
    if (approval.arguments !== null && approval.arguments !== same) return false;
    if (!policy.four_eyes) return true;
    return !approval.approved_by.some((by) => requesters.some(({ via, id }) => via === by.via && id === by.id));
  });
  return found ?? null;
}
