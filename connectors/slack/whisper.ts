import { PostRefusedError, RateLimitedError } from '../../src/chat/connector.ts';
import type { ConversationKey, Person } from '../../src/chat/place.ts';
import { isTrouble } from './client.ts';
import { isDirect, placeOf } from './conversation-id.ts';
import type { SlackClients } from './installations.ts';
import { cut, withChannels } from './mrkdwn.ts';
import { fallbackText, markdownOf, TEXT_LIMIT } from './render.ts';
import { PerhapsSaidError, respondTo } from './response-url.ts';

const WHISPER_MS = 5_000;
/** Whoever waits longer has gone on to something else. */
const LONGEST_WAIT_MS = 30_000;
/** How long Slack gets to recover from trouble of its own. */
const TROUBLE_MS = 1_000;
const EPHEMERAL = { response_type: 'ephemeral', replace_original: false } as const;

/** Words for one person only. */
export interface Whispers {
  /**
   * An ephemeral message in the conversation; where that is the person themselves, as for what was asked outside of any channel,
   * `direct`. So is what Slack takes not there, with the word where it belongs: commands are given also where the app is not.
   */
  whisper(conversation: ConversationKey, person: Person, markdown: string, signal: AbortSignal): Promise<void>;
  /**
   * The same where a click was; where Slack takes none, by the click's own response url. What may have been said is not
   * repeated. Where there is no such url and Slack asks to wait, it is said once more after that wait, of half a minute at
   * most; so it is a moment after trouble of Slack's.
   */
  tell(conversation: ConversationKey, person: Person, text: string, responseUrl?: string): Promise<void>;
  /** By the command's response url, which works wherever the person is; where there is none any more, in the conversation. */
  answer(conversation: ConversationKey, person: Person, text: string, responseUrl?: string): Promise<void>;
  /** A message in their direct messages with the app, for what is about no conversation. */
  direct(tenant: string, userId: string, text: string): Promise<void>;
}

export function createWhispers(clients: SlackClients, after: (ms: number, run: () => void) => unknown): Whispers {
  async function inPlace(
    conversation: ConversationKey,
    person: Person,
    markdown: string,
    signal: AbortSignal,
  ): Promise<void> {
    const { channel, thread_ts } = placeOf(conversation);
    if (channel === person.id) return sayDirectly(conversation.tenant, person.id, markdown, signal);
    const content = { channel, user: person.id, ...contentOf(markdown) };
    await clients
      .of(conversation.tenant)
      .call((web) => web.chat.postEphemeral(thread_ts === undefined ? content : { ...content, thread_ts }), signal);
  }

  async function whisper(...[conversation, person, markdown, signal]: Parameters<Whispers['whisper']>): Promise<void> {
    try {
      await inPlace(conversation, person, markdown, signal);
    } catch (error) {
      const { tenant, channel } = conversation;
      if (!(error instanceof PostRefusedError) || channel === person.id) throw error;
      const where = isDirect(channel) ? 'direct messages' : `#${channel}`;
      await sayDirectly(tenant, person.id, `In ${where}, about what you did there:\n\n${markdown}`, signal);
    }
  }

  async function sayDirectly(tenant: string, users: string, markdown: string, signal: AbortSignal): Promise<void> {
    const client = clients.of(tenant);
    const { channel } = await client.call((web) => web.conversations.open({ users }), signal);
    const at = channel?.id;
    if (at === undefined) throw new Error('conversations.open returned no channel');
    await client.call((web) => web.chat.postMessage({ channel: at, ...contentOf(markdown) }), signal);
  }

  const soon = () => AbortSignal.timeout(WHISPER_MS);

  /** There is no other way to say it. */
  async function patientWhisper(conversation: ConversationKey, person: Person, text: string): Promise<void> {
    try {
      await whisper(conversation, person, text, soon());
    } catch (error) {
      const wait = waitAfter(error);
      if (wait === null || wait > LONGEST_WAIT_MS) throw error;
      await new Promise<void>((resolve) => void after(wait, resolve));
      await whisper(conversation, person, text, soon());
    }
  }

  return {
    whisper,
    async tell(conversation, person, text, responseUrl) {
      if (responseUrl === undefined) return patientWhisper(conversation, person, text);
      try {
        await inPlace(conversation, person, text, soon());
      } catch (error) {
        if (!wasNotDone(error)) throw error;
        const { thread_ts } = placeOf(conversation);
        const there = { ...EPHEMERAL, ...(thread_ts !== undefined && { thread_ts }) };
        const content = contentOf(text);
        try {
          await respondTo(responseUrl, { ...there, ...content });
        } catch (refused) {
          if (refused instanceof PerhapsSaidError) throw refused;
          // What is wrong with it may be how it looks.
          await respondTo(responseUrl, { ...there, text: content.text });
        }
      }
    },
    async answer(conversation, person, text, responseUrl) {
      if (responseUrl === undefined) return patientWhisper(conversation, person, text);
      try {
        await respondTo(responseUrl, { ...EPHEMERAL, ...contentOf(text) });
      } catch (error) {
        if (error instanceof PerhapsSaidError) throw error;
        // It works five times, and half an hour long (docs.slack.dev/interactivity/handling-user-interaction).
        await patientWhisper(conversation, person, text);
      }
    },
    direct: (tenant, userId, text) => sayDirectly(tenant, userId, text, soon()),
  };
}

/** Slack did not take it. What else ends a call leaves open whether it was said, and that cannot be looked up. */
function wasNotDone(error: unknown): boolean {
  return error instanceof PostRefusedError || waitAfter(error) !== null;
}

/** Null: it may have been said, and cannot be looked up; or Slack will not take it. */
function waitAfter(error: unknown): number | null {
  if (error instanceof RateLimitedError) return error.retry_after_ms;
  return isTrouble(error) ? TROUBLE_MS : null;
}

/** Room for the words that say what is missing. */
const REST = 200;

/** What one message holds of it, to the end of a line, and how many lines it does not. */
function within(markdown: string): string {
  if (markdown.length <= TEXT_LIMIT) return markdown;
  const room = cut(markdown, TEXT_LIMIT - REST);
  const end = room.lastIndexOf('\n');
  const shown = end > 0 ? room.slice(0, end) : room;
  const left = markdown.slice(shown.length).trim().split('\n').length;
  const lines = `${left.toLocaleString('en')} more ${left === 1 ? 'line' : 'lines'}`;
  return `${shown}\n\n${lines} are left out: one message of Slack's holds no more. Ask about one by its name or id to see it.`;
}

function contentOf(markdown: string) {
  const text = withChannels(markdownOf(within(markdown)));
  return { text: withChannels(fallbackText(markdown)), blocks: [{ type: 'markdown' as const, text }] };
}
