import type { WaitingApprovals } from '../../src/chat/inbound.ts';
import { waitingMessage, waitingText } from './approvals-list.ts';
import { escapeWithin, withChannels } from './mrkdwn.ts';
import { respondTo } from './response-url.ts';

/** A section takes 3,000 characters; a receipt has at most about a reason's 2,000. */
const SAID = 2_900;
const NOT_LISTED = 'What waits for you cannot be looked up just now. Please try again.';

/**
 * What waits for somebody, with buttons, for their eyes only. @throws as `respondTo`
 * @param waiting null when it cannot be known
 * @param said what became of what they did, which stands above it; `replace`: in the place of the list in which they did it
 */
export async function answerWaiting(
  responseUrl: string,
  waiting: WaitingApprovals | null,
  { said, replace }: { said: string; replace: boolean },
): Promise<void> {
  const counted = waiting === null ? NOT_LISTED : waitingText(waiting);
  // However long the first is, the second stands behind it.
  const text = [withChannels(escapeWithin(said, SAID - counted.length)), counted].filter((one) => one !== '').join(' ');
  const blocks = waitingMessage(text, waiting ?? { approvals: [], more: 0 });
  await respondTo(responseUrl, { response_type: 'ephemeral', replace_original: replace, text, blocks });
}
