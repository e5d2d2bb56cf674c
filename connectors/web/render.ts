import { PostRefusedError } from '../../src/chat/connector.ts';
import type { Called, Outgoing } from '../../src/chat/outgoing.ts';
import type { FileLink, MessageBody } from './wire.ts';

/** What leaves, as the page stores and draws it. */
export function renderBody(conversationId: string, outgoing: Outgoing): MessageBody {
  switch (outgoing.kind) {
    case 'text':
      return { kind: 'text', markdown: outgoing.markdown, live: outgoing.live };
    case 'notice':
      return { kind: 'notice', level: outgoing.level, markdown: `${outgoing.markdown}${callOf(outgoing.called)}` };
    case 'approval':
      return { kind: 'approval', card: outgoing.card };
    case 'file':
      return { kind: 'file', file: linkOf(conversationId, outgoing), path: outgoing.markdown };
    case 'plan':
      // Its limits say that it takes none.
      throw new PostRefusedError(`${outgoing.kind}_not_shown`);
    case 'activity':
      return { kind: 'activity', activity: outgoing.activity };
    default:
      return outgoing satisfies never;
  }
}

/** Names as they are, whatever marks they hold. */
function callOf(called: readonly Called[] | undefined): string {
  if (called === undefined) return '';
  return ` For ${called.map(({ name }) => name.replaceAll(/[\\`*_[\]<>]/g, '\\$&')).join(', ')}.`;
}

function linkOf(conversationId: string, { name, content }: Extract<Outgoing, { kind: 'file' }>): FileLink {
  // Its limits say that no text is too long for it.
  if (typeof content === 'string') throw new PostRefusedError('text_file_not_shown');
  const { file_id, mime_type, size_bytes } = content;
  return { name, href: `/web/conversations/${conversationId}/files/${file_id}`, mime_type, size_bytes };
}

const TITLE_LENGTH = 80;
const characters = new Intl.Segmenter();

/** A conversation's name: the first line of its first message that says something, without the marks around it. */
export function titleOf(text: string): string {
  const line = text
    .split('\n')
    .map((each) => each.replaceAll(/^[\s#>*-]+(?=\S)|\*\*|~~|`/g, '').trim())
    .find((each) => each !== '');
  // By what a reader sees as one character, so that no emoji is cut in two.
  const start = (line ?? 'Untitled').slice(0, 10 * TITLE_LENGTH);
  const title = Array.from(characters.segment(start), ({ segment }) => segment);
  if (title.length <= TITLE_LENGTH) return title.join('');
  const cut = title.slice(0, TITLE_LENGTH - 1).join('');
  return `${cut.trimEnd()}…`;
}
