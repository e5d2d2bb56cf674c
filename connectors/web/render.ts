import type { Outgoing } from '../../src/chat/connector.ts';
import type { MessageBody } from './wire.ts';

/** What leaves, as the page stores and draws it. */
export function renderBody(outgoing: Outgoing): MessageBody {
  switch (outgoing.kind) {
    case 'text':
      return { kind: 'text', markdown: outgoing.markdown, live: outgoing.live };
    case 'notice':
      return { kind: 'notice', level: outgoing.level, markdown: outgoing.markdown };
    case 'approval':
      return { kind: 'approval', card: outgoing.card };
    case 'activity':
      return { kind: 'activity', activity: outgoing.activity };
    default:
      return outgoing satisfies never;
  }
}

const TITLE_LENGTH = 80;

/** A conversation's name: the first line of its first message that says something, without markdown's marks. */
export function titleOf(text: string): string {
  const line = text
    .split('\n')
    .map((each) => each.replaceAll(/[`*_#>~]+/g, '').trim())
    .find((each) => each !== '');
  const title = [...(line ?? 'Untitled')];
  return title.length > TITLE_LENGTH
    ? `${title
        .slice(0, TITLE_LENGTH - 1)
        .join('')
        .trimEnd()}…`
    : title.join('');
}
