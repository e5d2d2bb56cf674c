import { SlackApiError } from './api-error.ts';
import { type Arguments, optional, required } from './arguments.ts';
import type { Method, MethodScene } from './method.ts';
import { directChannel, messageAt } from './workspace.ts';

const authTest: Method = ({ workspace }) => ({
  url: `https://${workspace.name.toLowerCase()}.slack.test/`,
  team: workspace.name,
  user: 'deckhand',
  team_id: workspace.team_id,
  user_id: workspace.bot_user_id,
  bot_id: workspace.bot_id,
  ...(workspace.enterprise !== null && { enterprise_id: workspace.enterprise.id }),
  is_enterprise_install: workspace.enterprise !== null,
});

const exchangeCode: Method = (scene, args) => scene.exchange(args);

const revokeToken: Method = (scene) => {
  if (scene.token !== undefined) scene.revoke(scene.token);
  return { revoked: true };
};

const userInfo: Method = ({ workspace }, args) => {
  const user = workspace.users.get(required(args, 'user'));
  if (user === undefined) throw new SlackApiError('user_not_found');
  return {
    user: {
      id: user.id,
      team_id: user.team_id ?? workspace.team_id,
      name: user.name.toLowerCase(),
      real_name: user.name,
      is_bot: user.is_bot,
      is_admin: user.is_admin ?? false,
      is_owner: false,
      is_restricted: user.is_restricted ?? false,
      is_ultra_restricted: user.is_ultra_restricted ?? false,
      ...(user.is_stranger !== undefined && { is_stranger: user.is_stranger }),
      ...(user.enterprise_user !== undefined && { enterprise_user: user.enterprise_user }),
      profile: { display_name: user.name, real_name: user.name },
    },
  };
};

/**
 * "Encoded team id …, required if org token is used" (usergroups.list reference).
 * @throws SlackApiError where it is missing, or of another workspace: groups are of one
 */
function checkTeam({ workspace }: MethodScene, args: Arguments): void {
  if (workspace.enterprise === null) return;
  // Guess: the word for a workspace in which the group is not.
  if (required(args, 'team_id') !== workspace.team_id) throw new SlackApiError('no_such_subteam');
}

const listGroups: Method = (scene, args) => {
  checkTeam(scene, args);
  const { groups, team_id } = scene.workspace;
  return { usergroups: [...groups].map(([id, { handle }]) => ({ id, team_id, handle, name: handle })) };
};

const listGroupUsers: Method = (scene, args) => {
  checkTeam(scene, args);
  const { workspace } = scene;
  const group = workspace.groups.get(required(args, 'usergroup'));
  if (group === undefined) throw new SlackApiError('no_such_subteam');
  return { users: [...group.users] };
};

/** One person opens their direct messages with the app; several people (an mpim) are not opened by anybody here. */
const openConversation: Method = ({ workspace }, args) => {
  const user = workspace.users.get(required(args, 'users'));
  if (user === undefined) throw new SlackApiError('user_not_found');
  return { channel: { id: directChannel(workspace, user.id).id } };
};

const permalink: Method = ({ workspace }, args) => {
  const [channel, ts] = [required(args, 'channel'), required(args, 'message_ts')];
  const message = messageAt(workspace, channel, ts);
  if (message === undefined) throw new SlackApiError('message_not_found');
  const thread = message.thread_ts === undefined ? '' : `?thread_ts=${message.thread_ts}&cid=${channel}`;
  return {
    channel,
    permalink: `https://${workspace.name.toLowerCase()}.slack.test/archives/${channel}/p${ts.replace('.', '')}${thread}`,
  };
};

const openConnection: Method = (scene) => ({ url: scene.socketUrl() });

/** The thread that an agent session is scoped to, as `channel:thread`. */
function threadOf({ workspace }: MethodScene, args: Arguments): string {
  const channel = required(args, 'channel_id');
  const thread = required(args, 'thread_ts');
  if (!workspace.channels.has(channel)) throw new SlackApiError('channel_not_found');
  // Guess: the reference calls it the thread's root and names no error for any other message.
  if (messageAt(workspace, channel, thread) === undefined) throw new SlackApiError('thread_not_found');
  return `${channel}:${thread}`;
}

function titleOf(args: Arguments): string | null {
  const title = optional(args, 'title');
  if (title !== undefined && title.length > 200) throw new SlackApiError('invalid_arguments');
  return title ?? null;
}

/** Makes the session or changes its status. The title counts only when it is made (agents.sessions.setStatus reference). */
const sessionStatus: Method = (scene, args) => {
  const key = threadOf(scene, args);
  const status = required(args, 'status');
  if (!['active', 'processing', 'suspended', 'closed'].includes(status)) throw new SlackApiError('invalid_arguments');
  const given = titleOf(args);
  const known = scene.workspace.agent_sessions.get(key);
  const session = { title: known === undefined ? given : known.title, status };
  scene.workspace.agent_sessions.set(key, session);
  return { status, agent_status: status, ...(session.title !== null && { title: session.title }) };
};

const renameSession: Method = (scene, args) => {
  const session = scene.workspace.agent_sessions.get(threadOf(scene, args));
  const title = titleOf(args);
  if (title === null) throw new SlackApiError('invalid_arguments');
  // Guess: the word for a thread that is no session is in no reference.
  if (session === undefined) throw new SlackApiError('session_not_found');
  session.title = title;
  return { title };
};

/** assistant.threads.setStatus reference: it is gone after two minutes, and as soon as the app posts there. */
const THREAD_STATUS_MS = 120_000;

const threadStatus: Method = (scene, args) => {
  const { workspace, clock } = scene;
  const key = threadOf(scene, args);
  const words = { text: optional(args, 'status') ?? '' };
  workspace.thread_status.set(key, words);
  clock.after(THREAD_STATUS_MS, () => {
    if (workspace.thread_status.get(key) === words) workspace.thread_status.delete(key);
  });
  return {};
};

export const otherMethods: Record<string, Method> = {
  'auth.test': authTest,
  'auth.revoke': revokeToken,
  'oauth.v2.access': exchangeCode,
  'users.info': userInfo,
  'conversations.open': openConversation,
  'chat.getPermalink': permalink,
  'usergroups.list': listGroups,
  'usergroups.users.list': listGroupUsers,
  'apps.connections.open': openConnection,
  'agents.sessions.setStatus': sessionStatus,
  'agents.sessions.rename': renameSession,
  'assistant.threads.setStatus': threadStatus,
};
