import type { WaitingApprovals } from '../../src/chat/inbound.ts';
import type { ConversationKey, Person } from '../../src/chat/place.ts';
import { messageOf } from '../../src/errors.ts';
import { APPROVE_ACTION, APPROVE_SESSION_ACTION, DENY_ACTION, REVIEW_ACTION } from './approval-blocks.ts';
import type { ApprovalListenerParts, Choice, Pressed } from './approval-press.ts';
import { PAGE } from './approvals-list.ts';
import { withoutSecrets } from './bolt-logger.ts';
import { SLACK } from './conversation-id.ts';
import { DENY_VIEW, REASON_BLOCK } from './deny-modal.ts';
import type { Dispatch } from './dispatch.ts';
import { decisionOf, parseClick, parseSubmission } from './parse.ts';
import { PerhapsSaidError } from './response-url.ts';
import { listenForReviews } from './review-listeners.ts';
import { answerWaiting } from './waiting-answer.ts';

const NOT_RECORDED = 'Your decision could not be recorded just now. Please press the button again.';

/** Cards, their modals, and what waits for somebody in a list and on the Home tab. */
export function listenForApprovals(on: Dispatch, parts: ApprovalListenerParts): void {
  const { logger, inFlight, connected, tell } = parts;

  /** Resolves when it is kept. @throws what the receiver threw, after telling the person */
  async function decide(
    body: unknown,
    from: Pressed,
    {
      decision,
      reason = null,
      for_session = false,
      said = (text) => answer(body, from, text),
      notKnown = said,
    }: Choice,
  ): Promise<void> {
    const { identity, receiver } = await connected(body);
    const asked = decisionOf(from, decision, reason, identity);
    const inbound = for_session ? { ...asked, for_session } : asked;
    try {
      const { receipt } = await receiver.decision(inbound);
      // Whoever takes the first of two tells what became of it: to draw it here would take that away again.
      afterwards(receipt.then(({ effect, text }) => (effect === 'duplicate' ? undefined : said(text))));
    } catch (error) {
      afterwards(notKnown(NOT_RECORDED));
      throw error;
    }
  }

  /** What became of it, where it was pressed: the list and the Home tab show then what is so, the card does by itself. */
  async function answer(body: unknown, from: Pressed, text: string | null): Promise<void> {
    const { identity } = await connected(body);
    if (from.home === true) return parts.refreshHome(identity.tenant, from.user, text ?? undefined);
    const { conversation, person } = decisionOf(from, 'allow', null, identity);
    if (from.before !== undefined)
      return answerInList(body, { ...from, conversation, person, before: from.before }, text);
    if (text !== null) await tell(conversation, person, text, from.response_url);
  }

  /** Nobody's acknowledgement waits for it; a stop does. */
  function afterwards(work: Promise<unknown>): void {
    inFlight.follow(work, (error) => {
      logger.warn({ reason: withoutSecrets(messageOf(error)) }, 'slack feedback failed');
    });
  }

  for (const [action, for_session] of [
    [APPROVE_ACTION, false],
    [APPROVE_SESSION_ACTION, true],
  ] as const) {
    on.action(action, async ({ body, ack }) => {
      const click = parseClick(body);
      if (click !== null) await decide(body, click, { decision: 'allow', for_session });
      await ack();
    });
  }

  on.view(DENY_VIEW, async ({ body, ack }) => {
    const submission = parseSubmission(body);
    if (submission === null) {
      await ack();
      return;
    }
    try {
      await decide(body, submission, { decision: 'deny', reason: submission.reason });
      // Also the modal that it may stand on.
      await ack({ response_action: 'clear' });
    } catch (error) {
      // The modal stays open with what was typed; pressing Deny again is another attempt at the same decision.
      logger.error({ reason: withoutSecrets(messageOf(error)), connector: SLACK }, 'slack denial not recorded');
      await ack({ response_action: 'errors', errors: { [REASON_BLOCK]: NOT_RECORDED } });
    }
  });

  listenForReviews(on, { ...parts, opens: { review: REVIEW_ACTION, deny: DENY_ACTION }, decide, answer });

  /**
   * The list as it is now takes the old one's place, and what became of the click stands above it. Where Slack takes no list
   * any more, what became of it is said by itself.
   */
  async function answerInList(body: unknown, from: InList, text: string | null): Promise<void> {
    const { conversation, person, response_url } = from;
    try {
      if (response_url === undefined) throw new Error('There is no response url');
      await answerWaiting(response_url, await waitingIn(body, from), { said: text ?? '', replace: true });
    } catch (error) {
      logger.warn({ reason: withoutSecrets(messageOf(error)) }, 'slack takes no list of approvals');
      if (text !== null && !(error instanceof PerhapsSaidError)) await tell(conversation, person, text);
    }
  }

  /** What waits by now, from where the list began; from the page before, when nothing is left there. */
  async function waitingIn(body: unknown, { conversation, person, before }: InList): Promise<WaitingApprovals | null> {
    try {
      const { receiver } = await connected(body);
      for (let from = before; ; from = Math.max(0, from - PAGE)) {
        const waiting = await receiver.waiting({ conversation, person, before: from });
        if (waiting.approvals.length > 0 || from === 0) return waiting;
      }
    } catch (error) {
      logger.warn({ reason: withoutSecrets(messageOf(error)) }, 'slack lists no approvals');
      return null;
    }
  }
}

/** A press in somebody's list of what waits for them. */
interface InList extends Pick<Pressed, 'response_url'> {
  conversation: ConversationKey;
  person: Person;
  before: number;
}
