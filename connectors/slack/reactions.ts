import { PostRefusedError } from '../../src/chat/connector.ts';
import { platformErrorOf, type SlackClient } from './client.ts';

/** The reaction that says that a message was heard and waits. */
const HEARD = 'eyes';
/** It stands as it should, or there is nothing for it to stand on (docs.slack.dev/reference/methods/reactions.add, .remove). */
const AS_WANTED = new Set(['already_reacted', 'no_reaction', 'message_not_found']);

/** Put the bot's reaction on a message, or take it off; a repeat changes nothing. Errors as `Connector.post`. */
export async function react(
  client: SlackClient,
  { channel, ts }: { channel: string; ts: string },
  on: boolean,
  signal: AbortSignal,
): Promise<void> {
  const reaction = { channel, timestamp: ts, name: HEARD };
  try {
    await client.call((web) => (on ? web.reactions.add(reaction) : web.reactions.remove(reaction)), signal);
  } catch (error) {
    if (error instanceof PostRefusedError && AS_WANTED.has(error.reason)) return;
    // The app was installed before it asked for reactions.
    if (platformErrorOf(error) === 'missing_scope') throw new PostRefusedError('missing_scope', { cause: error });
    throw error;
  }
}
