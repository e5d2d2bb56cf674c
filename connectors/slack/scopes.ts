/** What an installation asks for; manifest.yml says why for each, and a test compares the two. */
export const BOT_SCOPES: readonly string[] = [
  'app_mentions:read',
  'assistant:write',
  'channels:history',
  'chat:write',
  'commands',
  'files:read',
  'files:write',
  'groups:history',
  'im:history',
  'im:write',
  'metadata.message:read',
  'mpim:history',
  'reactions:write',
  'usergroups:read',
  'users:read',
];
