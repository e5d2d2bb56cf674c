import { absentFrom, SlackApiError } from './api-error.ts';
import { type Arguments, optional, required } from './arguments.ts';
import { shown } from './chat-methods.ts';
import type { Method, MethodScene } from './method.ts';
import { directChannel, messageAt, type SlackChannel, type SlackMessage } from './workspace.ts';

function channelOf(scene: MethodScene, args: Arguments): SlackChannel {
  const channel = scene.workspace.channels.get(required(args, 'channel'));
  if (channel === undefined) throw new SlackApiError('channel_not_found');
  return channel;
}

function readable(scene: MethodScene, args: Arguments): SlackChannel {
  const channel = channelOf(scene, args);
  if (!channel.members.has(scene.workspace.bot_user_id)) throw absentFrom(channel);
  return channel;
}

const PAGE_EACH_MS = 60_000;
const PAGE_OUTSIDE = 15;

/** @throws SlackApiError, a 429, for a second page in a minute of an app that the Marketplace does not have */
function checkPace({ workspace, clock }: MethodScene, method: string): void {
  if (!workspace.outside_marketplace) return;
  const wait_ms = (workspace.pages_given.get(method) ?? 0) + PAGE_EACH_MS - clock.now();
  if (wait_ms > 0) throw new SlackApiError('ratelimited', { retry_after_s: Math.ceil(wait_ms / 1_000) });
  workspace.pages_given.set(method, clock.now());
}

/** One page with Slack's cursor: fewer than 1,000 a page, 100 when nothing is said (docs.slack.dev/apis/web-api/pagination). */
function page(scene: MethodScene, args: Arguments, all: SlackMessage[]): Record<string, unknown> {
  const asked = Number(optional(args, 'limit') ?? 100);
  if (!(asked >= 1 && asked < 1_000)) throw new SlackApiError('invalid_limit');
  const limit = scene.workspace.outside_marketplace ? Math.min(asked, PAGE_OUTSIDE) : asked;
  const start = Number(Buffer.from(optional(args, 'cursor') ?? '', 'base64url').toString() || 0);
  if (!(start >= 0 && start <= all.length)) throw new SlackApiError('invalid_cursor');
  const withMetadata = optional(args, 'include_all_metadata') === 'true';
  const rest = all.length > start + limit;
  return {
    messages: all.slice(start, start + limit).map((message) => shown(message, scene.workspace, withMetadata)),
    has_more: rest,
    response_metadata: { next_cursor: rest ? Buffer.from(String(start + limit)).toString('base64url') : '' },
  };
}

const TS = /^\d+(\.\d{1,6})?$/;

/** Between `oldest` and `latest`, without these themselves unless `inclusive`. */
function inTime(args: Arguments): (message: SlackMessage) => boolean {
  const [oldest, latest] = [optional(args, 'oldest'), optional(args, 'latest')];
  if (oldest !== undefined && !TS.test(oldest)) throw new SlackApiError('invalid_ts_oldest');
  if (latest !== undefined && !TS.test(latest)) throw new SlackApiError('invalid_ts_latest');
  const isInclusive = optional(args, 'inclusive') === 'true';
  return ({ ts }) => {
    if (isInclusive && (ts === oldest || ts === latest)) return true;
    return (oldest === undefined || ts > oldest) && (latest === undefined || ts < latest);
  };
}

const replies: Method = (scene, args) => {
  checkPace(scene, 'conversations.replies');
  const channel = readable(scene, args);
  const root = messageAt(scene.workspace, channel.id, required(args, 'ts'));
  if (root === undefined) throw new SlackApiError('thread_not_found');
  const rootTs = root.thread_ts ?? root.ts;
  const wanted = inTime(args);
  // Guess: the root comes first whatever the times say. The reference does not tell, and apps see it so.
  const inThread = (message: SlackMessage) =>
    message.ts === rootTs || (message.thread_ts === rootTs && wanted(message));
  const all = scene.workspace.messages.filter(
    (m) => m.channel === channel.id && m.ephemeral_to === undefined && inThread(m),
  );
  const given = page(scene, args, all);
  const replies = scene.workspace.messages.filter(
    (m) => m.channel === channel.id && m.thread_ts === rootTs && m.ts !== rootTs,
  );
  const [first] = given.messages as Record<string, unknown>[];
  // A root says how long its thread is (the method's own example).
  if (first?.ts === rootTs && replies.length > 0) {
    Object.assign(first, { reply_count: replies.length, latest_reply: replies.at(-1)?.ts });
  }
  return given;
};

const history: Method = (scene, args) => {
  checkPace(scene, 'conversations.history');
  const channel = readable(scene, args);
  const top = (message: SlackMessage) => message.thread_ts === undefined || message.thread_ts === message.ts;
  const wanted = inTime(args);
  const all = scene.workspace.messages.filter(
    (m) => m.channel === channel.id && m.ephemeral_to === undefined && top(m) && wanted(m),
  );
  return page(scene, args, all.toReversed());
};

const info: Method = (scene, args) => {
  const channel = channelOf(scene, args);
  return {
    channel: {
      id: channel.id,
      name: channel.name,
      is_im: channel.kind === 'im',
      is_mpim: channel.kind === 'mpim',
      is_private: channel.kind === 'group',
    },
  };
};

const open: Method = (scene, args) => {
  const user = required(args, 'users');
  if (!scene.workspace.users.has(user)) throw new SlackApiError('user_not_found');
  return { channel: { id: directChannel(scene.workspace, user).id } };
};

const members: Method = (scene, args) => ({
  members: [...channelOf(scene, args).members],
  response_metadata: { next_cursor: '' },
});

export const conversationMethods: Record<string, Method> = {
  'conversations.replies': replies,
  'conversations.history': history,
  'conversations.info': info,
  'conversations.open': open,
  'conversations.members': members,
};
