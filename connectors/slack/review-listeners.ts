import type { App } from '@slack/bolt';
import type { ModalView } from '@slack/types';
import { PostRefusedError } from '../../src/chat/connector.ts';
import type { ApprovalDetails } from '../../src/chat/inbound.ts';
import { messageOf } from '../../src/errors.ts';
import type { ApprovalListenerParts, Choice, Pressed } from './approval-press.ts';
import { withoutSecrets } from './bolt-logger.ts';
import { denyModal } from './deny-modal.ts';
import { decisionOf, memoryOf, parseClick } from './parse.ts';
import {
  parseReview,
  REVIEW,
  type ReviewMemory,
  type ReviewPress,
  reviewedModal,
  reviewModal,
} from './review-modal.ts';

/** Within the three seconds a trigger id lives. */
const MODAL_MS = 2_500;
const NOT_SHOWN = 'What it would do cannot be shown just now. Please press the button again.';

interface ReviewParts extends Pick<ApprovalListenerParts, 'logger' | 'clients' | 'inFlight' | 'connected'> {
  /** The button that opens the modal. */
  opensAt: string;
  /** Resolves when it is kept. @throws what the receiver threw, after telling the person */
  decide: (body: unknown, from: Pressed, choice: Choice) => Promise<void>;
  /** Say what became of it where the modal was opened; never what nobody may see. */
  answer: (body: unknown, from: Pressed, text: string | null) => Promise<void>;
}

/** Reading a call whole, page by page, and deciding it at its end. */
export function listenForReviews(app: App, parts: ReviewParts): void {
  const { logger, clients, inFlight, connected, decide, answer } = parts;

  function afterwards(work: Promise<unknown>): void {
    inFlight.follow(work, (error) => {
      logger.warn({ reason: withoutSecrets(messageOf(error)) }, 'slack shows no review');
    });
  }

  async function detailsFor(body: unknown, from: Pressed): Promise<ApprovalDetails> {
    const { identity, receiver } = await connected(body);
    const { conversation, person, approval_id } = decisionOf(from, 'allow', null, identity);
    return receiver.details({ conversation, person, approval_id });
  }

  async function clientFor(body: unknown) {
    return clients.of((await connected(body)).identity.tenant);
  }

  async function open(body: unknown, from: Pressed & { trigger_id: string }): Promise<void> {
    const { trigger_id } = from;
    try {
      const details = await detailsFor(body, from);
      if ('refused' in details) return await answer(body, from, details.refused);
      const view = reviewModal(details, { ...memoryOf(from), page: 0 });
      const client = await clientFor(body);
      await client.call((web) => web.views.open({ trigger_id, view }), AbortSignal.timeout(MODAL_MS));
    } catch (error) {
      logger.warn({ reason: withoutSecrets(messageOf(error)) }, 'slack shows no review');
      await answer(body, from, NOT_SHOWN);
    }
  }

  /** @param hash of the view to be replaced: another one, which is newer, stays */
  async function replace(body: unknown, { view_id, hash }: Partial<ReviewPress>, view: ModalView): Promise<void> {
    if (view_id === undefined) return;
    const client = await clientFor(body);
    const which = { view_id, ...(hash !== undefined && { hash }) };
    await client.call((web) => web.views.update({ ...which, view }), AbortSignal.timeout(MODAL_MS));
  }

  /** The page that was asked for, with what is so by now: it may be decided. */
  async function turn(body: unknown, press: ReviewPress, by: 1 | -1): Promise<void> {
    const memory: ReviewMemory = { ...press.memory, page: Math.max(0, press.memory.page + by) };
    const from: Pressed = { ...memory, event_id: press.event_id, user: press.user };
    try {
      const details = await detailsFor(body, from);
      const view = 'refused' in details ? reviewedModal(details.refused, memory) : reviewModal(details, memory);
      await replace(body, press, view);
    } catch (error) {
      // Pressed twice: the page is there already.
      if (error instanceof PostRefusedError && error.reason === 'hash_conflict') return;
      logger.warn({ reason: withoutSecrets(messageOf(error)) }, 'slack shows no page of a review');
      await answer(body, from, NOT_SHOWN);
    }
  }

  function onPress(action: string, handle: (body: unknown, press: ReviewPress) => Promise<void>): void {
    app.action(action, async ({ body, ack }) => {
      const press = parseReview(body);
      if (press !== null) await handle(body, press);
      await ack();
    });
  }

  app.action(parts.opensAt, async ({ body, ack }) => {
    await ack();
    const click = parseClick(body);
    if (click !== null) afterwards(open(body, click));
  });

  for (const [action, by] of [
    [REVIEW.previous, -1],
    [REVIEW.next, 1],
  ] as const) {
    onPress(action, async (body, press) => afterwards(turn(body, press, by)));
  }

  for (const [action, for_session] of [
    [REVIEW.approve, false],
    [REVIEW.approve_session, true],
  ] as const) {
    onPress(action, async (body, press) => {
      const from: Pressed = { ...press.memory, event_id: press.event_id, user: press.user };
      await decide(body, from, { decision: 'allow', for_session, said: (text) => conclude(body, press, text) });
    });
  }

  /** In the modal and, where it was opened from a list or the Home tab, there as well. */
  async function conclude(body: unknown, press: ReviewPress, text: string | null): Promise<void> {
    const from: Pressed = { ...press.memory, event_id: press.event_id, user: press.user };
    const isOnCard = from.before === undefined && from.home !== true;
    try {
      await replace(body, { view_id: press.view_id }, reviewedModal(text ?? 'Recorded.', press.memory));
      if (!isOnCard) await answer(body, from, text);
    } catch (error) {
      // Closed meanwhile, perhaps.
      logger.warn({ reason: withoutSecrets(messageOf(error)) }, 'slack updated no review');
      await answer(body, from, text);
    }
  }

  onPress(REVIEW.deny, async (body, press) => {
    const { trigger_id, memory } = press;
    const view = denyModal(memoryOf(memory));
    try {
      const client = await clientFor(body);
      await client.call((web) => web.views.push({ trigger_id, view }), AbortSignal.timeout(MODAL_MS));
    } catch (error) {
      logger.warn({ reason: withoutSecrets(messageOf(error)) }, 'slack opened no modal, denying without a reason');
      const from: Pressed = { ...memory, event_id: press.event_id, user: press.user };
      await decide(body, from, { decision: 'deny', said: (text) => conclude(body, press, text) });
    }
  });
}
