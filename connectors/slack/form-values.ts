import { z } from 'zod';
import { SLACK } from './conversation-id.ts';

/** Of every element of a form; the field's name is its block's. */
export const ELEMENT = 'value';
/** How ids of user groups and channels begin where people's stand as well. */
export const GROUP = `${SLACK}:group:`;
export const CHANNEL = `${SLACK}:channel:`;

const stateSchema = z.record(
  // A field's name, which becomes a key in a database.
  z.string().regex(/^[a-z_]{1,40}$/),
  z.record(
    z.string(),
    z.object({
      value: z.string().nullish(),
      selected_option: z.object({ value: z.string() }).nullish(),
      selected_options: z.array(z.object({ value: z.string() })).nullish(),
      selected_users: z.array(z.string()).nullish(),
      selected_conversations: z.array(z.string()).nullish(),
      selected_conversation: z.string().nullish(),
    }),
  ),
);

/** What a modal could not draw of what stood in its fields. */
interface Undrawn {
  /** Values that Slack cannot draw, by field: people of other platforms, direct messages. */
  hidden?: Record<string, string> | undefined;
  /** What stood in fields of which each kind of value is drawn by itself, in order. */
  lists?: Record<string, string> | undefined;
}

/** What each field holds, with what the modal could not draw of it; null when it cannot be read. */
export function fieldsOf(values: unknown, { hidden = {}, lists = {} }: Undrawn = {}): Record<string, string> | null {
  const parsed = stateSchema.safeParse(values);
  if (!parsed.success) return null;
  const fields = Object.fromEntries(
    Object.entries(parsed.data).map(([name, block]) => {
      const state = block[ELEMENT] ?? {};
      const people = state.selected_users?.map((id) => `${SLACK}:${id}`);
      const groups = state.selected_options?.map(({ value }) => value);
      const list = people ?? groups ?? state.selected_conversations;
      const value = list?.join(',') ?? state.selected_option?.value ?? state.selected_conversation ?? state.value ?? '';
      const others = hidden[name];
      return [name, others === undefined ? value : [value, others].filter((part) => part !== '').join(',')];
    }),
  );
  return withTargets(fields, lists);
}

/** What was picked kind by kind as one list: what stood there keeps its order, and what is new comes behind it. */
function withTargets(fields: Record<string, string>, lists: Readonly<Record<string, string>>): Record<string, string> {
  const whole = { ...fields };
  for (const part of Object.keys(fields)) {
    const [, name = ''] = /^(.+)_(?:groups|channels)$/.exec(part) ?? [];
    if (fields[name] !== undefined) delete whole[part];
  }
  for (const name of Object.keys(whole)) {
    const { [name]: people = '', [`${name}_groups`]: groups, [`${name}_channels`]: channels } = fields;
    if (lists[name] === undefined && groups === undefined && channels === undefined) continue;
    const picked = [
      ...listOf(people),
      ...listOf(groups ?? '').map((id) => `${GROUP}${id}`),
      ...listOf(channels ?? '').map((id) => `${CHANNEL}${id}`),
    ];
    const isDrawn = (id: string) =>
      isOurs(id) ||
      (groups !== undefined && id.startsWith(GROUP)) ||
      (channels !== undefined && id.startsWith(CHANNEL));
    const stayed = listOf(lists[name] ?? '').filter((id) => !isDrawn(id) || picked.includes(id));
    whole[name] = [...new Set([...stayed, ...picked])].join(',');
  }
  return whole;
}

/** A person of this platform; a group or a channel is none, and a modal's list of people cannot hold it. */
export function isOurs(id: string): boolean {
  return id.startsWith(`${SLACK}:`) && !id.startsWith(GROUP) && !id.startsWith(CHANNEL);
}

export function listOf(text: string): string[] {
  return text.split(',').filter((one) => one !== '');
}
