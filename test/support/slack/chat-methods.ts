import { absentFrom, SlackApiError } from './api-error.ts';
import { type Arguments, blocksOf, metadataOf, optional, required } from './arguments.ts';
import { checkBlocks } from './block-limits.ts';
import type { Method, MethodScene } from './method.ts';
import { messageAt, type SlackBlock, type SlackChannel, type SlackMessage } from './workspace.ts';

/** chat.postMessage cuts its text here (docs.slack.dev/reference/methods/chat.postMessage). */
const TEXT_CUT = 40_000;
/** chat.update refuses text over 4,000 bytes, counted after escaping (seen in practice: gitlab-org/gitlab!258898). */
const UPDATE_TEXT_BYTES = 4_000;

/** The channel, if the bot may write there. */
export function writableChannel(scene: MethodScene, args: Arguments): SlackChannel {
  const channel = scene.workspace.channels.get(required(args, 'channel'));
  if (channel === undefined) throw new SlackApiError('channel_not_found');
  if (channel.is_archived) throw new SlackApiError('is_archived');
  if (!channel.members.has(scene.workspace.bot_user_id)) throw absentFrom(channel);
  return channel;
}

export function threadOf(scene: MethodScene, args: Arguments, channel: SlackChannel): string | undefined {
  const threadTs = optional(args, 'thread_ts');
  if (threadTs === undefined) return undefined;
  const root = messageAt(scene.workspace, channel.id, threadTs);
  // Guess: the reference names `thread_not_found` for replies; posting to an unknown thread_ts is not described.
  if (root === undefined) throw new SlackApiError('thread_not_found');
  return root.thread_ts ?? root.ts;
}

/** Text and blocks, checked. `markdown_text` becomes one markdown block, as it reads. */
function contentOf(args: Arguments): { text: string; blocks: SlackBlock[] } {
  const markdown = optional(args, 'markdown_text');
  const blocks = blocksOf(args) ?? (markdown === undefined ? [] : [{ type: 'markdown', text: markdown }]);
  if (markdown !== undefined && (optional(args, 'text') !== undefined || args.blocks !== undefined)) {
    throw new SlackApiError('markdown_text_conflict');
  }
  if (markdown !== undefined && markdown.length > 12_000) throw new SlackApiError('msg_too_long');
  checkBlocks(blocks);
  const text = optional(args, 'text') ?? '';
  if (text === '' && blocks.length === 0) throw new SlackApiError('no_text');
  return { text, blocks };
}

/** Slack gives a block that has no id one of its own, and keeps none for markdown blocks (Block Kit reference). */
export function withBlockIds(scene: MethodScene, blocks: SlackBlock[]): SlackBlock[] {
  return blocks.map((block) => ({
    ...block,
    block_id: block.type === 'markdown' ? scene.workspace.nextId('b') : (block.block_id ?? scene.workspace.nextId('b')),
  }));
}

/** A message as the Web API and events show it. */
export function shown(
  message: SlackMessage,
  workspace: { team_id: string; app_id: string; bot_id: string },
  withMetadata = false,
): Record<string, unknown> {
  return {
    type: 'message',
    ts: message.ts,
    user: message.user,
    text: message.text,
    team: workspace.team_id,
    ...(message.blocks.length > 0 && { blocks: message.blocks }),
    ...(message.thread_ts !== undefined && { thread_ts: message.thread_ts }),
    ...(message.bot_id !== undefined && {
      bot_id: message.bot_id,
      ...(message.bot_id === workspace.bot_id && { app_id: workspace.app_id }),
    }),
    ...(message.bot_profile !== undefined && { bot_profile: message.bot_profile }),
    ...(message.subtype !== undefined && { subtype: message.subtype }),
    ...(message.attachments !== undefined && { attachments: message.attachments }),
    ...(message.files !== undefined && { files: message.files }),
    ...(message.edited !== undefined && { edited: message.edited }),
    ...(message.stream !== undefined && { streaming_state: message.stream.state }),
    ...(withMetadata && message.metadata !== undefined && { metadata: message.metadata }),
  };
}

const postMessage: Method = (scene, args) => {
  const { workspace } = scene;
  const channel = writableChannel(scene, args);
  const threadTs = threadOf(scene, args, channel);
  const { text, blocks } = contentOf(args);
  const metadata = metadataOf(args);
  const message: SlackMessage = {
    ts: workspace.nextTs(),
    channel: channel.id,
    user: workspace.bot_user_id,
    bot_id: workspace.bot_id,
    text: text.slice(0, TEXT_CUT),
    blocks: withBlockIds(scene, blocks),
    ...(threadTs !== undefined && { thread_ts: threadTs }),
    ...(metadata !== undefined && { metadata }),
  };
  workspace.messages.push(message);
  scene.posted(message);
  return { channel: channel.id, ts: message.ts, message: shown(message, workspace) };
};

const update: Method = (scene, args) => {
  const { workspace } = scene;
  const channel = writableChannel(scene, args);
  const message = messageAt(workspace, channel.id, required(args, 'ts'));
  if (message === undefined) throw new SlackApiError('message_not_found');
  if (message.user !== workspace.bot_user_id) throw new SlackApiError('cant_update_message');
  if (message.stream?.state === 'in_progress') throw new SlackApiError('streaming_state_conflict');
  const { text, blocks } = contentOf(args);
  const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  if (Buffer.byteLength(escaped) > UPDATE_TEXT_BYTES) throw new SlackApiError('msg_too_long');
  message.text = text;
  message.blocks = withBlockIds(scene, blocks);
  message.edited = { user: workspace.bot_user_id, ts: workspace.nextTs() };
  const metadata = metadataOf(args);
  // "If you don't include metadata, the message's previous metadata is retained" (chat.update reference).
  if (metadata !== undefined) message.metadata = metadata;
  return { channel: channel.id, ts: message.ts, text, message: shown(message, workspace) };
};

const remove: Method = (scene, args) => {
  const { workspace } = scene;
  const channel = writableChannel(scene, args);
  const message = messageAt(workspace, channel.id, required(args, 'ts'));
  if (message === undefined) throw new SlackApiError('message_not_found');
  if (message.user !== workspace.bot_user_id) throw new SlackApiError('cant_delete_message');
  workspace.messages.splice(workspace.messages.indexOf(message), 1);
  return { channel: channel.id, ts: message.ts };
};

const postEphemeral: Method = (scene, args) => {
  const { workspace } = scene;
  const channel = writableChannel(scene, args);
  const threadTs = threadOf(scene, args, channel);
  const user = required(args, 'user');
  if (!channel.members.has(user)) throw new SlackApiError('user_not_in_channel');
  const { text, blocks } = contentOf(args);
  const ts = workspace.nextTs();
  workspace.messages.push({
    ts,
    channel: channel.id,
    user: workspace.bot_user_id,
    bot_id: workspace.bot_id,
    text,
    blocks,
    ephemeral_to: user,
    ...(threadTs !== undefined && { thread_ts: threadTs }),
  });
  return { message_ts: ts };
};

export const chatMethods: Record<string, Method> = {
  'chat.postMessage': postMessage,
  'chat.update': update,
  'chat.delete': remove,
  'chat.postEphemeral': postEphemeral,
};
