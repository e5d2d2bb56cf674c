import { z } from 'zod';
import { escape } from './mrkdwn.ts';

/** What no words of a message are: what can be pressed or filled in, and what stands beside or behind it. */
const CONTROLS = new Set(['actions', 'context_actions', 'input']);
const BESIDE = new Set(['accessory', 'actions', 'confirm', 'sources']);
/** Fields that some blocks say as a plain string, and not in a text object. */
const PLAIN = new Set(['title', 'caption']);

const fields = z.record(z.string(), z.unknown());
type Fields = z.infer<typeof fields>;

/** The words of blocks in Slack's markup, a text for each block that has any (docs.slack.dev/reference/block-kit/blocks). */
export function blockWords(blocks: unknown): string[] {
  return listIn(blocks)
    .map((block) => wordsIn(block).join('\n'))
    .filter((text) => text.trim() !== '');
}

/** Of a kind of block that is not known, every text in it: Slack adds some each year. */
function wordsIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(wordsIn);
  const { data } = fields.safeParse(value);
  if (data === undefined || CONTROLS.has(stringIn(data, 'type'))) return [];
  if (data.type === 'rich_text') return [richText(data)];
  const { rows, ...rest } = data;
  const words = Object.entries(rest).flatMap(([key, inner]) => {
    if (typeof inner !== 'string') return BESIDE.has(key) ? [] : wordsIn(inner);
    if (PLAIN.has(key)) return [plain(inner)];
    return key === 'text' ? [isMarkup(data) ? inner : plain(inner)] : [];
  });
  return [...words, ...listIn(rows).map(tableRow)];
}

function isMarkup({ type }: Fields): boolean {
  return type === 'mrkdwn' || type === 'markdown';
}

function tableRow(row: unknown): string {
  return listIn(row)
    .map((cell) => wordsIn(cell).join(' ').replaceAll(/\s+/g, ' '))
    .join(' | ');
}

function richText(block: Fields): string {
  return fieldsIn(block.elements).map(richPart).join('\n');
}

function richPart(part: Fields): string {
  const { type, elements } = part;
  const inner = () => fieldsIn(elements).map(inline).join('');
  switch (type) {
    case 'rich_text_list': {
      const indent = '  '.repeat(typeof part.indent === 'number' ? part.indent : 0);
      const mark = (at: number) => (part.style === 'ordered' ? `${at + 1}.` : '•');
      return fieldsIn(elements)
        .map((item, at) => `${indent}${mark(at)} ${richPart(item)}`)
        .join('\n');
    }
    case 'rich_text_quote':
      return inner().replaceAll(/^/gm, '&gt; ');
    case 'rich_text_preformatted':
      return `\`\`\`\n${inner()}\n\`\`\``;
    default:
      return inner();
  }
}

function inline(element: Fields): string {
  const of = (name: string) => stringIn(element, name);
  switch (element.type) {
    case 'link': {
      const label = plain(of('text'));
      const url = escape(of('url')).replaceAll('|', '%7C');
      return label === '' ? `<${url}>` : `<${url}|${label}>`;
    }
    case 'user':
      return `<@${of('user_id')}>`;
    case 'usergroup':
      return `<!subteam^${of('usergroup_id')}>`;
    case 'channel':
      return `<#${of('channel_id')}>`;
    case 'broadcast':
      return `<!${of('range')}>`;
    case 'emoji':
      return `:${of('name')}:`;
    case 'color':
      return of('value');
    case 'date':
      return plain(of('fallback')) || dateOf(element.timestamp);
    default:
      return plain(of('text'));
  }
}

function dateOf(seconds: unknown): string {
  const date = new Date(Number(seconds) * 1_000);
  return Number.isNaN(date.getTime()) ? '' : date.toISOString();
}

/** No markup. It is not documented whether Slack escapes these texts: what it has escaped stays as it is. */
function plain(text: string): string {
  return text.replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function stringIn(from: Fields, name: string): string {
  const value = from[name];
  return typeof value === 'string' ? value : '';
}

function listIn(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function fieldsIn(value: unknown): Fields[] {
  return listIn(value).flatMap((one) => {
    const { data } = fields.safeParse(one);
    return data === undefined ? [] : [data];
  });
}
