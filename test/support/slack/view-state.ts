import type { SlackBlock } from './workspace.ts';

/** What a person puts into a view, by block id (or the id of its element): a text, a choice, or people or channels. */
export type Typed = Record<string, string | string[]>;

type Fields = Record<string, unknown>;

/** What each input block of the view holds, as a view_submission carries it: what was typed, else what stood there. */
export function stateOf(blocks: SlackBlock[], typed: Typed): Record<string, Record<string, unknown>> {
  const inputs = blocks.filter((block) => block.type === 'input');
  return Object.fromEntries(
    inputs.map((block) => {
      const element: Fields = typeof block.element === 'object' && block.element !== null ? { ...block.element } : {};
      const id = typeof element.action_id === 'string' ? element.action_id : '';
      const name = block.block_id ?? id;
      return [name, { [id]: { type: element.type, ...valueOf(element, typed[name] ?? typed[id]) } }];
    }),
  );
}

function valueOf(element: Fields, typed: string | string[] | undefined): Fields {
  const many = typeof typed === 'string' ? [typed] : typed;
  switch (element.type) {
    case 'static_select':
      return {
        selected_option: typed === undefined ? (element.initial_option ?? null) : optionOf(element, String(typed)),
      };
    case 'multi_static_select':
      return {
        selected_options: many?.map((one) => optionOf(element, one)) ?? element.initial_options ?? [],
      };
    case 'multi_users_select':
      return { selected_users: many ?? element.initial_users ?? [] };
    case 'multi_conversations_select':
      return { selected_conversations: many ?? element.initial_conversations ?? [] };
    case 'conversations_select':
      return { selected_conversation: typed ?? element.initial_conversation ?? null };
    default:
      return { value: typed ?? element.initial_value ?? null };
  }
}

/** @throws when the select offers no such option: a person could not pick it */
function optionOf(element: Fields, value: string): unknown {
  const options = Array.isArray(element.options) ? element.options : [];
  const found: unknown = options.find((option: Fields) => option.value === value);
  if (found === undefined) throw new Error(`There is no option "${value}"`);
  return found;
}
