import { createElement } from 'react';
import { renderToStaticMarkup } from 'react-dom/server';
import Markdown from 'react-markdown';
import remarkGfm from 'remark-gfm';
import { z } from 'zod';
import { emojiOf, escapeHtml, mrkdwnHtml } from './mrkdwn-html.ts';

/**
 * Block Kit as HTML of our own: what stands in a block, in its order, near to how Slack shows it. Only the kinds that the
 * connector sends; any other is an error, so that no picture leaves something out.
 */
export function blocksHtml(blocks: readonly unknown[]): string {
  return blocks.map((one) => blockHtml(block.parse(one))).join('\n');
}

const words = z.object({ type: z.enum(['plain_text', 'mrkdwn']), text: z.string() });
type Words = z.infer<typeof words>;
const button = z.looseObject({
  type: z.literal('button'),
  text: words,
  style: z.enum(['primary', 'danger']).optional(),
});
const option = z.looseObject({ text: words });
const field = z.looseObject({
  type: z.enum([
    'plain_text_input',
    'static_select',
    'multi_static_select',
    'multi_users_select',
    'conversations_select',
    'multi_conversations_select',
  ]),
  multiline: z.boolean().optional(),
  initial_value: z.string().optional(),
  initial_option: option.optional(),
  initial_options: z.array(option).optional(),
  initial_users: z.array(z.string()).optional(),
  initial_conversations: z.array(z.string()).optional(),
  initial_conversation: z.string().optional(),
});
const run = z.looseObject({
  type: z.enum(['text', 'link', 'user', 'usergroup']),
  text: z.string().optional(),
  url: z.string().optional(),
  user_id: z.string().optional(),
  usergroup_id: z.string().optional(),
  style: z.looseObject({ bold: z.boolean().optional(), code: z.boolean().optional() }).optional(),
});
const richText = z.looseObject({
  type: z.literal('rich_text'),
  elements: z.array(
    z.looseObject({ type: z.enum(['rich_text_section', 'rich_text_preformatted']), elements: z.array(run) }),
  ),
});
const task = z.looseObject({
  type: z.literal('task_card'),
  title: z.string(),
  status: z.enum(['pending', 'in_progress', 'complete', 'error']),
  details: richText.optional(),
  output: richText.optional(),
});
const rated = z.looseObject({ text: words });

const block = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('header'), text: words }),
  z.looseObject({ type: z.literal('section'), text: words, accessory: button.optional() }),
  z.looseObject({ type: z.literal('markdown'), text: z.string() }),
  z.looseObject({ type: z.literal('context'), elements: z.array(words) }),
  z.looseObject({
    type: z.literal('context_actions'),
    elements: z.array(
      z.looseObject({ type: z.literal('feedback_buttons'), positive_button: rated, negative_button: rated }),
    ),
  }),
  z.looseObject({ type: z.literal('actions'), elements: z.array(button) }),
  z.looseObject({ type: z.literal('divider') }),
  z.looseObject({ type: z.literal('plan'), title: z.string(), tasks: z.array(task) }),
  z.looseObject({ type: z.literal('table'), rows: z.array(z.array(richText)) }),
  z.looseObject({
    type: z.literal('input'),
    label: words,
    hint: words.optional(),
    optional: z.boolean().optional(),
    element: field,
  }),
  richText,
]);
type Block = z.infer<typeof block>;

const MARK = { pending: '○', in_progress: '◔', complete: '✓', error: '✕' } as const;

function blockHtml(one: Block): string {
  switch (one.type) {
    case 'header':
      return `<h3>${wordsHtml(one.text)}</h3>`;
    case 'section': {
      const beside = one.accessory === undefined ? '' : `<div>${buttonHtml(one.accessory)}</div>`;
      return `<div class="section"><div>${wordsHtml(one.text)}</div>${beside}</div>`;
    }
    case 'markdown':
      return `<div class="markdown">${markdownHtml(one.text)}</div>`;
    case 'context':
      return `<div class="context">${one.elements.map(wordsHtml).join(' ')}</div>`;
    case 'context_actions':
      return one.elements
        .map(({ positive_button: good, negative_button: bad }) => ratingHtml(good.text, bad.text))
        .join('');
    case 'actions':
      return `<div class="actions">${one.elements.map(buttonHtml).join('')}</div>`;
    case 'divider':
      return '<hr>';
    case 'plan':
      return `<div class="plan"><b>${escapeHtml(one.title)}</b>${one.tasks.map(taskHtml).join('')}</div>`;
    case 'table':
      return `<table>${one.rows.map((row) => `<tr>${row.map((cell) => `<td>${richHtml(cell)}</td>`).join('')}</tr>`).join('')}</table>`;
    case 'input':
      return inputHtml(one);
    case 'rich_text':
      return richHtml(one);
    default:
      return one satisfies never;
  }
}

function wordsHtml({ type, text }: Words): string {
  return type === 'mrkdwn' ? mrkdwnHtml(text) : emojiOf(escapeHtml(text));
}

function markdownHtml(text: string): string {
  return renderToStaticMarkup(createElement(Markdown, { remarkPlugins: [remarkGfm] }, text));
}

function buttonHtml({ text, style }: z.infer<typeof button>): string {
  return `<span class="button ${style ?? ''}">${wordsHtml(text)}</span>`;
}

function ratingHtml(good: Words, bad: Words): string {
  return `<div class="actions rating"><span>▲ ${wordsHtml(good)}</span><span>▼ ${wordsHtml(bad)}</span></div>`;
}

function taskHtml({ title, status, details, output }: z.infer<typeof task>): string {
  const more = [details, output].filter((one) => one !== undefined).map(richHtml);
  return `<div class="task ${status}"><i>${MARK[status]}</i><div>${escapeHtml(title)}${more.join('')}</div></div>`;
}

function richHtml({ elements }: z.infer<typeof richText>): string {
  return elements
    .map(({ type, elements: runs }) => {
      const inside = runs.map(runHtml).join('');
      return type === 'rich_text_preformatted' ? `<pre>${inside}</pre>` : `<div>${inside}</div>`;
    })
    .join('');
}

function runHtml({ type, text, url, user_id, usergroup_id, style }: z.infer<typeof run>): string {
  if (type === 'user' || type === 'usergroup') return mrkdwnHtml(`<@${user_id ?? usergroup_id ?? ''}>`);
  const said = escapeHtml(text ?? url ?? '');
  const styled = style?.code === true ? `<code>${said}</code>` : said;
  return style?.bold === true ? `<b>${styled}</b>` : styled;
}

function inputHtml({ label, hint, optional, element }: Extract<Block, { type: 'input' }>): string {
  const mark = optional === true ? ' <span class="hint">(optional)</span>' : '';
  const below = hint === undefined ? '' : `<div class="hint">${wordsHtml(hint)}</div>`;
  return `<div class="input"><label>${wordsHtml(label)}${mark}</label>${fieldHtml(element)}${below}</div>`;
}

function fieldHtml(element: z.infer<typeof field>): string {
  const { type, initial_users, initial_conversations, initial_conversation, initial_option, initial_options } = element;
  if (type === 'plain_text_input') {
    const tall = element.multiline === true ? ' tall' : '';
    return `<div class="field${tall}">${escapeHtml(element.initial_value ?? '')}</div>`;
  }
  const channels = initial_conversations ?? (initial_conversation === undefined ? [] : [initial_conversation]);
  const chosen = [
    ...[initial_option ?? [], initial_options ?? []].flat().map(({ text }) => wordsHtml(text)),
    ...(initial_users ?? []).map((id) => mrkdwnHtml(`<@${id}>`)),
    ...channels.map((id) => mrkdwnHtml(`<#${id}>`)),
  ];
  return `<div class="field select">${chosen.join(' ')}<span>⌄</span></div>`;
}
