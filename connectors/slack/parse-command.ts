import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { InboundCommand, InboundFile } from '../../src/chat/inbound.ts';
import { SLACK } from './conversation-id.ts';
import { FORM_VIEW, type FormMemory, parseMemory } from './form-modal.ts';
import { fieldsOf } from './form-values.ts';
import { link, shorten, unescape } from './mrkdwn.ts';
import { filesOf, type Identity, personOf } from './parse.ts';
import { speakerOf, textOf } from './said.ts';
import { slackId } from './slack-id.ts';

/** What a command needs so that its person can be answered: by a modal, or where they are. */
export interface Asked {
  command: InboundCommand;
  trigger_id: string;
  response_url: string | undefined;
}

const slashBody = z.object({
  command: z.string(),
  text: z.string().nullish(),
  user_id: slackId,
  channel_id: slackId,
  trigger_id: slackId,
  response_url: z.string().optional(),
});

const NAMES = ['agents', 'approvals', 'sessions'] as const;

/** A slash command: `/agents list`. Null when it is none of ours. */
export function parseSlash(body: unknown, identity: Identity): Asked | null {
  const parsed = slashBody.safeParse(body);
  const name = NAMES.find((one) => `/${one}` === parsed.data?.command);
  if (!parsed.success || name === undefined) return null;
  const { text, user_id, channel_id, trigger_id, response_url } = parsed.data;
  const command: InboundCommand = {
    // Slack sends a command once, with a trigger of its own.
    event_id: `command:${trigger_id}`,
    conversation: { connector: SLACK, tenant: identity.tenant, channel: channel_id, thread: channel_id },
    person: personOf(user_id),
    name,
    text: plainIds(text ?? ''),
  };
  return { command, trigger_id, response_url };
}

/** People, groups and channels as the house names them, and links as they were typed; the manifest asks for Slack's markup. */
function plainIds(text: string): string {
  const named = text
    .replace(/<@([UW][A-Z0-9]+)(?:\|[^>]*)?>/g, `${SLACK}:$1`)
    .replace(/<!subteam\^([A-Z0-9]+)(?:\|[^>]*)?>/g, `${SLACK}:group:$1`)
    .replace(/<#([A-Z0-9]+)(?:\|[^>]*)?>/g, `${SLACK}:channel:$1`)
    // Slack makes a link of what looks like one.
    .replace(/<([a-z][^>|\s]*:[^>|\s]+)(?:\|([^>]*))?>/gi, (_all, to: string, label?: string) =>
      link(to, label || undefined),
    );
  return unescape(named);
}

const shortcutBody = z.object({
  user: z.object({ id: slackId }),
  trigger_id: slackId,
  response_url: z.string().optional(),
  channel: z.object({ id: slackId }).optional(),
  message: z
    .object({
      ts: slackId,
      thread_ts: slackId.optional(),
      subtype: z.string().optional(),
      bot_id: z.string().optional(),
      text: z.string().nullish(),
      blocks: z.unknown().optional(),
      attachments: z.unknown().optional(),
      user: slackId.optional(),
      username: z.string().optional(),
      files: z.array(z.unknown()).optional(),
    })
    .optional(),
});

/** "Ask an agent", about a message or about anything. */
export function parseShortcut(body: unknown, identity: Identity): Asked | null {
  const parsed = shortcutBody.safeParse(body);
  if (!parsed.success) return null;
  const { user, trigger_id, response_url, channel, message } = parsed.data;
  const place = channel?.id ?? user.id;
  const thread = message?.thread_ts ?? message?.ts ?? place;
  const author = message?.user ?? message?.username;
  const command: InboundCommand = {
    event_id: `shortcut:${trigger_id}`,
    conversation: { connector: SLACK, tenant: identity.tenant, channel: place, thread },
    person: personOf(user.id),
    name: 'ask',
    text: '',
    ...(message !== undefined && {
      about: {
        author: author ?? 'somebody',
        text: textOf(message, speakerOf(message, identity)),
        ...attachedTo(message),
      },
    }),
  };
  return { command, trigger_id, response_url };
}

/** As many as Slack's own clients attach, by names that a modal can keep. */
const FILES = 10;
const NAME = 40;

function attachedTo({ ts, files = [] }: { ts: string; files?: unknown[] | undefined }): {
  files?: Required<InboundFile>[];
} {
  const found = filesOf(files).slice(0, FILES);
  if (found.length === 0) return {};
  const plain = (name: string) => shorten(name.replaceAll(/\p{Cc}/gu, ' '), NAME);
  return { files: found.map(({ id, name }) => ({ id, name: plain(name), message_id: ts })) };
}

const submissionBody = z.object({
  user: z.object({ id: slackId }),
  trigger_id: slackId.optional(),
  view: z.object({
    id: slackId,
    callback_id: z.literal(FORM_VIEW),
    private_metadata: z.string(),
    blocks: z.array(z.looseObject({ block_id: z.string().optional() })),
    state: z.object({ values: z.unknown() }),
  }),
});

/** A form that was sent. */
export interface SentForm extends Omit<Asked, 'trigger_id'> {
  memory: FormMemory;
  /** The fields that it shows, in order: only these can be told what is wrong with them. */
  shown: string[];
}

export function parseForm(body: unknown, identity: Identity): SentForm | null {
  const parsed = submissionBody.safeParse(body);
  if (!parsed.success) return null;
  const { user, view } = parsed.data;
  const memory = parseMemory(view.private_metadata);
  const fields = memory === null ? null : fieldsOf(view.state.values, memory);
  if (memory === null || fields === null) return null;
  // Sent twice it is one form; with other words in it, it is another.
  const hash = createHash('sha256').update(JSON.stringify(fields)).digest('hex').slice(0, 32);
  const { command: name, text, channel, thread, about, response_url } = memory;
  const command: InboundCommand = {
    event_id: `form:${view.id}:${user.id}:${hash}`,
    conversation: { connector: SLACK, tenant: identity.tenant, channel, thread },
    person: personOf(user.id),
    name,
    text,
    fields,
    ...(about !== undefined && { about }),
  };
  const shown = view.blocks.flatMap(({ block_id }) => (block_id === undefined ? [] : [block_id]));
  return { command, memory, shown, response_url };
}
