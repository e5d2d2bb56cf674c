import type { SlackChannel } from './workspace.ts';

/** The words of scopes that are named by the kind of conversation, as in `channels:history`. */
const KIND = { channel: 'channels', group: 'groups', im: 'im', mpim: 'mpim' } as const satisfies Record<
  SlackChannel['kind'],
  string
>;

/** Scopes of all four kinds; a call needs the one of the conversation that it is about. */
type OfKind = { of_kind: 'history' | 'read' };

/**
 * What a bot token must be allowed for each method of the Web API, as its page in docs.slack.dev/reference/methods says.
 * A method that is not here cannot be called in the tests, and none that the connector names may be missing.
 */
export const METHOD_SCOPES: Readonly<Record<string, readonly string[] | OfKind>> = {
  // docs.slack.dev/ai/agent-sessions
  'agents.sessions.rename': ['chat:write'],
  'agents.sessions.setStatus': ['chat:write'],
  // Takes an app-level token with connections:write, never a bot's.
  'apps.connections.open': [],
  'assistant.threads.setStatus': ['assistant:write'],
  'auth.revoke': [],
  'auth.test': [],
  'chat.appendStream': ['chat:write'],
  'chat.delete': ['chat:write'],
  'chat.getPermalink': [],
  'chat.postEphemeral': ['chat:write'],
  'chat.postMessage': ['chat:write'],
  'chat.startStream': ['chat:write'],
  'chat.stopStream': ['chat:write'],
  'chat.update': ['chat:write'],
  'conversations.history': { of_kind: 'history' },
  'conversations.info': { of_kind: 'read' },
  'conversations.members': { of_kind: 'read' },
  'conversations.open': ['im:write'],
  'conversations.replies': { of_kind: 'history' },
  'files.completeUploadExternal': ['files:write'],
  'files.info': ['files:read'],
  'files.getUploadURLExternal': ['files:write'],
  // Takes the app's id and secret, and no token.
  'oauth.v2.access': [],
  'reactions.add': ['reactions:write'],
  'reactions.remove': ['reactions:write'],
  'usergroups.list': ['usergroups:read'],
  'usergroups.users.list': ['usergroups:read'],
  'users.info': ['users:read'],
  'views.open': [],
  'views.publish': [],
  'views.push': [],
  'views.update': [],
};

/** What each event is sent for, as its page in docs.slack.dev/reference/events says. */
export const EVENT_SCOPES: Readonly<Record<string, readonly string[]>> = {
  // Its page names none that an agent does not have.
  agent_session_stopped: ['assistant:write'],
  app_home_opened: [],
  app_mention: ['app_mentions:read'],
  app_uninstalled: [],
  'message.channels': ['channels:history'],
  'message.groups': ['groups:history'],
  'message.im': ['im:history'],
  'message.mpim': ['mpim:history'],
  tokens_revoked: [],
};

/** What is neither a method nor an event, by the word in the source that shows its use. */
export const USE_SCOPES: Readonly<Record<string, string>> = {
  // docs.slack.dev/messaging/message-metadata
  include_all_metadata: 'metadata.message:read',
  // docs.slack.dev/reference/objects/file-object: its bytes are at an address that takes the bot's token.
  url_private: 'files:read',
};

/** Every scope that the method may need. */
export function scopesOf(method: string): readonly string[] {
  const needed = METHOD_SCOPES[method];
  if (needed === undefined) throw new Error(`test/support/slack/method-scopes.ts does not know ${method}`);
  return 'of_kind' in needed ? Object.values(KIND).map((kind) => `${kind}:${needed.of_kind}`) : needed;
}

/** The one that this call of it lacks. */
export function missingScope(
  method: string,
  granted: ReadonlySet<string>,
  kind: SlackChannel['kind'] = 'channel',
): string | undefined {
  const needed = METHOD_SCOPES[method];
  if (needed === undefined) throw new Error(`test/support/slack/method-scopes.ts does not know ${method}`);
  const all = 'of_kind' in needed ? [`${KIND[kind]}:${needed.of_kind}`] : needed;
  return all.find((scope) => !granted.has(scope));
}
