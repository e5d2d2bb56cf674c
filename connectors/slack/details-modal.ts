import type { ModalView } from '@slack/types';
import type { ApprovalDetails } from '../../src/chat/inbound.ts';
import { detailBlocks, summaryBlock, whyBlocks } from './approval-blocks.ts';

/** What leaves room for the call itself. */
const SUMMARY = 400;

/** All of what will be done, for reading only: decisions are made on the card. */
export function detailsModal({ summary, why, detail }: Exclude<ApprovalDetails, { refused: string }>): ModalView {
  return {
    type: 'modal',
    callback_id: 'deckhand_details',
    title: { type: 'plain_text', text: 'What it would do' },
    close: { type: 'plain_text', text: 'Close' },
    blocks: [summaryBlock({ summary, tool_name: '…' }, SUMMARY), ...whyBlocks(why), ...detailBlocks(detail)],
  };
}
