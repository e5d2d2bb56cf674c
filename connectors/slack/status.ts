import { LRUCache } from 'lru-cache';
import { PostRefusedError, type Status } from '../../src/chat/connector.ts';
import type { ConversationKey } from '../../src/chat/place.ts';
import { messageOf } from '../../src/errors.ts';
import type { Logger } from '../../src/logger.ts';
import { placeOf } from './conversation-id.ts';
import type { SlackClients } from './installations.ts';
import { shorten } from './mrkdwn.ts';

type StatusMethod = 'agents.sessions.setStatus' | 'agents.sessions.rename' | 'assistant.threads.setStatus';

/** Nothing in the reference limits the status text; it is one line. */
const STATUS = 100;
/** agents.sessions.rename reference: 1 to 200 characters. */
const TITLE = 200;
/** This Slack or installation has no such thing: it is not asked again. */
const NEVER = ['unknown_method', 'not_allowed_token_type', 'feature_not_enabled'];

const SESSION_STATUS = {
  working: 'processing',
  asking: 'suspended',
  resting: 'active',
  ended: 'closed',
} as const satisfies Record<Status['state'], string>;

interface Thread {
  tenant: string;
  where: { channel_id: string; thread_ts: string };
}

/**
 * What this process told Slack so long ago is told again: another one may have told it something else since. Whoever shows a
 * session says once a minute that it works.
 */
const TOLD_MS = 45_000;

interface Wanted {
  status: string;
  title: string | undefined;
}

interface Shown extends Wanted {
  /** Milliseconds since the epoch. */
  told_at: number;
}

export interface SlackStatus {
  set(conversation: ConversationKey, status: Status, signal: AbortSignal): Promise<void>;
  /** Somebody pressed Stop: what Slack shows is not what was last set here, perhaps. */
  forget(conversation: ConversationKey): void;
}

/**
 * Show what the agent is at. The agent session's status stays until it is changed: `processing` brings Slack's own Stop
 * button, `suspended` says that a person is asked, `active` rests, `closed` is over; its title names it in Slack's list.
 * The thread's status carries the words while the agent works; Slack clears it after two minutes and at each message, so
 * whoever shows it sets it again.
 */
export function createStatus(clients: SlackClients, logger: Logger, now: () => number): SlackStatus {
  /** By method and tenant. */
  const unavailable = new LRUCache<string, true>({ max: 10_000 });
  const shown = new LRUCache<string, Shown>({ max: 10_000 });

  /** Null when Slack will not take it. @throws as `Connector.post` otherwise */
  async function attempt<T>(method: StatusMethod, tenant: string, run: () => Promise<T>): Promise<T | null> {
    const key = `${method}:${tenant}`;
    if (unavailable.has(key)) return null;
    try {
      return await run();
    } catch (error) {
      logger.info({ method, tenant, reason: messageOf(error) }, 'slack did not take a status');
      if (!(error instanceof PostRefusedError)) throw error;
      if (NEVER.includes(error.reason)) unavailable.set(key, true);
      return null;
    }
  }

  /** A title is taken only by the call that makes the session; any other answers with the one it has. */
  async function setSession(thread: Thread, wanted: Wanted, signal: AbortSignal): Promise<void> {
    const { tenant, where } = thread;
    const client = clients.of(tenant);
    const key = keyOf(thread);
    const before = shown.get(key);
    const { title } = wanted;
    const isKnown = isRepeated(wanted.status) && before?.status === wanted.status && now() - before.told_at < TOLD_MS;
    if (isKnown && (title === undefined || before.title === title)) return;
    let named = before?.title;
    let told_at = before?.told_at ?? 0;
    if (!isKnown) {
      const args = { ...where, status: wanted.status, ...(title !== undefined && { title }) };
      const call = () => client.call((web) => web.agents.sessions.setStatus(args), signal);
      const answer = await attempt('agents.sessions.setStatus', tenant, call);
      if (answer === null) return;
      // What Slack was asked for here before, and may not have taken, is not tried once a minute.
      named = before?.title === title ? title : answer.title;
      told_at = now();
      shown.set(key, { status: wanted.status, title: named, told_at });
    }
    if (title === undefined || named === title) return;
    const renamed = { ...where, title };
    const call = () => client.call((web) => web.agents.sessions.rename(renamed), signal);
    // What Slack will not be called is not tried at every step.
    await attempt('agents.sessions.rename', tenant, call);
    shown.set(key, { status: wanted.status, title, told_at });
  }

  /** Best effort: the words are gone after two minutes whatever happens. */
  async function setWords({ tenant, where }: Thread, words: string, signal: AbortSignal): Promise<void> {
    const call = () =>
      clients.of(tenant).call((web) => web.assistant.threads.setStatus({ ...where, status: words }), signal);
    await attempt('assistant.threads.setStatus', tenant, call).catch(() => null);
  }

  return {
    async set(conversation, status, signal) {
      const thread = threadOf(conversation);
      if (thread === null) return;
      const title = status.title?.trim() ? shorten(status.title.trim(), TITLE) : undefined;
      const words = status.state === 'working' ? shorten(status.text, STATUS) : '';
      const session = setSession(thread, { status: SESSION_STATUS[status.state], title }, signal);
      await Promise.all([session, setWords(thread, words, signal)]);
    },
    forget(conversation) {
      const thread = threadOf(conversation);
      if (thread !== null) shown.delete(keyOf(thread));
    },
  };
}

/**
 * A run says at every step that it works, and Slack is told now and then. Any other state is said once and is always told: what
 * is known here is what this process told last, and another one may have told Slack something else since.
 */
function isRepeated(status: string): boolean {
  return status === SESSION_STATUS.working;
}

function threadOf(conversation: ConversationKey): Thread | null {
  const { channel, thread_ts: threadTs } = placeOf(conversation);
  if (threadTs === undefined) return null;
  return { tenant: conversation.tenant, where: { channel_id: channel, thread_ts: threadTs } };
}

function keyOf({ tenant, where: { channel_id, thread_ts } }: Thread): string {
  return `${tenant}:${channel_id}:${thread_ts}`;
}
