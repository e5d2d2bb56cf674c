import type { RichTextElement, RichTextSection, TableBlock } from '@slack/types';

/*
 * Table block reference (docs.slack.dev/reference/block-kit/blocks/table-block): 100 rows, 20 columns, one table in a
 * message; all cells together 10,000 characters.
 */
const ROWS = 100;
const COLUMNS = 20;
const CHARACTERS = 10_000;

/** A text around the only table in it. */
export interface AroundTable {
  before: string;
  table: TableBlock;
  after: string;
}

interface TableLines {
  /** Indexes of its header's line and of the line after its last. */
  start: number;
  end: number;
}

/**
 * Quiet markdown (mrkdwn.ts) with its table as Slack's own: its mentions ring. Null: there is none, it does not fit, or there are several, of which Slack takes
 * one; they are left to the markdown block, so that all of a message look alike.
 */
export function aroundTable(markdown: string): AroundTable | null {
  const lines = markdown.split('\n');
  const [found, ...others] = tablesIn(lines);
  if (found === undefined || others.length > 0) return null;
  const table = tableBlock(lines.slice(found.start, found.end));
  if (table === null) return null;
  return { before: lines.slice(0, found.start).join('\n'), table, after: lines.slice(found.end).join('\n') };
}

const FENCE = /^ {0,3}(`{3,}|~{3,})(.*)$/;
const DELIMITER = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;

function tablesIn(lines: readonly string[]): TableLines[] {
  const tables: TableLines[] = [];
  let fence: string | null = null;
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? '';
    const [, marker = '', rest = ''] = FENCE.exec(line) ?? [];
    if (fence !== null) {
      if (marker.startsWith(fence) && rest.trim() === '') fence = null;
      continue;
    }
    if (marker !== '') {
      fence = marker;
      continue;
    }
    if (!beginsTable(line, lines[at + 1])) continue;
    let end = at + 2;
    while (end < lines.length && (lines[end] ?? '').includes('|')) end += 1;
    tables.push({ start: at, end });
    at = end - 1;
  }
  return tables;
}

function beginsTable(header: string, delimiter: string | undefined): boolean {
  if (delimiter === undefined || !header.includes('|') || !delimiter.includes('|')) return false;
  // In a quote, a list or indented code it belongs to what is around it.
  if (/^(?: {4}|\t| {0,3}>)/.test(header)) return false;
  return DELIMITER.test(delimiter) && cellsOf(header).length === cellsOf(delimiter).length;
}

function tableBlock([header = '', delimiter = '', ...body]: string[]): TableBlock | null {
  const titles = cellsOf(header);
  const columns = titles.length;
  const texts = [titles, ...body.map(cellsOf)].map((row) => titles.map((_title, at) => row[at] ?? ''));
  const rows = texts.map((row, index) => row.map((text) => cell(text, index === 0)));
  const characters = texts.flat().reduce((sum, text) => sum + text.length, 0);
  if (columns > COLUMNS || rows.length > ROWS || characters > CHARACTERS) return null;
  const column_settings = cellsOf(delimiter).map((rule) => ({ align: alignOf(rule), is_wrapped: true }));
  return { type: 'table', column_settings, rows };
}

function alignOf(rule: string): 'left' | 'center' | 'right' {
  if (!rule.endsWith(':')) return 'left';
  return rule.startsWith(':') ? 'center' : 'right';
}

/** GFM: cells are parted by every bar that is not escaped, also in code. */
function cellsOf(line: string): string[] {
  const inner = line
    .trim()
    .replace(/^\|/, '')
    .replace(/(?<!\\)\|$/, '');
  return inner.split(/(?<!\\)\|/).map((text) => text.trim().replaceAll('\\|', '|'));
}

type Cell = TableBlock['rows'][number][number];

function cell(text: string, isTitle: boolean): Cell {
  // An empty text is refused.
  if (text === '') return { type: 'raw_text', text: ' ' };
  const elements = inline(text).map((element) => (isTitle ? bold(element) : element));
  const section: RichTextSection = { type: 'rich_text_section', elements };
  return { type: 'rich_text', elements: [section] };
}

function bold(element: RichTextElement): RichTextElement {
  return element.type === 'text' ? { ...element, style: { ...element.style, bold: true } } : element;
}

const INLINE = new RegExp(
  [
    '`(?<code>[^`]+)`',
    String.raw`\*\*(?<bold>[^*]+)\*\*`,
    '~~(?<strike>[^~]+)~~',
    String.raw`\[(?<label>[^\]]+)\]\((?<url>(?:https?:\/\/|mailto:)[^)\s]+)\)`,
    String.raw`<@(?<user>[UW][A-Z0-9]+)>`,
    String.raw`<#(?<channel>[CG][A-Z0-9]+)>`,
    String.raw`<!subteam\^(?<group>S[A-Z0-9]+)>`,
    String.raw`(?<![\w*])\*(?<starred>[^*\s][^*]*)\*(?![\w*])`,
    String.raw`(?<!\w)_(?<underlined>[^_\s][^_]*)_(?!\w)`,
  ].join('|'),
  'g',
);

/** A cell's markdown, one level deep: what is within something bold stands there as it was written. */
function inline(text: string): RichTextElement[] {
  const elements: RichTextElement[] = [];
  let at = 0;
  for (const match of text.matchAll(INLINE)) {
    if (match.index > at) elements.push({ type: 'text', text: text.slice(at, match.index) });
    elements.push(inlineElement(match.groups ?? {}));
    at = match.index + match[0].length;
  }
  if (at < text.length) elements.push({ type: 'text', text: text.slice(at) });
  return elements;
}

function inlineElement(groups: Partial<Record<string, string>>): RichTextElement {
  const { code, bold: strong, strike, label, url, user, channel, group, starred, underlined } = groups;
  if (user !== undefined) return { type: 'user', user_id: user };
  if (channel !== undefined) return { type: 'channel', channel_id: channel };
  if (group !== undefined) return { type: 'usergroup', usergroup_id: group };
  if (url !== undefined) return { type: 'link', url, text: label ?? url };
  if (code !== undefined) return { type: 'text', text: code, style: { code: true } };
  if (strong !== undefined) return { type: 'text', text: strong, style: { bold: true } };
  if (strike !== undefined) return { type: 'text', text: strike, style: { strike: true } };
  return { type: 'text', text: starred ?? underlined ?? '', style: { italic: true } };
}
