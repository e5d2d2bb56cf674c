import type { ModalView } from '@slack/types';
import { PostRefusedError } from '../../src/chat/connector.ts';
import type { ApprovalDetails } from '../../src/chat/inbound.ts';
import { messageOf } from '../../src/errors.ts';
import type { ApprovalListenerParts, Choice, Pressed } from './approval-press.ts';
import { withoutSecrets } from './bolt-logger.ts';
import { DENY_TITLE, denyModal } from './deny-modal.ts';
import type { Dispatch } from './dispatch.ts';
import { isOpenAlready, type ModalOpening, openModal, wordsModal } from './open-modal.ts';
import { decisionOf, memoryOf, parseClick } from './parse.ts';
import { parseReview, REVIEW, REVIEW_TITLE, type ReviewMemory, type ReviewPress, reviewModal } from './review-modal.ts';

const UPDATE_MS = 2_500;
const NOT_SHOWN = 'What it would do cannot be shown just now. Please press the button again.';

interface ReviewParts extends Pick<ApprovalListenerParts, 'logger' | 'clients' | 'inFlight' | 'connected'> {
  /** The buttons that open a modal. */
  opens: { review: string; deny: string };
  /** Resolves when it is kept. @throws what the receiver threw, after telling the person */
  decide: (body: unknown, from: Pressed, choice: Choice) => Promise<void>;
  /** Say what became of it where the modal was opened; never what nobody may see. */
  answer: (body: unknown, from: Pressed, text: string | null) => Promise<void>;
}

/** What a modal shows of a call that its person may see. */
type Drawing = (details: Exclude<ApprovalDetails, { refused: string }>) => ModalView;

/** Reading a call whole, page by page, and deciding it at its end; and being asked why one denies it. */
export function listenForReviews(on: Dispatch, parts: ReviewParts): void {
  const { logger, clients, inFlight, connected, decide, answer } = parts;

  function afterwards(work: Promise<unknown>): void {
    inFlight.follow(work, (error) => {
      logger.warn({ reason: withoutSecrets(messageOf(error)) }, 'slack shows no review');
    });
  }

  async function detailsFor(
    body: unknown,
    from: Pressed,
    decision: Choice['decision'] = 'allow',
  ): Promise<ApprovalDetails> {
    const { identity, receiver } = await connected(body);
    const { conversation, person, approval_id } = decisionOf(from, decision, null, identity);
    return receiver.details({ conversation, person, approval_id, decision });
  }

  async function clientFor(body: unknown) {
    return clients.of((await connected(body)).identity.tenant);
  }

  /** Whether it may be decided is said in the modal. Resolves when that is open, or its person is told to press again. */
  async function show(
    body: unknown,
    from: Pressed & Partial<Pick<Choice, 'decision'>>,
    opening: ModalOpening,
    drawn: Drawing,
  ): Promise<void> {
    const failed = async (error: unknown) => {
      logger.warn({ reason: withoutSecrets(messageOf(error)) }, 'slack shows no modal');
      await answer(body, from, NOT_SHOWN);
    };
    try {
      const client = await clientFor(body);
      const { filled } = await openModal(client, opening, async () => {
        const details = await detailsFor(body, from, from.decision);
        return 'refused' in details ? wordsModal(opening.title, details.refused) : drawn(details);
      });
      afterwards(filled.catch(failed));
    } catch (error) {
      if (!isOpenAlready(error)) afterwards(failed(error));
    }
  }

  /** The reason of a denial is asked of who may deny it, and nobody denies by pressing what opens nothing. */
  function askWhy(body: unknown, from: Pressed, opening: Omit<ModalOpening, 'title'>): Promise<void> {
    return show(body, { ...from, decision: 'deny' }, { ...opening, title: DENY_TITLE }, ({ closed }) =>
      closed === null ? denyModal(memoryOf(from)) : wordsModal(DENY_TITLE, closed),
    );
  }

  /** @param hash of the view to be replaced: another one, which is newer, stays */
  async function replace(body: unknown, { view_id, hash }: Partial<ReviewPress>, view: ModalView): Promise<void> {
    if (view_id === undefined) return;
    const client = await clientFor(body);
    const which = { view_id, ...(hash !== undefined && { hash }) };
    await client.call((web) => web.views.update({ ...which, view }), AbortSignal.timeout(UPDATE_MS));
  }

  /** The page that was asked for, with what is so by now: it may be decided. */
  async function turn(body: unknown, press: ReviewPress, by: 1 | -1): Promise<void> {
    const memory: ReviewMemory = { ...press.memory, page: Math.max(0, press.memory.page + by) };
    const from: Pressed = { ...memory, event_id: press.event_id, user: press.user };
    try {
      const details = await detailsFor(body, from);
      const view = 'refused' in details ? wordsModal(REVIEW_TITLE, details.refused) : reviewModal(details, memory);
      await replace(body, press, view);
    } catch (error) {
      // Pressed twice: the page is there already.
      if (isNewer(error)) return;
      logger.warn({ reason: withoutSecrets(messageOf(error)) }, 'slack shows no page of a review');
      await answer(body, from, NOT_SHOWN);
    }
  }

  function onPress(action: string, handle: (body: unknown, press: ReviewPress) => Promise<void>): void {
    on.action(action, async ({ body, ack }) => {
      const press = parseReview(body);
      if (press !== null) await handle(body, press);
      await ack();
    });
  }

  on.action(parts.opens.review, async ({ body, ack }) => {
    const click = parseClick(body);
    if (click !== null) {
      const { trigger_id } = click;
      await show(body, click, { trigger_id, title: REVIEW_TITLE }, (details) =>
        reviewModal(details, { ...memoryOf(click), page: 0 }),
      );
    }
    await ack();
  });

  on.action(parts.opens.deny, async ({ body, ack }) => {
    const click = parseClick(body);
    if (click !== null) await askWhy(body, click, { trigger_id: click.trigger_id });
    await ack();
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
      const said = (text: string | null, hash?: string) => conclude(body, press, text, hash);
      await decide(body, from, { decision: 'allow', for_session, said, notKnown: (text) => said(text, press.hash) });
    });
  }

  /**
   * In the modal and, where it was opened from a list or the Home tab, there as well.
   * @param hash of the modal that was pressed: one that says something since stays, and all else as well
   */
  async function conclude(body: unknown, press: ReviewPress, text: string | null, hash?: string): Promise<void> {
    const from: Pressed = { ...press.memory, event_id: press.event_id, user: press.user };
    const isOnCard = from.before === undefined && from.home !== true;
    try {
      await replace(
        body,
        { view_id: press.view_id, ...(hash !== undefined && { hash }) },
        wordsModal(REVIEW_TITLE, text ?? 'Recorded.'),
      );
      if (!isOnCard) await answer(body, from, text);
    } catch (error) {
      if (isNewer(error)) return;
      // Closed meanwhile, perhaps.
      logger.warn({ reason: withoutSecrets(messageOf(error)) }, 'slack updated no review');
      await answer(body, from, text);
    }
  }

  onPress(REVIEW.deny, (body, { trigger_id, memory, event_id, user }) =>
    askWhy(body, { ...memory, event_id, user }, { trigger_id, pushed: true }),
  );
}

/** The modal was drawn anew since it was pressed. */
function isNewer(error: unknown): boolean {
  return error instanceof PostRefusedError && error.reason === 'hash_conflict';
}
