import { LRUCache } from 'lru-cache';
import { type ConversationKey, PostRefusedError, type Status } from '../../src/chat/connector.ts';
import { messageOf } from '../../src/errors.ts';
import type { Logger } from '../../src/logger.ts';
import type { SlackClient } from './client.ts';
import { placeOf } from './conversation-id.ts';
import { shorten } from './mrkdwn.ts';

type StatusMethod = 'agents.sessions.setStatus' | 'assistant.threads.setStatus';

/** Nothing in the reference limits the status text; it is one line. */
const STATUS = 100;

/**
 * Show that the agent works. The session's status (`processing`, `active`) stays until it is changed and brings Slack's
 * own Stop button; the thread's status carries the words and clears itself after two minutes.
 * Best effort: nothing is thrown, and a method that this Slack or installation does not take is not asked again.
 */
export function createStatus(client: SlackClient, logger: Logger) {
  const unavailable = new Set<StatusMethod>();
  const shown = new LRUCache<string, 'active' | 'processing'>({ max: 10_000 });

  async function attempt(method: StatusMethod, run: () => Promise<unknown>): Promise<boolean> {
    if (unavailable.has(method)) return false;
    try {
      await run();
      return true;
    } catch (error) {
      if (
        error instanceof PostRefusedError &&
        ['unknown_method', 'not_allowed_token_type', 'feature_not_enabled'].includes(error.reason)
      ) {
        unavailable.add(method);
      }
      logger.info({ method, reason: messageOf(error) }, 'slack did not take a status');
      return false;
    }
  }

  return async function setStatus(conversation: ConversationKey, status: Status, signal: AbortSignal): Promise<void> {
    const { channel, thread_ts: threadTs } = placeOf(conversation);
    if (threadTs === undefined) return;
    const where = { channel_id: channel, thread_ts: threadTs };
    const key = `${channel}:${threadTs}`;
    const wanted = status === null ? 'active' : 'processing';
    const session = async () => {
      if (shown.get(key) === wanted) return;
      const call = () => client.call((web) => web.agents.sessions.setStatus({ ...where, status: wanted }), signal);
      if (await attempt('agents.sessions.setStatus', call)) shown.set(key, wanted);
    };
    const words = shorten(status?.text ?? '', STATUS);
    const thread = () => client.call((web) => web.assistant.threads.setStatus({ ...where, status: words }), signal);
    await Promise.all([session(), attempt('assistant.threads.setStatus', thread)]);
  };
}
