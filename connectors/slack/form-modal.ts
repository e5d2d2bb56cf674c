import type { HeaderBlock, InputBlock, ModalView } from '@slack/types';
import { z } from 'zod';
import type { Form, FormField } from '../../src/chat/inbound.ts';
import { isDirect, SLACK } from './conversation-id.ts';
import { CHANNEL, ELEMENT, GROUP, isOurs, listOf } from './form-values.ts';
import { cut, shorten } from './mrkdwn.ts';

export const FORM_VIEW = 'deckhand_form';

/*
 * Limits of views and of what stands in them (docs.slack.dev/reference/block-kit, surfaces/modals): title and buttons 24
 * characters, private_metadata 3,000, label and hint 2,000, an option's text 75, a select 100 options, a text input 3,000.
 */
const TITLE = 24;
const MEMORY = 3_000;
const OPTION = 75;
const OPTIONS = 100;
const TEXT = 3_000;
/** What the list of channels offers. */
const CHANNELS: { include: ('public' | 'private' | 'mpim')[] } = { include: ['public', 'private', 'mpim'] };

/** What a form came from, kept in the modal, so that any gateway can take it. */
const memorySchema = z.object({
  command: z.enum(['agents', 'approvals', 'sessions', 'ask']),
  text: z.string(),
  channel: z.string(),
  thread: z.string(),
  response_url: z.string().optional(),
  /** The message that it is about. */
  about: z
    .object({
      author: z.string(),
      text: z.string(),
      files: z.array(z.object({ id: z.string(), name: z.string(), message_id: z.string() })).optional(),
    })
    .optional(),
  /** Values that Slack cannot draw, by field: people of other platforms, direct messages. */
  hidden: z.record(z.string(), z.string()).optional(),
  /** What stood in fields of which each kind of value is drawn by itself, in order. */
  lists: z.record(z.string(), z.string()).optional(),
  /** Opened on the Home tab, which shows what became of it. */
  home: z.boolean().optional(),
});

export type FormMemory = z.infer<typeof memorySchema>;

export function parseMemory(text: string): FormMemory | null {
  try {
    return memorySchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

export interface UserGroup {
  id: string;
  name: string;
}

/** A form as a modal. @param groups that can be picked; without any, those that are named stay */
export function formModal(
  form: Form,
  from: Omit<FormMemory, 'command' | 'text' | 'hidden' | 'lists'>,
  groups: readonly UserGroup[] = [],
): ModalView {
  const hidden = Object.fromEntries(
    form.fields.flatMap((field): [string, string][] => {
      const others = notDrawn(field);
      return others.length === 0 ? [] : [[field.name, others.join(',')]];
    }),
  );
  const lists = Object.fromEntries(
    form.fields.flatMap((field) => (field.kind === 'targets' && field.value !== '' ? [[field.name, field.value]] : [])),
  );
  const memory = { ...from, command: form.command, text: form.text, hidden, lists };
  return {
    type: 'modal',
    callback_id: FORM_VIEW,
    private_metadata: within(memory),
    title: { type: 'plain_text', text: shorten(form.title, TITLE) },
    submit: { type: 'plain_text', text: shorten(form.submit, TITLE) },
    close: { type: 'plain_text', text: 'Cancel' },
    blocks: form.fields.flatMap((field) => [
      ...(field.section === undefined ? [] : [headerOf(field.section)]),
      ...(field.kind === 'targets' ? targetInputs(field, groups) : [inputOf(field)]),
    ]),
  };
}

/** What stands in a field and cannot be shown there: people of other platforms, direct messages among channels. */
function notDrawn({ kind, value }: FormField): string[] {
  if (kind === 'people') return listOf(value).filter((id) => !isOurs(id));
  return kind === 'channels' ? listOf(value).filter(isDirect) : [];
}

/** The memory as text. What the form is about is shortened until all of it fits; JSON makes some characters longer. */
function within(memory: FormMemory): string {
  const { about } = memory;
  for (let length = about?.text.length ?? 0; ; length = Math.floor(length * 0.8)) {
    const kept = about === undefined ? memory : { ...memory, about: { ...about, text: shorten(about.text, length) } };
    const text = JSON.stringify(kept);
    if (text.length <= MEMORY || length === 0) return text;
  }
}

/** Slack shows no more of a choice; whatever is chosen now is among them. */
function listed({ options, value }: Extract<FormField, { kind: 'choice' }>): typeof options {
  const first = options.slice(0, OPTIONS);
  const chosen = options.slice(OPTIONS).find((option) => option.value === value);
  return chosen === undefined ? first : [...first.slice(0, -1), chosen];
}

function hintOf(field: Exclude<FormField, Targets>): string | undefined {
  const more = field.kind === 'choice' ? field.options.length - OPTIONS : 0;
  const rest = `${more} more are not listed here: a command takes any of them by its name, see /agents help.`;
  return more > 0 ? [field.hint, rest].filter((part) => part !== undefined).join(' ') : field.hint;
}

function headerOf(text: string): HeaderBlock {
  return { type: 'header', text: { type: 'plain_text', text } };
}

type Targets = Extract<FormField, { kind: 'targets' }>;

/** People, groups and channels have inputs of their own: Slack has none that takes them all. */
function targetInputs(field: Targets, groups: readonly UserGroup[]): InputBlock[] {
  const { name, label, value, channels } = field;
  const chosen = listOf(value);
  const idsOf = (kind: string) => chosen.filter((id) => id.startsWith(kind)).map((id) => id.slice(kind.length));
  const people = inputOf({ ...field, kind: 'people', label: `${label}: people` });
  const input = (part: string, words: string, element: InputBlock['element']): InputBlock => ({
    type: 'input',
    block_id: `${name}_${part}`,
    label: { type: 'plain_text', text: `${label}: ${words}` },
    optional: true,
    element,
  });
  const options = groupOptions(groups, idsOf(GROUP));
  const initial = options.filter((option) => idsOf(GROUP).includes(option.value));
  const places = idsOf(CHANNEL);
  return [
    people,
    ...(options.length === 0
      ? []
      : [
          input('groups', 'user groups', {
            type: 'multi_static_select',
            action_id: ELEMENT,
            options,
            ...(initial.length > 0 && { initial_options: initial }),
          }),
        ]),
    ...(channels
      ? [
          input('channels', 'channels', {
            type: 'multi_conversations_select',
            action_id: ELEMENT,
            filter: { include: ['public', 'private'] },
            ...(places.length > 0 && { initial_conversations: places }),
          }),
        ]
      : []),
  ];
}

/** Those that are named come first, so that they are among the hundred that Slack shows; one that is not known has its id. */
function groupOptions(groups: readonly UserGroup[], named: readonly string[]) {
  const known = named.map((id) => groups.find((group) => group.id === id) ?? { id, name: id });
  return [...new Set([...known, ...groups])].slice(0, OPTIONS).map(({ id, name }) => ({
    text: { type: 'plain_text' as const, text: shorten(`@${name}`, OPTION) },
    value: id,
  }));
}

function inputOf(field: Exclude<FormField, Targets>): InputBlock {
  const hint = hintOf(field);
  return {
    type: 'input',
    block_id: field.name,
    label: { type: 'plain_text', text: field.label },
    ...(hint !== undefined && { hint: { type: 'plain_text', text: hint } }),
    optional: field.optional,
    element: elementOf(field),
  };
}

function elementOf(field: Exclude<FormField, Targets>): InputBlock['element'] {
  switch (field.kind) {
    case 'text': {
      const { max_length, multiline, optional, value } = field;
      return {
        type: 'plain_text_input',
        action_id: ELEMENT,
        multiline,
        max_length: Math.min(max_length, TEXT),
        ...(optional ? {} : { min_length: 1 }),
        ...(value !== '' && { initial_value: cut(value, TEXT) }),
      };
    }
    case 'choice': {
      const options = listed(field).map(({ value, label }) => ({
        text: { type: 'plain_text' as const, text: shorten(label, OPTION) },
        value,
      }));
      const initial = options.find(({ value }) => value === field.value);
      return { type: 'static_select', action_id: ELEMENT, options, ...(initial && { initial_option: initial }) };
    }
    case 'people': {
      const users = listOf(field.value)
        .filter(isOurs)
        .map((id) => id.slice(SLACK.length + 1));
      return { type: 'multi_users_select', action_id: ELEMENT, ...(users.length > 0 && { initial_users: users }) };
    }
    case 'channels': {
      const channels = listOf(field.value).filter((id) => !isDirect(id));
      return {
        type: 'multi_conversations_select',
        action_id: ELEMENT,
        filter: CHANNELS,
        ...(channels.length > 0 && { initial_conversations: channels }),
      };
    }
    case 'place':
      return {
        type: 'conversations_select',
        action_id: ELEMENT,
        default_to_current_conversation: true,
        filter: { include: ['public', 'private'] },
      };
    default:
      return field satisfies never;
  }
}
