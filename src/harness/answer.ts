import { partialParse } from '@anthropic-ai/sdk/_vendor/partial-json-parser/parser';
import type {
  BetaContentBlock,
  BetaMessage,
  BetaRawContentBlockDelta,
  BetaRawMessageDeltaEvent,
  BetaRawMessageStreamEvent,
} from '@anthropic-ai/sdk/resources/beta/messages/messages';

/** Told while Claude speaks, in order. */
export interface ModelListener {
  /** `index` counts the answer's text blocks from 0. */
  onText(text: string, index: number): void;
  onThinking(): void;
  /** Claude begins to write a call of this tool. */
  onToolUse(name: string): void;
}

/** An answer that comes event by event. */
export interface Answer {
  /** @throws when the event cannot be one of this answer */
  add(event: BetaRawMessageStreamEvent): void;
  /** What has come of it. */
  readonly soFar: BetaMessage | null;
  /** There is no more. @throws when it was not whole */
  finish(): BetaMessage;
}

/** What the end of an answer may say anew, in the order in which it is kept. */
const COUNTS = [
  'input_tokens',
  'cache_creation_input_tokens',
  'cache_read_input_tokens',
  'server_tool_use',
  'iterations',
  'fallback_credit',
  'output_tokens_details',
] as const;

/**
 * Puts an answer together as the SDK's `BetaMessageStream` does (a test compares the two, whatever the events are), but in
 * place: a stream of words would be a copy of its block for each. Nothing was looked at: it may be anything.
 */
export function createAnswer(listener: ModelListener): Answer {
  let message: BetaMessage | null = null;
  let whole: BetaMessage | null = null;
  /** By block of the whole: what its call is written with, unless it was ended. */
  let unended: Array<string | null> = [];
  let texts = -1;
  /** What calls are written with, as JSON; and which of them are still being written. */
  const written = new Map<BetaContentBlock, string>();
  const open = new Set<BetaContentBlock>();

  function begin(block: BetaContentBlock, { content }: BetaMessage): void {
    content.push(block);
    if (block.type === 'fallback' && message !== null) message.model = block.to.model;
    if (block.type === 'text') texts += 1;
    if (block.type === 'thinking') listener.onThinking();
    if (block.type === 'tool_use' && typeof block.name === 'string') listener.onToolUse(block.name);
  }

  function extend(index: number, delta: BetaRawContentBlockDelta, { content }: BetaMessage): void {
    const block = content[index];
    switch (delta.type) {
      case 'text_delta':
        if (block?.type === 'text') block.text = (block.text || '') + delta.text;
        if (lastOf(content).type === 'text' && typeof delta.text === 'string') {
          listener.onText(delta.text, Math.max(0, texts));
        }
        break;
      case 'citations_delta':
        if (block?.type === 'text') block.citations = [...(block.citations ?? []), delta.citation];
        break;
      case 'input_json_delta':
        if (block !== undefined && isCall(block)) {
          written.set(block, (written.get(block) ?? '') + delta.partial_json);
          open.add(block);
        }
        break;
      case 'thinking_delta':
        if (block?.type === 'thinking') block.thinking += delta.thinking;
        break;
      case 'signature_delta':
        if (block?.type === 'thinking') block.signature = delta.signature;
        break;
      case 'compaction_delta':
        if (block?.type === 'compaction') {
          block.content = delta.content;
          if ('encrypted_content' in delta) block.encrypted_content = delta.encrypted_content;
        }
        break;
      default:
        // Of a kind that came after this version.
        return;
    }
    lastOf(content);
  }

  return {
    get soFar() {
      return message;
    },
    add(event) {
      if (event.type === 'message_start') {
        if (message) throw new Error('Unexpected event order, got message_start before receiving "message_stop"');
        message = event.message;
      }
      if (!message) return;
      switch (event.type) {
        case 'content_block_start':
          return begin(event.content_block, message);
        case 'content_block_delta':
          return extend(event.index, event.delta, message);
        case 'content_block_stop': {
          const block = message.content.at(event.index);
          if (block && open.delete(block)) complete(block, written.get(block) ?? '');
          return;
        }
        case 'message_delta':
          return end(message, event);
        case 'message_stop':
          whole = {
            ...message,
            content: message.content.map((block) => ({ ...block })),
          };
          unended = message.content.map((block) => (open.has(block) ? (written.get(block) ?? '') : null));
          return;
        default:
          return;
      }
    },
    finish() {
      if (!message) throw new Error('request ended without sending any chunks');
      message = null;
      if (whole === null) throw new Error('stream ended without producing a Message with role=assistant');
      for (const [index, block] of whole.content.entries()) {
        const json = unended[index] ?? null;
        if (json !== null) complete(block, json);
      }
      return whole;
    },
  };
}

function end(
  message: BetaMessage,
  { delta, usage, context_management, input_transformations }: BetaRawMessageDeltaEvent,
) {
  message.stop_reason = delta.stop_reason;
  message.stop_sequence = delta.stop_sequence;
  message.stop_details = delta.stop_details;
  message.usage.output_tokens = usage.output_tokens;
  if (delta.container != null) message.container = delta.container;
  if (context_management != null) message.context_management = context_management;
  if (input_transformations != null) message.input_transformations = input_transformations;
  for (const name of COUNTS) {
    if (usage[name] != null) Object.assign(message.usage, { [name]: usage[name] });
  }
}

/** What a call was written with, as the last of its fields. */
function complete(block: BetaContentBlock, json: string): void {
  if (!isCall(block)) return;
  const input = json === '' ? {} : parsed(json);
  Reflect.deleteProperty(block, 'input');
  block.input = input as typeof block.input;
}

function isCall(block: BetaContentBlock) {
  return block.type === 'tool_use' || block.type === 'server_tool_use' || block.type === 'mcp_tool_use';
}

function lastOf(content: BetaContentBlock[]): BetaContentBlock {
  const last = content.at(-1);
  if (last == null) throw new Error('A piece came before any block had begun');
  return last;
}

function parsed(json: string): unknown {
  try {
    return partialParse(json);
  } catch (error) {
    throw new Error(
      `Unable to parse tool parameter JSON from model. Please retry your request or adjust your prompt. Error: ${String(error)}. JSON: ${json}`,
    );
  }
}
