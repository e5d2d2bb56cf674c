import { SlackApiError } from './api-error.ts';
import { blocksOf, objectOf, optional, required } from './arguments.ts';
import { checkBlocks } from './block-limits.ts';
import type { Method } from './method.ts';
import { messageAt } from './workspace.ts';

const authTest: Method = ({ workspace }) => ({
  url: 'https://deckhand.slack.test/',
  team: 'Deckhand',
  user: 'deckhand',
  team_id: workspace.team_id,
  user_id: workspace.bot_user_id,
  bot_id: workspace.bot_id,
  is_enterprise_install: false,
});

const userInfo: Method = ({ workspace }, args) => {
  const user = workspace.users.get(required(args, 'user'));
  if (user === undefined) throw new SlackApiError('user_not_found');
  return {
    user: {
      id: user.id,
      team_id: workspace.team_id,
      name: user.name.toLowerCase(),
      real_name: user.name,
      is_bot: user.is_bot,
      profile: { display_name: user.name, real_name: user.name },
    },
  };
};

const openConnection: Method = (scene) => ({ url: scene.socketUrl() });

const addReaction: Method = ({ workspace }, args) => {
  if (messageAt(workspace, required(args, 'channel'), required(args, 'timestamp')) === undefined) {
    throw new SlackApiError('message_not_found');
  }
  return {};
};

const openView: Method = (scene, args) => {
  const { workspace } = scene;
  const user = scene.triggeredBy(required(args, 'trigger_id'));
  if (user === undefined) throw new SlackApiError('expired_trigger_id');
  const view = objectOf(args, 'view') ?? {};
  const title = objectOf(view, 'title');
  // View reference: title at most 24 characters, private_metadata at most 3,000.
  if (typeof title?.text !== 'string' || title.text.length > 24) throw new SlackApiError('invalid_arguments');
  const metadata = optional(view, 'private_metadata') ?? '';
  if (metadata.length > 3_000) throw new SlackApiError('invalid_arguments');
  const blocks = blocksOf(view) ?? [];
  checkBlocks(blocks);
  const opened = {
    ...view,
    id: workspace.nextId('V'),
    callback_id: optional(view, 'callback_id') ?? '',
    private_metadata: metadata,
    blocks,
    user,
  };
  workspace.views.push(opened);
  return { view: { id: opened.id, callback_id: opened.callback_id, private_metadata: metadata } };
};

/** The Home tab is kept by nobody here; only its blocks are checked. */
const publishView: Method = (_scene, args) => {
  checkBlocks(blocksOf(objectOf(args, 'view') ?? {}) ?? []);
  return {};
};

const sessionStatus: Method = ({ workspace }, args) => {
  const status = required(args, 'status');
  if (!['active', 'processing', 'suspended', 'closed'].includes(status)) throw new SlackApiError('invalid_arguments');
  workspace.session_status.set(`${required(args, 'channel_id')}:${required(args, 'thread_ts')}`, status);
  return { status };
};

const threadStatus: Method = ({ workspace }, args) => {
  // An empty status clears it.
  workspace.thread_status.set(
    `${required(args, 'channel_id')}:${required(args, 'thread_ts')}`,
    optional(args, 'status') ?? '',
  );
  return {};
};

export const otherMethods: Record<string, Method> = {
  'auth.test': authTest,
  'users.info': userInfo,
  'apps.connections.open': openConnection,
  'reactions.add': addReaction,
  'views.open': openView,
  'views.publish': publishView,
  'agents.sessions.setStatus': sessionStatus,
  'assistant.threads.setStatus': threadStatus,
};
