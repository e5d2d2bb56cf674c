import { createElement } from 'react';
import { renderToStaticMarkup } from 'react-dom/server';
import { expect, it } from 'vitest';
import { ApprovalCard } from '../../../console/src/components/approval-card.tsx';
import { approvalOut } from '../../support/cards.ts';

/** The page's card. */
function drawn(over: Parameters<typeof approvalOut>[1]): string {
  const out = approvalOut('dlv_1', over);
  if (out.kind !== 'approval') throw new Error('It is no card');
  const unasked = () => Promise.reject(new Error('Nobody clicks here'));
  return renderToStaticMarkup(createElement(ApprovalCard, { card: out.card, decide: unasked, details: unasked }));
}

/** What stands there where it says why. */
function whyOf(why: string): string {
  const [, said = ''] = /<p class="approval-why markdown">(.*?)<\/p>/s.exec(drawn({ why })) ?? [];
  return said;
}

it.each([
  ['tool', 'all further calls of this tool, whatever their arguments, run without asking'],
  ['arguments', 'whenever the very same call comes again in this session, it runs without asking'],
] as const)('what may be approved for the session is said beside the buttons: %s', (for_session, words) => {
  expect(drawn({ for_session })).toContain(words);
  expect(drawn({})).not.toContain('without asking');
});

const LINK = 'target="_blank" rel="noopener noreferrer nofollow"';

it.each([
  ['The disk is **full**: `df -h` says so.', 'The disk is <strong>full</strong>: <code>df -h</code> says so.'],
  ['_Old_ builds ~~stay~~ go.', '<em>Old</em> builds <del>stay</del> go.'],
  ['See [the run](https://ci.test/7).', `See <a href="https://ci.test/7" ${LINK}>the run</a>.`],
  // No block, whatever it begins with, and nothing left half open.
  ['## The plan', 'The plan'],
  ['- one step', 'one step'],
  ['> said before', 'said before'],
  ['1. **first', '**first'],
  ['…then ``` rm -rf build', '…then ``` rm -rf build'],
  // Nothing runs, loads or leads anywhere by itself.
  ['<img src=x onerror=alert(1)>', '&lt;img src=x onerror=alert(1)&gt;'],
  ['Now <script>alert(1)</script>', 'Now &lt;script&gt;alert(1)&lt;/script&gt;'],
  ['[press](javascript:alert(1))', `<a href="" ${LINK}>press</a>`],
  ['![seen](https://spy.test/p.png)', `<a href="https://spy.test/p.png" ${LINK}>seen</a>`],
])('why a call is wanted is a line of text as messages are: %s', (why, html) => {
  expect(whyOf(why).trim()).toBe(html);
});
