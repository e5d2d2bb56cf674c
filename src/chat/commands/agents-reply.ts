import { REPLY_MODES, type ReplyMode } from '../channel-settings.ts';
import { forbidden, may } from '../roles.ts';
import { answer, type Command, plain, refuse } from './command.ts';

const MEANINGS: Readonly<Record<ReplyMode, string>> = {
  mention_only: 'it answers who mentions it',
  thread: 'in a thread where it has a session, it takes what people say without another mention',
  automatic: 'it takes whatever people say in the channel, and each new message begins a session',
};

export const setReplyMode: Command = {
  name: 'reply',
  args: `<${REPLY_MODES.join(' | ')}>`,
  summary: 'to what the agents answer in this channel',
  async run(deps, { workspace_id, conversation, role, args }) {
    const platform = deps.connectors.get(conversation.connector);
    // There everything is said to the bot, whatever a mode says.
    if (platform?.closed_conversations === true || platform?.isDirect?.(conversation) === true) {
      return answer('Here I take everything you write.');
    }
    const choices = REPLY_MODES.map((mode) => `- \`${mode}\`: ${MEANINGS[mode]}`).join('\n');
    const mode = REPLY_MODES.find((one) => one === args.toLowerCase());
    const { reply_mode } = await deps.channels.of(workspace_id, conversation);
    if (args === '') return answer(`Here it is \`${reply_mode}\` now.\n${choices}`);
    if (mode === undefined) return refuse(`There is no mode ${plain(args)}. Pick one:\n${choices}`);
    if (!may('set up a channel', role)) return refuse(forbidden('set up a channel'));
    await deps.channels.change(workspace_id, conversation, { reply_mode: mode });
    const others = mode === 'mention_only' ? '' : ' What mentions others and not it is left alone.';
    return answer(`In this channel: ${MEANINGS[mode]}.${others}`);
  },
};
