/** Why Slack takes no message in a place, by its word for it (docs.slack.dev/reference/methods/chat.postMessage, Errors). */
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
  team_access_not_granted: 'the app was not given leave to be in that workspace',
};

/** A refusal in words that end a sentence; Slack's own word where there are none. */
export function refusalInWords(reason: string): string {
  return Object.hasOwn(WORDS, reason) ? (WORDS[reason] ?? reason) : `Slack says ${reason}`;
}
