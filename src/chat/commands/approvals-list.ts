import type { WaitingApproval } from '../inbound.ts';
import { SHOWN, waitingFor } from '../look-at-approvals.ts';
import { isShownWhole } from '../outgoing.ts';
import { answer, type Command, plain, refuse } from './command.ts';
import { LASTING, LISTED_DETAIL } from './find-approval.ts';
import { counted, fenced, fromTo, moment } from './words.ts';

export const listApprovals: Command = {
  name: 'mine',
  args: '[page]',
  summary: 'what waits for your decision, the oldest first',
  async run(deps, { conversation, person, args }) {
    const page = args === '' ? 1 : Number(args);
    if (!Number.isInteger(page) || page < 1) return refuse('Say which page by its number, as in `/approvals mine 2`.');
    const waiting = await waitingFor(deps, { conversation, person }, (page - 1) * SHOWN);
    const { approvals, more, before = 0 } = waiting;
    if (approvals.length === 0)
      return { ...answer(page === 1 ? 'Nothing waits for you.' : 'Nothing waits there.'), waiting };
    const head =
      more + before === 0
        ? `**${counted(approvals.length, 'approval')} for you to decide**, the oldest first`
        : `**Approvals for you to decide** (${fromTo(before + 1, before + approvals.length)} of ${before + approvals.length + more}), the oldest first`;
    const ways =
      '`/approvals approve <id>` and `/approvals deny <id> <why>` decide one, `/approvals show <id>` shows all of it.';
    const rest = more === 0 ? [] : [`\`/approvals mine ${page + 1}\` shows the next.`];
    return { ...answer([head, ...approvals.map(shown), ways, ...rest].join('\n\n')), waiting };
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
    for_session === undefined ? null : `\`/approvals approve ${approval_id} for session\` ${LASTING[for_session]}`,
  ].filter((rule) => rule !== null);
  return [
    `**${plain(summary)}** \`${approval_id}\``,
    asked.filter((part) => part !== null).join(' · '),
    ...(rules.length === 0 ? [] : [rules.join(' · ')]),
    isShownWhole(card, LISTED_DETAIL)
      ? fenced(detail)
      : `All of it, and the way to approve it: \`/approvals show ${approval_id}\``,
  ]
    .filter((line) => line !== '')
    .join('\n');
}
