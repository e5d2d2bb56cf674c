import { isDeepStrictEqual } from 'node:util';
import { SlackApiError } from './api-error.ts';
import { type Arguments, blocksOf, objectOf, optional } from './arguments.ts';
import { checkBlock } from './block-limits.ts';
import type { SlackBlock, SlackChannel, SlackWorkspace } from './workspace.ts';

/*
 * What views.open, push, update and publish refuse: docs.slack.dev/reference/views and the reference of each element. Where it names
 * no error of its own, invalid_arguments with the place is guessed, as blocks do it.
 */
const LIMITS = { title: 24, id: 255, memory: 3_000, blocks: 100, bytes: 250_000, label: 2_000, options: 100 };
const ELEMENTS = new Set([
  'plain_text_input',
  'static_select',
  'multi_static_select',
  'multi_users_select',
  'multi_conversations_select',
  'conversations_select',
]);
const IN_VIEWS = new Set(['actions', 'context', 'divider', 'header', 'input', 'rich_text', 'section']);

type Fields = Record<string, unknown>;

function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function refuse(pointer: string, why: string): never {
  throw new SlackApiError('invalid_arguments', {
    response_metadata: { messages: [`[ERROR] ${why} [json-pointer:${pointer}]`] },
  });
}

/** A plain_text object of 1 to `most` characters. */
function checkText(value: unknown, most: number, pointer: string): void {
  const { type, text } = fields(value);
  if (type !== 'plain_text' || typeof text !== 'string') refuse(pointer, 'must be plain_text');
  if (text === '' || text.length > most) refuse(pointer, `must be 1 to ${most} characters`);
}

/** What the filter of a list of conversations calls each kind. */
const FILTERED = { channel: 'public', group: 'private', im: 'im', mpim: 'mpim' } as const;

/**
 * Guess: a list offers what its filter lets through and its person sees (reference/block-kit/block-elements), and what it
 * does not offer cannot stand in it at first.
 */
function checkOffered(channel: SlackChannel, element: Fields, { pointer, viewer }: At): void {
  const { include } = fields(element.filter);
  if (include !== undefined && !list(include).includes(FILTERED[channel.kind]))
    refuse(`${pointer}/initial_conversations`, 'left out by the filter');
  if (viewer !== null && channel.kind !== 'channel' && !channel.members.has(viewer))
    refuse(`${pointer}/initial_conversations`, 'not seen by who opens it');
}

/** Where it stands, and who sees it; null: anybody. */
interface At {
  pointer: string;
  viewer: string | null;
}

function checkElement(workspace: SlackWorkspace, element: Fields, { pointer, viewer }: At): void {
  if (typeof element.type !== 'string' || !ELEMENTS.has(element.type)) refuse(`${pointer}/type`, 'unsupported type');
  if (element.type === 'plain_text_input') {
    const most = typeof element.max_length === 'number' ? element.max_length : 3_000;
    if (most < 1 || most > 3_000) refuse(`${pointer}/max_length`, 'must be 1 to 3000');
    if (typeof element.initial_value === 'string' && element.initial_value.length > most)
      refuse(`${pointer}/initial_value`, 'longer than max_length');
  }
  if (element.type === 'static_select' || element.type === 'multi_static_select') {
    const options = list(element.options).map(fields);
    if (options.length === 0 || options.length > LIMITS.options)
      refuse(`${pointer}/options`, 'must have 1 to 100 items');
    for (const option of options) {
      checkText(option.text, 75, `${pointer}/options/text`);
      if (typeof option.value !== 'string' || option.value.length > 150) refuse(`${pointer}/options/value`, 'too long');
    }
    const initial = element.initial_option;
    if (initial !== undefined && !options.some((option) => isDeepStrictEqual(option, initial)))
      refuse(`${pointer}/initial_option`, 'must be one of the options');
    const initials = list(element.initial_options);
    if (initials.some((one) => !options.some((option) => isDeepStrictEqual(option, one))))
      refuse(`${pointer}/initial_options`, 'must be of the options');
  }
  // Guess: the reference does not say what becomes of ids that are none; Slack is known to refuse them.
  if (list(element.initial_users).some((id) => !workspace.users.has(String(id))))
    refuse(`${pointer}/initial_users`, 'no such user');
  for (const id of list(element.initial_conversations)) {
    const channel = workspace.channels.get(String(id));
    if (channel === undefined) refuse(`${pointer}/initial_conversations`, 'no such conversation');
    checkOffered(channel, element, { pointer, viewer });
  }
  for (const name of ['initial_users', 'initial_conversations', 'initial_options'])
    if (element[name] !== undefined && list(element[name]).length === 0)
      refuse(`${pointer}/${name}`, 'must not be empty');
}

function checkViewBlock(workspace: SlackWorkspace, block: SlackBlock, { pointer, viewer }: At): void {
  if (!IN_VIEWS.has(block.type)) refuse(`${pointer}/type`, 'unsupported type');
  checkBlock(block, pointer);
  if (block.type !== 'input') return;
  checkText(block.label, LIMITS.label, `${pointer}/label`);
  if (block.hint !== undefined) checkText(block.hint, LIMITS.label, `${pointer}/hint`);
  checkElement(workspace, fields(block.element), { pointer: `${pointer}/element`, viewer });
}

/** The blocks of a view, checked with all around them. @param viewer who opens it @throws SlackApiError */
export function checkView(
  workspace: SlackWorkspace,
  view: Arguments,
  type: 'modal' | 'home',
  viewer: string | null = null,
): SlackBlock[] {
  if (view.type !== type) refuse('/view/type', `must be ${type}`);
  const blocks = blocksOf(view) ?? [];
  if (blocks.length === 0 || blocks.length > LIMITS.blocks) refuse('/view/blocks', 'must have 1 to 100 items');
  blocks.forEach((block, index) => checkViewBlock(workspace, block, { pointer: `/view/blocks/${index}`, viewer }));
  const ids = blocks.map((block) => block.block_id).filter((id) => id !== undefined);
  if (new Set(ids).size < ids.length) refuse('/view/blocks', 'block_id must be unique');
  if ((optional(view, 'private_metadata') ?? '').length > LIMITS.memory) refuse('/view/private_metadata', 'too long');
  if ((optional(view, 'callback_id') ?? '').length > LIMITS.id) refuse('/view/callback_id', 'too long');
  if (Buffer.byteLength(JSON.stringify(view)) > LIMITS.bytes) throw new SlackApiError('view_too_large');
  if (type === 'home') return blocks;
  checkText(objectOf(view, 'title'), LIMITS.title, '/view/title');
  for (const name of ['submit', 'close'])
    if (view[name] !== undefined) checkText(view[name], LIMITS.title, `/view/${name}`);
  if (view.submit === undefined && blocks.some((block) => block.type === 'input'))
    refuse('/view/submit', 'needed with an input');
  return blocks;
}
