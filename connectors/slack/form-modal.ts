import type { InputBlock, ModalView } from '@slack/types';
import { z } from 'zod';
import type { Form, FormField } from '../../src/chat/inbound.ts';
import { SLACK } from './conversation-id.ts';
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
const ELEMENT = 'value';

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
  /** Values that Slack cannot draw: people of other platforms, by field. */
  hidden: z.record(z.string(), z.string()).optional(),
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

/** A form as a modal. */
export function formModal(form: Form, from: Omit<FormMemory, 'command' | 'text' | 'hidden'>): ModalView {
  const hidden = Object.fromEntries(
    form.fields.flatMap((field): [string, string][] => {
      const others = field.kind === 'people' ? listOf(field.value).filter((id) => !isOurs(id)) : [];
      return others.length === 0 ? [] : [[field.name, others.join(',')]];
    }),
  );
  const memory = { ...from, command: form.command, text: form.text, hidden };
  return {
    type: 'modal',
    callback_id: FORM_VIEW,
    private_metadata: within(memory),
    title: { type: 'plain_text', text: shorten(form.title, TITLE) },
    submit: { type: 'plain_text', text: shorten(form.submit, TITLE) },
    close: { type: 'plain_text', text: 'Cancel' },
    blocks: form.fields.map(inputOf),
  };
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

function hintOf(field: FormField): string | undefined {
  const more = field.kind === 'choice' ? field.options.length - OPTIONS : 0;
  const rest = `${more} more are not listed here: a command takes any of them by its name, see /agents help.`;
  return more > 0 ? [field.hint, rest].filter((part) => part !== undefined).join(' ') : field.hint;
}

function inputOf(field: FormField): InputBlock {
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

function elementOf(field: FormField): InputBlock['element'] {
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
      const channels = listOf(field.value);
      return {
        type: 'multi_conversations_select',
        action_id: ELEMENT,
        filter: { include: ['public', 'private'] },
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

const stateSchema = z.record(
  // A field's name, which becomes a key in a database.
  z.string().regex(/^[a-z_]{1,40}$/),
  z.record(
    z.string(),
    z.object({
      value: z.string().nullish(),
      selected_option: z.object({ value: z.string() }).nullish(),
      selected_users: z.array(z.string()).nullish(),
      selected_conversations: z.array(z.string()).nullish(),
      selected_conversation: z.string().nullish(),
    }),
  ),
);

/** What each field holds, with what the modal could not draw of it; null when it cannot be read. */
export function fieldsOf(
  values: unknown,
  hidden: Readonly<Record<string, string>> = {},
): Record<string, string> | null {
  const parsed = stateSchema.safeParse(values);
  if (!parsed.success) return null;
  return Object.fromEntries(
    Object.entries(parsed.data).map(([name, block]) => {
      const state = block[ELEMENT] ?? {};
      const people = state.selected_users?.map((id) => `${SLACK}:${id}`);
      const list = people ?? state.selected_conversations;
      const value = list?.join(',') ?? state.selected_option?.value ?? state.selected_conversation ?? state.value ?? '';
      const others = hidden[name];
      return [name, others === undefined ? value : [value, others].filter((part) => part !== '').join(',')];
    }),
  );
}

/** A person of this platform; a group is none, and a modal's list of people cannot hold it. */
function isOurs(actorId: string): boolean {
  return actorId.startsWith(`${SLACK}:`) && !actorId.startsWith(`${SLACK}:group:`);
}

function listOf(text: string): string[] {
  return text.split(',').filter((one) => one !== '');
}
