import type { SlackClock } from './clock.ts';
import { BOT_SCOPES } from './manifest.ts';
import type { SlackFile } from './shared-files.ts';

/** What this Slack remembers. Field names are Slack's own where a response shows them. */
export interface SlackUser {
  id: string;
  name: string;
  is_bot: boolean;
  is_admin?: boolean;
  /** Guests of the workspace; people of other teams and organisations. */
  is_restricted?: boolean;
  is_ultra_restricted?: boolean;
  is_stranger?: boolean;
  team_id?: string;
  enterprise_user?: { enterprise_id: string };
}

export interface SlackChannel {
  id: string;
  name: string;
  kind: 'channel' | 'group' | 'im' | 'mpim';
  members: Set<string>;
  is_archived: boolean;
}

export interface SlackMetadata {
  event_type: string;
  event_payload: Record<string, unknown>;
}

export interface SlackBlock {
  type: string;
  block_id?: string;
  [field: string]: unknown;
}

export interface SlackMessage {
  ts: string;
  channel: string;
  user: string;
  text: string;
  blocks: SlackBlock[];
  thread_ts?: string;
  bot_id?: string;
  /** What an app other than this one is called, and what it says beside its text. */
  bot_profile?: { name: string };
  subtype?: string;
  attachments?: Record<string, unknown>[];
  metadata?: SlackMetadata;
  edited?: { user: string; ts: string };
  /** Present from chat.startStream on. */
  stream?: {
    state: 'in_progress' | 'completed' | 'errored';
    started_at: number;
    recipient: string;
    /** What it began with, which is all that others see of it until it is over (seen in practice: agentconnect-md/agentconnect#1494). */
    first: SlackBlock[];
  };
  files?: { id: string; name: string; title: string; size?: number }[];
  /** Who reacted, by the reaction's name; a name without anybody is left out. */
  reactions?: Map<string, Set<string>>;
  /** Only this user sees it; it is in no history. */
  ephemeral_to?: string;
}

/** A file on its way in: bytes come after the place, the message after the bytes. */
export interface SlackUpload {
  id: string;
  name: string;
  length: number;
  /** Of more than this Slack keeps there is their hash alone, and these are none. */
  bytes: Buffer | null;
  sha256: string;
  is_shared: boolean;
}

export interface SlackView {
  id: string;
  callback_id: string;
  private_metadata: string;
  blocks: SlackBlock[];
  user: string;
  [field: string]: unknown;
}

/** What agents.sessions.setStatus made of a thread. */
export interface AgentSession {
  status: string;
  title: string | null;
}

export interface SlackTokens {
  bot: string;
  app: string;
  signing_secret: string;
  /** Of the app, for its installation in other workspaces. */
  client_id: string;
  client_secret: string;
}

export interface SlackWorkspace {
  name: string;
  team_id: string;
  /** The organisation that it belongs to, and that installs the app for all of its workspaces. */
  enterprise: { id: string; name: string } | null;
  bot_user_id: string;
  bot_id: string;
  app_id: string;
  tokens: SlackTokens;
  /** The bot's tokens that are worth something. */
  bot_tokens: Set<string>;
  /** What the bot's token may do: what manifest.yml asks for. */
  scopes: Set<string>;
  users: Map<string, SlackUser>;
  channels: Map<string, SlackChannel>;
  /** Everything ever posted and not deleted, in order of ts, ephemeral messages included. */
  messages: SlackMessage[];
  views: SlackView[];
  uploads: Map<string, SlackUpload>;
  /** What people attached, by id, the address below which it can be had, and who asked there for what. */
  files: Map<string, SlackFile>;
  files_url: string;
  downloads: string[];
  /** The Home tab of each user, as it was published last. */
  homes: Map<string, { hash: string; blocks: SlackBlock[] }>;
  /**
   * The app is distributed outside of the Marketplace: conversations.history and conversations.replies give one page a minute
   * each, of 15 messages (docs.slack.dev/changelog/2025/05/29/rate-limit-changes-for-non-marketplace-apps).
   */
  outside_marketplace: boolean;
  /** When it last gave one, by method. */
  pages_given: Map<string, number>;
  /** User groups by id. */
  groups: Map<string, { handle: string; users: Set<string> }>;
  /** By `channel:thread`. */
  agent_sessions: Map<string, AgentSession>;
  /** The words of assistant.threads.setStatus by `channel:thread`, for as long as they are shown. */
  thread_status: Map<string, { text: string }>;
  /** Unique, growing, in Slack's `seconds.micros` form. */
  nextTs(): string;
  nextId(prefix: string): string;
}

/** Ids of one workspace are no other one's, as far as 100 million of them reach. */
export const IDS_EACH = 100_000_000;

export interface NewWorkspace {
  name?: string;
  enterprise?: { id: string; name: string };
  /** How many there are before it. */
  number?: number;
}

export function createWorkspace(
  clock: SlackClock,
  { name = 'Deckhand', enterprise, number = 0 }: NewWorkspace = {},
): SlackWorkspace {
  let lastMicros = 0;
  let ids = number * IDS_EACH;
  const own = name.toUpperCase();
  const nextId = (prefix: string) => {
    ids += 1;
    return `${prefix}${String(ids).padStart(9, '0')}`;
  };
  const bot: SlackUser = { id: `U0${own}`, name: 'deckhand', is_bot: true };
  return {
    name,
    team_id: `T0${own}`,
    enterprise: enterprise ?? null,
    bot_user_id: bot.id,
    bot_id: `B0${own}`,
    app_id: 'A0DECKHAND',
    tokens: {
      bot: 'xoxb-1111111111-2222222222-testtokenofthebot',
      app: 'xapp-1-A0DECKHAND-3333333333-testtokenoftheapp',
      signing_secret: '0123456789abcdef0123456789abcdef',
      client_id: '1111111111.4444444444',
      client_secret: 'fedcba9876543210fedcba9876543210',
    },
    bot_tokens: new Set(),
    scopes: new Set(BOT_SCOPES),
    users: new Map([[bot.id, bot]]),
    channels: new Map(),
    messages: [],
    views: [],
    uploads: new Map(),
    files: new Map(),
    files_url: '',
    downloads: [],
    homes: new Map(),
    outside_marketplace: false,
    pages_given: new Map(),
    groups: new Map(),
    agent_sessions: new Map(),
    thread_status: new Map(),
    nextTs() {
      lastMicros = Math.max(lastMicros + 1, clock.now() * 1_000);
      return `${Math.floor(lastMicros / 1_000_000)}.${String(lastMicros % 1_000_000).padStart(6, '0')}`;
    },
    nextId,
  };
}

/** The user of this display name, made on first use. */
export function userNamed(workspace: SlackWorkspace, name: string): SlackUser {
  const known = [...workspace.users.values()].find((user) => user.name === name);
  if (known !== undefined) return known;
  const user = { id: workspace.nextId('U'), name, is_bot: false };
  workspace.users.set(user.id, user);
  return user;
}

/** The channel of this name with the bot in it, made on first use. */
export function channelNamed(
  workspace: SlackWorkspace,
  name: string,
  kind: 'channel' | 'group' | 'mpim' = 'channel',
): SlackChannel {
  const known = [...workspace.channels.values()].find((channel) => channel.name === name);
  if (known !== undefined) return known;
  const channel: SlackChannel = {
    id: workspace.nextId(kind === 'channel' ? 'C' : 'G'),
    name,
    kind,
    members: new Set([workspace.bot_user_id]),
    is_archived: false,
  };
  workspace.channels.set(channel.id, channel);
  return channel;
}

/** The direct message channel of the bot and this user. */
export function directChannel(workspace: SlackWorkspace, userId: string): SlackChannel {
  const known = [...workspace.channels.values()].find(
    (channel) => channel.kind === 'im' && channel.members.has(userId),
  );
  if (known !== undefined) return known;
  const members = new Set([workspace.bot_user_id, userId]);
  const channel: SlackChannel = { id: workspace.nextId('D'), name: userId, kind: 'im', members, is_archived: false };
  workspace.channels.set(channel.id, channel);
  return channel;
}

/** Make a user group of these people. Returns its id. */
export function userGroup(workspace: SlackWorkspace, handle: string, ...users: SlackUser[]): string {
  const id = workspace.nextId('S');
  workspace.groups.set(id, { handle, users: new Set(users.map((user) => user.id)) });
  return id;
}

export function messageAt(workspace: SlackWorkspace, channel: string, ts: string): SlackMessage | undefined {
  return workspace.messages.find(
    (message) => message.channel === channel && message.ts === ts && message.ephemeral_to === undefined,
  );
}
