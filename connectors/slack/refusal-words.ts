/**
 * Why Slack takes no message in a place, or from somebody none, by its word for it (docs.slack.dev/reference/methods:
 * chat.postMessage, conversations.open and usergroups.users.list, Errors).
 */
const WORDS: Readonly<Record<string, string>> = {
  is_archived: 'the channel is archived',
  not_in_channel: 'I am not in the channel',
  channel_not_found: 'I cannot see the channel, or it is gone',
  thread_not_found: 'the thread is gone',
  restricted_action: 'a setting of the workspace does not let me',
  restricted_action_read_only_channel: 'the channel is read-only',
  restricted_action_thread_only_channel: 'the channel takes only replies',
  restricted_action_non_threadable_channel: 'the channel takes no replies',
  restricted_action_thread_locked: 'the thread is locked',
  missing_scope: 'the app was not given leave to',
  account_inactive: 'the app was removed from the workspace',
  token_revoked: 'the app was removed from the workspace',
  msg_too_long: 'it is too long for a message',
  msg_blocks_too_long: 'it is too long for a message',
  invalid_blocks: 'it is not shown as I made it',
  user_not_found: 'they are not in this workspace',
  users_not_found: 'they are not in this workspace',
  user_not_visible: 'they are not to be seen from this workspace',
  user_disabled: 'their account is deactivated',
  cannot_dm_bot: 'that is a bot',
  cannot_message_deactivated_user: 'their account is deactivated',
  messages_tab_disabled: 'the app takes no direct messages: its Messages tab is off',
  no_such_subteam: 'there is no such user group',
  subteam_not_found: 'there is no such user group',
  team_access_not_granted: 'the app was not given leave to be in that workspace',
};

/** A refusal in words that end a sentence; Slack's own word where there are none. What is in words already stays. */
export function refusalInWords(reason: string): string {
  if (/\s/.test(reason)) return reason;
  return Object.hasOwn(WORDS, reason) ? (WORDS[reason] ?? reason) : `Slack says ${reason}`;
}
