import type { PostRef } from '../../src/chat/connector.ts';
import type { ConversationKey } from '../../src/chat/place.ts';

export const SLACK = 'slack';

/** Where a message goes in Slack's own terms. */
export interface SlackPlace {
  channel: string;
  /** Undefined posts at the channel's top level. */
  thread_ts: string | undefined;
}

/**
 * A root message is a conversation, in channels and in direct messages alike: Slack's agent sessions are scoped to a
 * thread in both (docs.slack.dev/ai/agent-sessions), and status and streaming need its `thread_ts`.
 *
 * The tenant is the installation's, never the event's: in Enterprise Grid and Slack Connect one channel's events and
 * clicks name different teams, and a click must find the conversation that its card was posted to.
 */
export function conversationOf(
  tenant: string,
  channel: string,
  message: { ts: string; thread_ts?: string | undefined },
): ConversationKey {
  return { connector: SLACK, tenant, channel, thread: message.thread_ts ?? message.ts };
}

/** A conversation whose thread is its channel (something that was not begun by a message) posts at the top level. */
export function placeOf(conversation: ConversationKey): SlackPlace {
  const { channel, thread } = conversation;
  return { channel, thread_ts: thread === channel ? undefined : thread };
}

/**
 * The address of a conversation's root, in Slack's own form; it opens the app or the browser.
 * @param url of the workspace, as auth.test gives it, with a slash at its end
 */
export function linkTo(url: string, { channel, thread }: ConversationKey): string {
  const place = `${url}archives/${channel}`;
  return thread === channel ? place : `${place}/p${thread.replace('.', '')}`;
}

/** Slack's ids say what a channel is: direct messages start with D. */
export function isDirect(channel: string): boolean {
  return channel.startsWith('D');
}

export function refOf(channel: string, ts: string): PostRef {
  return `${channel}:${ts}`;
}

/** @throws Error when the reference is not one of ours. */
export function messageOfRef(ref: PostRef): { channel: string; ts: string } {
  const [channel, ts] = ref.split(':');
  if (!channel || !ts) throw new Error(`Not a reference to a Slack message: ${ref}`);
  return { channel, ts };
}
