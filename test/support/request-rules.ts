import type {
  BetaContentBlockParam,
  BetaMessageParam,
  MessageCreateParamsBase,
} from '@anthropic-ai/sdk/resources/beta/messages/messages';

/**
 * What the Messages API would refuse a request for, as far as a conversation can break it: the first of these rules that
 * this one does, in words. Null: it would be taken. The rules are those of
 * platform.claude.com/docs/en/agents-and-tools/tool-use/handle-tool-calls and of the API's own error messages.
 */
export function refusalOf({ messages }: Pick<MessageCreateParamsBase, 'messages'>): string | null {
  if (messages.length === 0) return 'there are no messages';
  if (messages[0]?.role !== 'user') return 'the first message is not the user’s';
  if (messages.at(-1)?.role !== 'user') return 'the last message is not the user’s';
  const seen = new Set<string>();
  for (const [index, message] of messages.entries()) {
    const problem = problemOf(message, messages[index - 1], seen);
    if (problem !== null) return `messages.${index}: ${problem}`;
  }
  return null;
}

function problemOf(message: BetaMessageParam, before: BetaMessageParam | undefined, seen: Set<string>): string | null {
  if (message.role === before?.role) return 'roles do not alternate';
  const blocks = blocksOf(message);
  if (blocks.length === 0) return 'there is no content';
  const blank = blocks.flatMap(textsOf).some((text) => text.trim() === '');
  if (blank) return 'a text is blank';
  for (const block of blocks) {
    if (block.type !== 'tool_use') continue;
    if (message.role !== 'assistant') return 'a tool call is not the assistant’s';
    if (seen.has(block.id)) return `the tool call ${block.id} is there twice`;
    seen.add(block.id);
  }
  const asked =
    before === undefined ? [] : blocksOf(before).flatMap((one) => (one.type === 'tool_use' ? [one.id] : []));
  const answered = blocks.flatMap((one) => (one.type === 'tool_result' ? [one.tool_use_id] : []));
  const end = blocks.at(-1)?.type;
  if (end === 'thinking' || end === 'redacted_thinking') return 'the final block is thinking';
  if (message.role === 'assistant' && answered.length > 0) return 'a tool result is not the user’s';
  if (asked.toSorted().join() !== answered.toSorted().join()) {
    return `calls [${asked.join()}] have the results [${answered.join()}]`;
  }
  const first = blocks.slice(0, answered.length);
  return first.every((one) => one.type === 'tool_result') || message.role === 'assistant'
    ? null
    : 'something stands before the tool results';
}

function blocksOf(message: BetaMessageParam): BetaContentBlockParam[] {
  return typeof message.content === 'string'
    ? [{ type: 'text', text: message.content }]
    : ((message.content ?? []) as BetaContentBlockParam[]);
}

function textsOf(block: BetaContentBlockParam): string[] {
  if (block.type === 'text') return [block.text];
  if (block.type !== 'tool_result' || !Array.isArray(block.content)) return [];
  return block.content.flatMap((one) => (one.type === 'text' ? [one.text] : []));
}
