import { SlackApiError } from './api-error.ts';
import type { SlackBlock } from './workspace.ts';

/*
 * The limits of Block Kit's reference pages (docs.slack.dev/reference/block-kit). The total over all blocks is in no
 * reference: people measured it at 13,172 to 13,297 characters (slackapi/bolt-js issue 2509); the lower figure is used.
 */
const MAX_BLOCKS = 50;
const MAX_TOTAL = 13_172;
const LIMITS = {
  section: 3_000,
  header: 150,
  markdown: 12_000,
  button: 75,
  value: 2_000,
  id: 255,
  context: 10,
  actions: 25,
};
const KNOWN = new Set([
  'section',
  'header',
  'markdown',
  'context',
  'actions',
  'divider',
  'rich_text',
  'input',
  'context_actions',
  'plan',
  'task_card',
  'table',
]);

type Fields = Record<string, unknown>;

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function listOf(value: unknown): Fields[] {
  return Array.isArray(value) ? value.map(fieldsOf) : [];
}

function textOf(value: unknown): string {
  const text = fieldsOf(value).text;
  return typeof text === 'string' ? text : '';
}

function refuse(pointer: string, why: string): never {
  throw new SlackApiError('invalid_blocks', {
    response_metadata: { messages: [`[ERROR] ${why} [json-pointer:${pointer}]`] },
  });
}

function checkButton(button: Fields, pointer: string): void {
  if (button.type !== 'button') return;
  const label = textOf(button.text);
  if (label === '' || label.length > LIMITS.button) refuse(`${pointer}/text`, 'must be 1 to 75 characters');
  if (fieldsOf(button.text).type !== 'plain_text') refuse(`${pointer}/text/type`, 'must be plain_text');
  if (typeof button.value === 'string' && button.value.length > LIMITS.value) refuse(`${pointer}/value`, 'too long');
  if (typeof button.action_id === 'string' && button.action_id.length > LIMITS.id)
    refuse(`${pointer}/action_id`, 'too long');
  if (button.style !== undefined && button.style !== 'primary' && button.style !== 'danger')
    refuse(`${pointer}/style`, 'unknown');
  checkConfirm(button, pointer);
}

/** Confirmation dialog object reference. */
function checkConfirm(element: Fields, pointer: string): void {
  if (element.confirm === undefined) return;
  const dialog = fieldsOf(element.confirm);
  for (const [name, most] of [
    ['title', 100],
    ['text', 300],
    ['confirm', 30],
    ['deny', 30],
  ] as const) {
    const text = textOf(dialog[name]);
    if (text === '' || text.length > most) refuse(`${pointer}/confirm/${name}`, `must be 1 to ${most} characters`);
  }
}

/** One block, wherever it stands. */
export function checkBlock(block: SlackBlock, pointer: string): void {
  if (!KNOWN.has(block.type)) refuse(`${pointer}/type`, 'unsupported type');
  if (block.block_id !== undefined && block.block_id.length > LIMITS.id) refuse(`${pointer}/block_id`, 'too long');
  switch (block.type) {
    case 'section': {
      const text = textOf(block.text);
      if (block.fields === undefined && (text === '' || text.length > LIMITS.section))
        refuse(`${pointer}/text`, 'must be 1 to 3000 characters');
      checkButton(fieldsOf(block.accessory), `${pointer}/accessory`);
      break;
    }
    case 'header': {
      const text = textOf(block.text);
      if (text === '' || text.length > LIMITS.header) refuse(`${pointer}/text`, 'must be 1 to 150 characters');
      if (fieldsOf(block.text).type !== 'plain_text') refuse(`${pointer}/text/type`, 'must be plain_text');
      break;
    }
    case 'markdown':
      if (typeof block.text !== 'string' || block.text === '') refuse(`${pointer}/text`, 'must be a string');
      break;
    case 'context':
      if (listOf(block.elements).length === 0 || listOf(block.elements).length > LIMITS.context)
        refuse(`${pointer}/elements`, 'must have 1 to 10 items');
      for (const element of listOf(block.elements))
        if (textOf(element).length > LIMITS.section) refuse(`${pointer}/elements`, 'too long');
      break;
    case 'actions': {
      const elements = listOf(block.elements);
      if (elements.length === 0 || elements.length > LIMITS.actions)
        refuse(`${pointer}/elements`, 'must have 1 to 25 items');
      elements.forEach((element, index) => checkButton(element, `${pointer}/elements/${index}`));
      break;
    }
    case 'plan':
      if (typeof block.title !== 'string' || block.title === '') refuse(`${pointer}/title`, 'must be a string');
      listOf(block.tasks).forEach((task, index) => checkTask(task, `${pointer}/tasks/${index}`));
      break;
    case 'task_card':
      checkTask(block, pointer);
      break;
    case 'table':
      checkTable(block, pointer);
      break;
    case 'context_actions':
      checkContextActions(block, pointer);
      break;
    default:
  }
}

/** Table block reference: 100 rows of 20 cells, 10,000 characters in all. Guess: an empty text is refused there as elsewhere. */
function checkTable(block: SlackBlock, pointer: string): void {
  const rows = Array.isArray(block.rows) ? block.rows.map(listOf) : [];
  if (rows.length === 0 || rows.length > 100) refuse(`${pointer}/rows`, 'must have 1 to 100 items');
  rows.forEach((cells, at) => {
    if (cells.length === 0 || cells.length > 20) refuse(`${pointer}/rows/${at}`, 'must have 1 to 20 items');
    cells.forEach((cell, column) => {
      const known = ['raw_text', 'raw_number', 'rich_text'].includes(String(cell.type));
      if (!known) refuse(`${pointer}/rows/${at}/${column}/type`, 'unsupported type');
      if (readableText(cell).includes('')) refuse(`${pointer}/rows/${at}/${column}`, 'must not be empty');
    });
  });
  if (listOf(block.column_settings).length > 20) refuse(`${pointer}/column_settings`, 'must have at most 20 items');
  const characters = readableText(rows).reduce((sum, text) => sum + text.length, 0);
  if (characters > 10_000) refuse(`${pointer}/rows`, 'over 10000 characters');
}

/** Context actions block reference: 1 to 5 elements. Feedback buttons reference: two labels of 75 and values of 2,000 characters. */
function checkContextActions(block: SlackBlock, pointer: string): void {
  const elements = listOf(block.elements);
  if (elements.length === 0 || elements.length > 5) refuse(`${pointer}/elements`, 'must have 1 to 5 items');
  elements.forEach((element, at) => {
    if (element.type === 'icon_button') return;
    if (element.type !== 'feedback_buttons') refuse(`${pointer}/elements/${at}/type`, 'unsupported type');
    for (const side of ['positive_button', 'negative_button']) {
      const button = { ...fieldsOf(element[side]), type: 'button' };
      checkButton(button, `${pointer}/elements/${at}/${side}`);
      if (!('value' in button)) refuse(`${pointer}/elements/${at}/${side}/value`, 'is required');
    }
  });
}

const TASK_STATUSES = ['pending', 'in_progress', 'complete', 'error'];

/** Task card block reference; `task_id` and `title` are required there, `details` and `output` are rich text. */
function checkTask(task: Fields, pointer: string): void {
  for (const field of ['task_id', 'title']) {
    if (typeof task[field] !== 'string' || task[field] === '') refuse(`${pointer}/${field}`, 'must be a string');
  }
  if (!TASK_STATUSES.includes(String(task.status))) refuse(`${pointer}/status`, 'unknown');
  for (const field of ['details', 'output']) {
    if (task[field] !== undefined && fieldsOf(task[field]).type !== 'rich_text')
      refuse(`${pointer}/${field}`, 'must be a rich_text');
  }
}

/**
 * What Slack makes of a message with tasks: bytes of UTF-8, details and output twice. Measured by others
 * (openclaw/openclaw#143882): refused from 10,600 on where there is text too, and somewhere above 22,900 without any.
 */
const MAX_TASK_BYTES = 10_600;
const MAX_TASK_BYTES_WITHOUT_TEXT = 22_900;

/** @throws SlackApiError `msg_too_long` */
export function checkTaskBytes(blocks: SlackBlock[]): void {
  const tasks = blocks.filter((block) => block.type === 'plan').flatMap((plan) => listOf(plan.tasks));
  if (tasks.length === 0) return;
  const bytes = (texts: string[]) => texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  const text = bytes(blocks.filter((block) => block.type !== 'plan').flatMap(readableText));
  const titles = bytes(
    blocks
      .flatMap((block) => [block, ...listOf(block.tasks)])
      .map(({ title }) => (typeof title === 'string' ? title : '')),
  );
  const lines = bytes(tasks.flatMap((task) => readableText([task.details, task.output])));
  const most = text > 0 ? MAX_TASK_BYTES : MAX_TASK_BYTES_WITHOUT_TEXT;
  if (text + titles + 2 * lines > most) throw new SlackApiError('msg_too_long');
}

/** Blocks as the app sent them: without the ids that Slack gives. */
export function withoutIds(blocks: readonly SlackBlock[]): SlackBlock[] {
  return blocks.map(
    (block) => Object.fromEntries(Object.entries(block).filter(([key]) => key !== 'block_id')) as SlackBlock,
  );
}

/** Every string under a `text` field, and the titles of plans, which is what counts and what a person reads. */
export function readableText(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(readableText);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, field]) => {
    if (typeof field === 'string') return key === 'text' || key === 'title' ? [field] : [];
    return readableText(field);
  });
}

export function buttonsOf(blocks: SlackBlock[]): Fields[] {
  return blocks
    .filter((block) => block.type === 'actions')
    .flatMap((block) => listOf(block.elements))
    .filter((e) => e.type === 'button');
}

/** The buttons that ask what one thinks of a message, as `good` and `bad`. */
export function feedbackButtonsOf(blocks: SlackBlock[]): { action_id: unknown; good: Fields; bad: Fields } | undefined {
  const elements = blocks
    .filter((block) => block.type === 'context_actions')
    .flatMap((block) => listOf(block.elements));
  const found = elements.find((element) => element.type === 'feedback_buttons');
  if (found === undefined) return undefined;
  const { action_id, positive_button, negative_button } = found;
  return { action_id, good: fieldsOf(positive_button), bad: fieldsOf(negative_button) };
}

export function buttonLabel(button: Fields): string {
  return textOf(button.text);
}

/**
 * Refuse what Slack refuses.
 * @throws SlackApiError `invalid_blocks` with a JSON pointer, or `msg_blocks_too_long`.
 */
export function checkBlocks(blocks: SlackBlock[]): void {
  if (blocks.length > MAX_BLOCKS) refuse('/blocks', 'no more than 50 items allowed');
  blocks.forEach((block, index) => checkBlock(block, `/blocks/${index}`));
  // "You can only include one table block in a message" (table block reference).
  if (blocks.filter((block) => block.type === 'table').length > 1) throw new SlackApiError('only_one_table_allowed');
  const ids = blocks.map((block) => block.block_id).filter((id) => id !== undefined);
  if (new Set(ids).size < ids.length) refuse('/blocks', 'block_id must be unique');
  const markdown = blocks
    .filter((block) => block.type === 'markdown')
    .reduce((sum, block) => sum + String(block.text).length, 0);
  // The reference: "the cumulative limit for all markdown blocks in a single payload is 12,000 characters".
  if (markdown > LIMITS.markdown) refuse('/blocks', 'markdown text over 12000 characters');
  const total = readableText(blocks).reduce((sum, text) => sum + text.length, 0);
  if (total > MAX_TOTAL) throw new SlackApiError('msg_blocks_too_long');
}
