/*
 * Slack's own markup, in both directions: docs.slack.dev/messaging/formatting-message-text.
 * Inbound text arrives in it; outbound it is used in card fields and fallback text (answers go out as markdown blocks).
 */

/** Looks up what an id is called; the id where that is not known. */
export interface Names {
  user(id: string): Promise<string>;
  /** Without its `@`. */
  group(id: string): Promise<string>;
  /** Without its `#`. */
  channel(id: string): Promise<string>;
}

const GROUP = 'subteam^';
const REFERENCE = /<([@#!]?)([^>|]+)(?:\|([^>]*))?>/g;
const ENTITIES: Record<string, string> = { '&amp;': '&', '&lt;': '<', '&gt;': '>' };

export function unescape(text: string): string {
  return text.replace(/&(?:amp|lt|gt);/g, (entity) => ENTITIES[entity] ?? entity);
}

/** What was typed of a link, where that tells; else both. */
export function link(target: string, label: string | undefined): string {
  const bare = target.replace(/^(?:mailto|tel):/, '');
  if (label === undefined || label === target || label === bare || `http://${label}` === target) {
    return label === undefined ? target : label;
  }
  return `[${label}](${target})`;
}

/** `<!here>`, `<!date^…|fallback>`. */
function special(target: string): string {
  return `@${target.split('^')[0] ?? target}`;
}

async function nameOf(sign: string, target: string, names: Names): Promise<string> {
  if (sign === '@') return `@${await names.user(target)}`;
  if (sign === '#') return `#${await names.channel(target)}`;
  return target.startsWith(GROUP) ? `@${await names.group(target.slice(GROUP.length))}` : special(target);
}

/**
 * Slack text as readable markdown: the bot's mention removed, people, groups and channels by name, links and entities
 * unescaped.
 * @param botUserId the mention to remove
 */
export async function readableText(text: string, botUserId: string, names: Names): Promise<string> {
  const named = new Map<string, string>();
  for (const [, sign = '', id = '', label] of text.matchAll(REFERENCE)) {
    const key = `${sign}${id}`;
    if (sign === '' || label || id === botUserId || named.has(key)) continue;
    named.set(key, await nameOf(sign, id, names));
  }
  const readable = text.replace(REFERENCE, (_all, sign: string, target: string, label: string | undefined) => {
    switch (sign) {
      case '@':
        return target === botUserId ? '' : label ? `@${label}` : (named.get(`@${target}`) ?? `@${target}`);
      case '#':
        return label ? `#${label}` : (named.get(`#${target}`) ?? `#${target}`);
      case '!':
        return label || (named.get(`!${target}`) ?? special(target));
      default:
        return link(target, label || undefined);
    }
  });
  return unescape(readable).trim();
}

export function mentions(text: string, userId: string): boolean {
  return text.includes(`<@${userId}>`) || text.includes(`<@${userId}|`);
}

/** Whether people or a group are mentioned; `@here` and the like are for all who are there. */
export function mentionsAnybody(text: string): boolean {
  return /<(?:@[UW]|!subteam\^)/.test(text);
}

/**
 * A model must not be able to ring anybody's bell, whatever ids it was given to read: the bracket of `<!channel>`, `<@U1>`,
 * `<#C1>` and their like only looks like one then. Markup that names no id (`List<@NonNull String>`) stays as it is.
 */
export function quiet(text: string): string {
  return text.replace(/<(?=!(?:channel|here|everyone|subteam\^)|[@#][A-Z0-9]+[|>])/gi, '‹');
}

/** A channel as the house names it that knows only its id: `#C089JKL`. */
const CHANNEL_ID = /(?<![\p{L}\p{N}_&/<#])#([CG](?=[A-Z]*\d)[A-Z0-9]{4,})(?![\p{L}\p{N}_])/gu;

/** What the house says, with channels as Slack's own mentions: by name for who may see them, and they ring no bell. */
export function withChannels(text: string): string {
  return text.replace(CHANNEL_ID, '<#$1>');
}

/** The three characters Slack reads as markup. */
export function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** At most `length` UTF-16 units, never half a surrogate pair; what is cut is said. */
export function shorten(text: string, length: number): string {
  if (text.length <= length) return text;
  return `${cut(text, length - 1)}…`;
}

/** The same of text in Slack's markup: no reference and no entity is cut in two. */
export function shortenMarkup(text: string, length: number): string {
  if (text.length <= length) return text;
  return `${cut(text, length - 1).replace(/<[^>]*$|&[a-z]*$/, '')}…`;
}

/** The first `length` UTF-16 units, or one less where that would split a surrogate pair. */
export function cut(text: string, length: number): string {
  const code = text.charCodeAt(length - 1);
  const splits = length < text.length && code >= 0xd800 && code <= 0xdbff;
  return text.slice(0, splits ? length - 1 : length);
}

/** Escaped text within `length` characters after escaping; no entity and no surrogate pair is cut, what is cut is said. */
export function escapeWithin(text: string, length: number): string {
  // Escaping makes nothing shorter.
  const whole = escape(cut(text, length + 1));
  if (text.length <= length && whole.length <= length) return whole;
  return `${cut(whole, length - 1).replace(/&[a-z]*$/, '')}…`;
}

const MARKDOWN =
  /\\([!-/:-@[-`{-~])|```\n?([^]*?)\n?```|`([^`\n]+)`|\*\*((?:\\.|[^*\\\n])+)\*\*|\[([^\]\n]+)\]\(([^)\s]+)\)/g;

/** The house's own words, which are short Markdown, for where Slack takes only its own markup: within `length` characters. */
export function mrkdwnOf(markdown: string, length: number): string {
  let end = 0;
  const parts: string[] = [];
  for (const found of markdown.matchAll(MARKDOWN)) {
    const [all, sign, block, code, bold, label, to = ''] = found;
    parts.push(escape(markdown.slice(end, found.index)));
    end = found.index + all.length;
    if (sign !== undefined) parts.push(escape(sign));
    else if (block !== undefined) parts.push(`\`\`\`\n${escape(block)}\n\`\`\``);
    else if (code !== undefined) parts.push(`\`${escape(code)}\``);
    else if (bold !== undefined) parts.push(`*${mrkdwnOf(bold, bold.length * 5)}*`);
    else parts.push(linked(to, escape(label ?? '')) ?? escape(label ?? ''));
  }
  const whole = [...parts, escape(markdown.slice(end))].join('');
  return shortenMarkup(whole, length);
}

/** A link with a label that is mrkdwn already; null where there is none that works in Slack: on the page they name no host. */
export function linked(link: string | null, label: string): string | null {
  return link !== null && /^https?:/.test(link) ? `<${escape(link)}|${label.replaceAll('|', '¦')}>` : null;
}
