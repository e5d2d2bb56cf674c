import type { ModalView } from '@slack/types';
import { PostRefusedError } from '../../src/chat/connector.ts';
import type { SlackClient } from './client.ts';
import { escapeWithin, withChannels } from './mrkdwn.ts';

/** A trigger id lives for three seconds (docs.slack.dev/interactivity/handling-user-interaction). */
const TRIGGER_MS = 2_500;
const UPDATE_MS = 10_000;
/** A section takes 3,000 characters. */
const SAID = 2_900;
const LOADING = 'One moment… If nothing follows, close this and press the button again.';
const NOT_KNOWN = 'That cannot be looked up just now. Please close this and press the button again.';

export interface ModalOpening {
  trigger_id: string;
  /** At most 24 characters. */
  title: string;
  /** On top of the modal in which its button is. */
  pushed?: true;
}

/** A modal that says something, and has nothing to press. */
export function wordsModal(title: string, text: string): ModalView {
  return {
    type: 'modal',
    title: { type: 'plain_text', text: title },
    close: { type: 'plain_text', text: 'Close' },
    blocks: [{ type: 'section', text: { type: 'mrkdwn', text: withChannels(escapeWithin(text, SAID)) } }],
  };
}

/**
 * Open a modal at once, and fill it when it is known with what: a trigger lives shorter than a look at people, groups and
 * records may take. Resolves when it is open. @throws when Slack opens none, or does not say that it has
 */
export async function openModal(
  client: SlackClient,
  { trigger_id, title, pushed }: ModalOpening,
  look: () => Promise<ModalView>,
): Promise<{ filled: Promise<void> }> {
  const signal = AbortSignal.timeout(TRIGGER_MS);
  const looked = look().catch(() => wordsModal(title, NOT_KNOWN));
  const asked = { trigger_id, view: wordsModal(title, LOADING) };
  const { view } = await client.call(
    (web) => (pushed === true ? web.views.push(asked) : web.views.open(asked)),
    signal,
  );
  const view_id = view?.id;
  if (view_id === undefined) throw new Error('Slack opened a modal without an id');
  return { filled: fill(client, view_id, looked) };
}

/** The same press came twice, and whoever had the other one has opened its modal: a trigger id is good once. */
export function isOpenAlready(error: unknown): boolean {
  return error instanceof PostRefusedError && error.reason === 'exchanged_trigger_id';
}

async function fill(client: SlackClient, view_id: string, looked: Promise<ModalView>): Promise<void> {
  const view = await looked;
  try {
    await client.call((web) => web.views.update({ view_id, view }), AbortSignal.timeout(UPDATE_MS));
  } catch (error) {
    // Closed meanwhile.
    if (!(error instanceof PostRefusedError) || error.reason !== 'not_found') throw error;
  }
}
