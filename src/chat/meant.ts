import type { ChannelSettingsStore } from './channel-settings.ts';
import type { ConversationStore } from './conversation-store.ts';
import type { InboundMessage } from './inbound.ts';
import type { SessionDirectory } from './session-directory.ts';

export interface MeantDeps {
  channels: Pick<ChannelSettingsStore, 'of'>;
  conversations: Pick<ConversationStore, 'findByKey'>;
  directory: Pick<SessionDirectory, 'find' | 'workspaceOf'>;
}

/**
 * Whether a message is meant for the agent, by its channel's reply mode where it does not address the bot: `perhaps` is for
 * `isMeant` to say, when everything before it in its conversation has had its effect. Costs no write, and a look at the
 * channel's settings, which are remembered.
 */
export async function meant(deps: MeantDeps, message: InboundMessage): Promise<'yes' | 'perhaps' | 'no'> {
  if (message.addressed) return 'yes';
  if (message.to_others === true) return 'no';
  const { conversation } = message;
  const workspace_id = await deps.directory.workspaceOf(conversation.connector, conversation.tenant);
  const { reply_mode } = await deps.channels.of(workspace_id, conversation);
  switch (reply_mode) {
    case 'mention_only':
      return 'no';
    case 'thread':
      return message.follows === undefined ? 'no' : 'perhaps';
    case 'automatic':
      return 'yes';
    default:
      return reply_mode satisfies never;
  }
}

/** Whether a message is meant for the agent, after all that was said before it. */
export async function isMeant(deps: MeantDeps, message: InboundMessage): Promise<boolean> {
  const verdict = await meant(deps, message);
  return verdict === 'yes' || (verdict === 'perhaps' && (await isUnderway(deps, message)));
}

/** Whether the agent that was spoken to last in this conversation has a session there that takes messages. */
async function isUnderway(deps: MeantDeps, { conversation: place }: InboundMessage): Promise<boolean> {
  const conversation = await deps.conversations.findByKey(place);
  const slot = conversation?.sessions[conversation.agent_id ?? ''];
  if (conversation === null || slot === undefined) return false;
  const { workspace_id } = conversation;
  return (await deps.directory.find({ workspace_id, session_id: slot.session_id }))?.open === true;
}
