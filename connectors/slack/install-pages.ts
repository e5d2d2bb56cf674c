import type { ServerResponse } from 'node:http';

/** What somebody reads in their browser who installs the app: plain words, and what to do. */
interface Page {
  status: number;
  title: string;
  /** Paragraphs, as text. */
  words: string[];
  link?: { href: string; label: string };
}

/** Which page. `failed`: Slack or the database did not answer; `told`: it is in the log. */
export type Outcome =
  | { kind: 'installed'; name: string; href: string }
  | { kind: 'cancelled' | 'stale' | 'incomplete' | 'no_bot' | 'failed' }
  | { kind: 'not_allowed'; tenant: string };

const AGAIN = { href: '/slack/install', label: 'Begin again' };

function pageOf(outcome: Outcome): Page {
  switch (outcome.kind) {
    case 'installed':
      return {
        status: 200,
        title: `Deckhand is installed in ${outcome.name}`,
        words: ['In Slack, write to Deckhand directly, or /invite @deckhand to a channel and mention it there.'],
        link: { href: outcome.href, label: 'Open Slack' },
      };
    case 'cancelled':
      return {
        status: 200,
        title: 'Nothing was installed',
        words: ['You did not allow it, and nothing was changed in your workspace.'],
        link: AGAIN,
      };
    case 'stale':
      return {
        status: 400,
        title: 'This link does not work any more',
        words: [
          'It is good once, for ten minutes, and only in the browser in which it was opened. Nothing was installed.',
          'Begin again, and allow cookies for this address.',
        ],
        link: AGAIN,
      };
    case 'incomplete':
      return {
        status: 400,
        title: 'Something is missing in this address',
        words: ['Slack sends you here with an answer in the address. This one has none, so nothing was installed.'],
        link: AGAIN,
      };
    case 'no_bot':
      return {
        status: 502,
        title: 'Slack gave no token for the bot',
        words: ['Nothing was installed. Whoever runs Deckhand has to make its Slack app from manifest.yml.'],
      };
    case 'not_allowed':
      return {
        status: 403,
        title: 'This workspace may not use this Deckhand',
        words: [
          `Nothing was kept, and its access to ${outcome.tenant} was given back.`,
          `Whoever runs Deckhand can add ${outcome.tenant} to SLACK_TEAMS; then begin again.`,
        ],
      };
    case 'failed':
      return {
        status: 502,
        title: 'That did not work just now',
        words: ['Nothing was installed. Try again in a minute; the log of Deckhand says what was wrong.'],
        link: AGAIN,
      };
    default:
      return outcome satisfies never;
  }
}

export function sendPage(response: ServerResponse, outcome: Outcome): void {
  const { status, title, words, link } = pageOf(outcome);
  const lines = words.map((text) => `<p>${escapeHtml(text)}</p>`);
  const way = link === undefined ? [] : [`<p><a href="${escapeHtml(link.href)}">${escapeHtml(link.label)}</a></p>`];
  const head = `<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeHtml(title)}</title>`;
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    // The address has Slack's code in it.
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
  });
  const body = [`<h1>${escapeHtml(title)}</h1>`, ...lines, ...way].join('\n');
  response.end(`<!doctype html>\n<html lang="en">\n<head>${head}</head>\n<body>\n${body}\n</body>\n</html>\n`);
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
