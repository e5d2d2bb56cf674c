import { randomBytes } from 'node:crypto';
import { PostRefusedError } from '../../src/chat/connector.ts';
import type { ConversationKey } from '../../src/chat/place.ts';

const PATTERN = /^conv_[0-9a-f]{32}$/;

/** 128 random bits: a conversation is open to whoever of the workspace was given its address, so it must not be guessed. */
export function createConversationId(): string {
  return `conv_${randomBytes(16).toString('hex')}`;
}

export function isConversationId(value: string): boolean {
  return PATTERN.test(value);
}

/** The page has one tenant and one channel; each conversation is a thread of it. */
export function keyOf(conversationId: string): ConversationKey {
  return { connector: 'web', tenant: 'local', channel: 'web', thread: conversationId };
}

/** @throws PostRefusedError when the key is not one of ours. */
export function conversationIdOf(key: ConversationKey): string {
  if (key.connector !== 'web' || !isConversationId(key.thread)) {
    throw new PostRefusedError('conversation_not_found');
  }
  return key.thread;
}
