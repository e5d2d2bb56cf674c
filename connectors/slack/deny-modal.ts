import type { ModalView } from '@slack/types';
import type { ClickMemory } from './parse.ts';

export const DENY_VIEW = 'deckhand_deny_reason';
export const DENY_TITLE = 'Deny this request';
export const REASON_BLOCK = 'reason';
/** What InboundDecision promises. A plain_text_input takes up to 3,000. */
const REASON_LENGTH = 2_000;

/** Asks why, optionally. What the click came from travels in the view, so that any gateway can take the answer. */
export function denyModal(memory: ClickMemory): ModalView {
  return {
    type: 'modal',
    callback_id: DENY_VIEW,
    private_metadata: JSON.stringify(memory),
    title: { type: 'plain_text', text: DENY_TITLE },
    submit: { type: 'plain_text', text: 'Deny' },
    close: { type: 'plain_text', text: 'Back' },
    blocks: [
      {
        type: 'input',
        block_id: REASON_BLOCK,
        optional: true,
        label: { type: 'plain_text', text: 'Why? The agent reads this.' },
        element: { type: 'plain_text_input', action_id: 'reason', multiline: true, max_length: REASON_LENGTH },
      },
    ],
  };
}
