import { SlackApiError } from './api-error.ts';
import { type Arguments, required } from './arguments.ts';
import type { Method, MethodScene } from './method.ts';
import { messageAt, type SlackMessage } from './workspace.ts';

/** The emoji that the tests' workspace knows: any other is no name. */
const NAMES = new Set(['eyes', 'white_check_mark']);

function reacted({ workspace }: MethodScene, args: Arguments): { message: SlackMessage; name: string } {
  const name = required(args, 'name');
  if (!NAMES.has(name)) throw new SlackApiError('invalid_name');
  const channel = workspace.channels.get(required(args, 'channel'));
  if (channel === undefined) throw new SlackApiError('channel_not_found');
  if (channel.is_archived) throw new SlackApiError('is_archived');
  const message = messageAt(workspace, channel.id, required(args, 'timestamp'));
  if (message === undefined) throw new SlackApiError('message_not_found');
  return { message, name };
}

const add: Method = (scene, args) => {
  const { message, name } = reacted(scene, args);
  message.reactions ??= new Map();
  const people = message.reactions.get(name) ?? new Set();
  if (people.has(scene.workspace.bot_user_id)) throw new SlackApiError('already_reacted');
  message.reactions.set(name, people.add(scene.workspace.bot_user_id));
  return {};
};

const remove: Method = (scene, args) => {
  const { message, name } = reacted(scene, args);
  const people = message.reactions?.get(name);
  if (people?.delete(scene.workspace.bot_user_id) !== true) throw new SlackApiError('no_reaction');
  if (people.size === 0) message.reactions?.delete(name);
  return {};
};

export const reactionMethods: Record<string, Method> = { 'reactions.add': add, 'reactions.remove': remove };
