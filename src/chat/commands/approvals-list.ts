import type { WaitingApproval } from '../inbound.ts';
import { waitingFor } from '../look-at-approvals.ts';
import { answer, type Command, plain } from './command.ts';
import { LISTED_DETAIL } from './find-approval.ts';
import { counted, fenced, moment } from './words.ts';

export const listApprovals: Command = {
  name: 'mine',
  args: '',
  summary: 'what waits for your decision, the oldest first',
  async run(deps, { conversation, person }) {
    const waiting = await waitingFor(deps, { conversation, person });
    const { approvals, more } = waiting;
    if (approvals.length === 0) return { ...answer('Nothing waits for you.'), waiting };
    const head =
      more === 0
        ? `**${counted(approvals.length, 'approval')} for you to decide**, the oldest first`
        : `**The oldest ${approvals.length} of ${approvals.length + more} approvals for you to decide**; the others come up as these are decided`;
    const ways =
      '`/approvals approve <id>` and `/approvals deny <id> <why>` decide one, `/approvals show <id>` shows all of it.';
    return { ...answer([head, ...approvals.map(shown), ways].join('\n\n')), waiting };
  },
};

function shown({ card, agent_name, asked_at, link }: WaitingApproval): string {
  const { approval_id, tool_name, summary, detail, requested_by, state, quorum, expires_at, for_session } = card;
  const asked = [
    `${plain(agent_name)} asked on ${moment(new Date(asked_at))}, to use ${plain(tool_name)}`,
    requested_by === null ? null : `for ${plain(requested_by.name)}`,
    link === null ? null : `[open](${link})`,
  ];
  const votes = state.status === 'pending' ? (state.approved_by?.length ?? 0) : 0;
  const rules = [
    quorum === undefined ? null : `${votes} of ${quorum} have approved`,
    expires_at === null ? null : `denied on ${moment(new Date(expires_at))} if nobody decides`,
    for_session === undefined
      ? null
      : `may be approved for the session: \`/approvals approve ${approval_id} for session\``,
  ].filter((rule) => rule !== null);
  const isWhole = card.private_detail !== true && detail.length <= LISTED_DETAIL;
  return [
    `**${plain(summary)}** \`${approval_id}\``,
    asked.filter((part) => part !== null).join(' · '),
    ...(rules.length === 0 ? [] : [rules.join(' · ')]),
    isWhole ? fenced(detail) : `All of it, and the way to approve it: \`/approvals show ${approval_id}\``,
  ]
    .filter((line) => line !== '')
    .join('\n');
}
