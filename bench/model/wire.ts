/** The Messages API's stream, as text that is ready to be written. */

function frame(event: { type: string; [field: string]: unknown }): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}

export function opening(id: number): string {
  return frame({
    type: 'message_start',
    message: {
      id: `msg_${id}`,
      type: 'message',
      role: 'assistant',
      model: 'claude-sonnet-5-5',
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { input_tokens: 400, output_tokens: 1, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 },
    },
  });
}

export const textDelta = {
  begin: frame({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
  word: (text: string) => frame({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } }),
  end: frame({ type: 'content_block_stop', index: 0 }),
};

/** One call of `bash`. */
export function toolUse(id: string, input: Record<string, string>): string {
  const block = { type: 'tool_use', id, name: 'bash', input: {} };
  return [
    frame({ type: 'content_block_start', index: 0, content_block: block }),
    frame({
      type: 'content_block_delta',
      index: 0,
      delta: { type: 'input_json_delta', partial_json: JSON.stringify(input) },
    }),
    frame({ type: 'content_block_stop', index: 0 }),
  ].join('');
}

export function closing(stop_reason: 'end_turn' | 'tool_use'): string {
  return (
    frame({ type: 'message_delta', delta: { stop_reason, stop_sequence: null }, usage: { output_tokens: 20 } }) +
    frame({ type: 'message_stop' })
  );
}
