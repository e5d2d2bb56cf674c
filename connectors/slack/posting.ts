import { type Connector, PostRefusedError } from '../../src/chat/connector.ts';
import type { Receiver } from '../../src/chat/inbound.ts';
import type { Outgoing } from '../../src/chat/outgoing.ts';
import type { ConversationKey } from '../../src/chat/place.ts';
import { messageOfRef, placeOf, refOf } from './conversation-id.ts';
import { feedbackBlocks } from './feedback.ts';
import { postFile } from './files.ts';
import type { SlackClients } from './installations.ts';
import type { LiveMessages } from './live-message.ts';
import type { Mentions } from './mentions.ts';
import { type Rendered, render, renderPlainly, type Said, TEXT_LIMIT } from './render.ts';
import type { Uploads } from './uploads.ts';

export interface PostingParts {
  clients: SlackClients;
  live: LiveMessages;
  mentions: Mentions;
  /** Files that the house keeps. */
  stored: Receiver['file'];
  uploads: Uploads;
}

/** Slack's words for blocks that it does not take (docs.slack.dev/reference/methods/chat.postMessage). */
const ABOUT_BLOCKS = ['invalid_blocks', 'invalid_blocks_format', 'msg_blocks_too_long', 'only_one_table_allowed'];

/** What leaves for Slack: streamed, posted or edited. */
export function createPosting({
  clients,
  live,
  mentions,
  stored,
  uploads,
}: PostingParts): Pick<Connector, 'post' | 'edit'> {
  /** A whole text with its mentions as Slack's own; what still grows gets them with its last edit. */
  async function withMentions(conversation: ConversationKey, outgoing: Outgoing, signal: AbortSignal): Promise<Said> {
    if (outgoing.kind !== 'text' || outgoing.live) return outgoing;
    const linked = await mentions.linked(conversation, outgoing.markdown, signal);
    return linked.length > TEXT_LIMIT ? outgoing : { ...outgoing, linked };
  }

  /** Say it; where Slack does not take a block of it, say it without. */
  async function say<T>(said: Said, thread: string, call: (content: Rendered) => Promise<T>): Promise<T> {
    try {
      return await call(render(said, thread));
    } catch (error) {
      if (!(error instanceof PostRefusedError) || !ABOUT_BLOCKS.includes(error.reason)) throw error;
      const plain = renderPlainly(said);
      if (plain === null) throw error;
      return call(plain);
    }
  }

  return {
    async post(conversation, outgoing, signal) {
      const client = clients.of(conversation.tenant);
      if (outgoing.kind === 'file') return postFile({ client, stored, uploads }, conversation, outgoing, signal);
      if ((outgoing.kind === 'text' || outgoing.kind === 'plan') && outgoing.live) {
        const ref = await live.start(conversation, outgoing, signal);
        if (ref !== null) return ref;
      }
      const { channel, thread_ts } = placeOf(conversation);
      const said = await withMentions(conversation, outgoing, signal);
      const place = { channel, unfurl_links: false, unfurl_media: false };
      const posted = await say(said, conversation.thread, (content) => {
        const message = { ...place, ...content };
        return client.call(
          (web) => web.chat.postMessage(thread_ts === undefined ? message : { ...message, thread_ts }),
          signal,
        );
      });
      if (posted.ts === undefined) throw new Error('chat.postMessage returned no ts');
      return refOf(channel, posted.ts);
    },

    async edit(conversation, ref, outgoing, signal) {
      // It stands there as it was written.
      if (outgoing.kind === 'file') return;
      const said = await withMentions(conversation, outgoing, signal);
      const below = feedbackBlocks(outgoing, conversation.thread);
      if (await live.edit(conversation, ref, said, { signal, below })) return;
      const client = clients.of(conversation.tenant);
      const update = () =>
        say(said, conversation.thread, (content) =>
          client.call((web) => web.chat.update({ ...messageOfRef(ref), ...content }), signal),
        );
      try {
        await update();
      } catch (error) {
        // A stream that another process began, or whose start was found again: end it, then say it.
        if (!(error instanceof PostRefusedError) || error.reason !== 'streaming_state_conflict') throw error;
        await live.stop(conversation, ref, outgoing.delivery_id, signal);
        await update();
      }
    },
  };
}
