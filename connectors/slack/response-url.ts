import type { KnownBlock } from '@slack/types';

const ANSWER_MS = 5_000;

/** What is said by the address that Slack gives with a command or a click. */
export interface ResponseMessage {
  response_type: 'ephemeral';
  /** Put it in the place of the message that was clicked. */
  replace_original: boolean;
  text: string;
  blocks?: KnownBlock[];
  thread_ts?: string;
}

/** The answer was lost: it may stand there. To say it in another way could be to say it twice, and it cannot be looked up. */
export class PerhapsSaidError extends Error {
  constructor(cause: unknown) {
    super('The answer of a response url was lost', { cause });
    this.name = 'PerhapsSaidError';
  }
}

/** @throws PerhapsSaidError; any other error when Slack does not take it there */
export async function respondTo(url: string, message: ResponseMessage): Promise<void> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(message),
    signal: AbortSignal.timeout(ANSWER_MS),
  }).catch((error: unknown) => {
    throw new PerhapsSaidError(error);
  });
  if (!response.ok) throw new Error(`The response url answered ${response.status}`);
}
