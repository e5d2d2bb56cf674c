import { detailsOf } from '../look-at-approvals.ts';
import { answer, type Command, plain, refuse } from './command.ts';
import { idAndRest, LASTING, readWord, WHICH } from './find-approval.ts';
import { fenced } from './words.ts';

/** Characters of a call in one answer: Slack takes 12,000 of markdown, with all around it. */
const PAGE = 8_000;

export const showApproval: Command = {
  name: 'show',
  args: '<id> [page]',
  summary: 'all of what one would do, every character',
  async run(deps, request) {
    const { id, rest } = idAndRest(request.args);
    if (id === '') return refuse(WHICH);
    const { conversation, person } = request;
    const details = await detailsOf(deps, { conversation, person, approval_id: id });
    if ('refused' in details) return refuse(details.refused);
    const { summary, why, detail, closed, for_session } = details;
    const pages = pagesOf(detail);
    const page = Number(rest || 1);
    const part = pages[page - 1];
    if (part === undefined) return refuse(`It has ${pages.length} ${pages.length === 1 ? 'page' : 'pages'}.`);
    const approve = `/approvals approve ${id} ${readWord(detail)}`;
    const end =
      page < pages.length
        ? `Page ${page} of ${pages.length}: \`/approvals show ${id} ${page + 1}\` goes on.`
        : (closed ??
          `That is all of it. \`${approve}\` approves it${for_session === undefined ? '' : `, \`${approve} for session\` ${LASTING[for_session]}`}; \`/approvals deny ${id} <why>\` does not.`);
    return answer(
      [`**${plain(summary)}**`, ...(page === 1 && why !== null ? [`> ${plain(why)}`] : []), fenced(part), end].join(
        '\n\n',
      ),
    );
  },
};

function pagesOf(text: string): string[] {
  const pages: string[] = [];
  for (let at = 0; at < text.length; at += pages.at(-1)?.length ?? PAGE) {
    const page = text.slice(at, at + PAGE);
    // Not half of a surrogate pair at its end.
    pages.push(at + PAGE < text.length ? page.replace(/[\uD800-\uDBFF]$/, '') : page);
  }
  return pages.length === 0 ? [''] : pages;
}
