/** Slack's own markup (docs.slack.dev/messaging/formatting-message-text) as HTML. What it escapes stays escaped. */

/** What the ids of the snapshots are called. */
const NAMES: Readonly<Record<string, string>> = {
  C0OPS: 'ops',
  C0ONCALL: 'oncall',
  S_ONCALL: 'oncall',
  U_BEN: 'Ben',
  U_ANA: 'Ana',
  U000000001: 'Ana',
};
/** A font with emoji is on few servers: a sign and a colour stand for each. */
const EMOJI: Readonly<Record<string, [sign: string, color: string]>> = {
  arrow_upper_right: ['↗', '#1264a3'],
  hourglass: ['…', '#616061'],
  incoming_envelope: ['✉', '#1264a3'],
  leftwards_arrow_with_hook: ['↩', '#616061'],
  lock: ['■', '#8a6d00'],
  no_entry: ['✕', '#e01e5a'],
  repeat: ['↻', '#1264a3'],
  scissors: ['✂', '#616061'],
  speech_balloon: ['“', '#1264a3'],
  warning: ['!', '#8a6d00'],
  white_check_mark: ['✓', '#007a5a'],
};
const REFERENCE = /<([@#!]?)([^>|]+)(?:\|([^>]*))?>/g;

export function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

const mention = (text: string) => `<span class="mention">${text}</span>`;

function reference(sign: string, target: string, label: string | undefined): string {
  const name = label ?? NAMES[target.replace(/^subteam\^/, '')] ?? target;
  if (target.startsWith('date^')) return dateOf(target);
  if (sign === '#') return mention(`#${name}`);
  if (sign !== '') return mention(`@${name}`);
  return `<a>${label ?? target}</a>`;
}

/** `<!date^1700000000^{date_short_pretty} {time}|…>`, as somebody reads it in London. */
function dateOf(target: string): string {
  const seconds = Number(target.split('^')[1]);
  const options = { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', timeZone: 'UTC' } as const;
  return new Intl.DateTimeFormat('en-GB', options).format(new Date(seconds * 1_000));
}

/** @throws Error for an emoji that no sign stands for */
export function emojiOf(html: string): string {
  return html.replace(/(^|[\s>]):([a-z_]+):/g, (_all, before: string, name: string) => {
    const [sign, color] = EMOJI[name] ?? [];
    if (sign === undefined) throw new Error(`scripts/pictures/mrkdwn-html.ts has no sign for :${name}:`);
    return `${before}<span class="emoji" style="background: ${color}">${sign}</span>`;
  });
}

export function mrkdwnHtml(text: string): string {
  const html = text
    .replace(REFERENCE, (_all, sign: string, target: string, label?: string) => reference(sign, target, label))
    .replace(/`([^`\n]+)`/g, '<code>$1</code>')
    .replace(/(^|[\s(])\*([^*\n]+)\*/g, '$1<b>$2</b>')
    .replace(/(^|[\s(])_([^_\n]+)_/g, '$1<i>$2</i>')
    .replaceAll('\n', '<br>');
  return emojiOf(html);
}
