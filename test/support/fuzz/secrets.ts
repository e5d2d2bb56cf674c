import { expect } from 'vitest';

/** Credentials that can be recognised wherever they turn up. Nothing else of a test holds these words. */
export const SECRETS = {
  api_key: 'dk_PLANTED-api-key-5ec4e7',
  foreign_name: 'PLANTED-foreign-words-5ec4e7',
  anthropic_key: 'sk-ant-PLANTED-model-key-5ec4e7',
  slack_bot_token: 'xoxb-PLANTED-bot-5ec4e7',
  slack_app_token: 'xapp-PLANTED-app-5ec4e7',
  slack_signing_secret: 'PLANTED-signing-5ec4e7',
  slack_client_secret: 'PLANTED-client-5ec4e7',
  /** The base64 of 32 bytes, as such a key has to be. */
  vault_key: `PLANTEDvault${'A'.repeat(24)}5ec4e7A=`,
  mongodb_password: 'PLANTED-mongo-5ec4e7',
  redis_password: 'PLANTED-redis-5ec4e7',
} as const;

/** What each of them contains. */
const MARK = /PLANTED[\w-]*5ec4e7/;

/** @throws when `text` gives a planted secret away */
export function expectNoSecret(text: string, where: string): void {
  const found = MARK.exec(text);
  if (found === null) return;
  const around = text.slice(Math.max(0, found.index - 200), found.index + 200);
  expect.fail(`${where} holds the secret ${found[0]}: …${around}…`);
}
