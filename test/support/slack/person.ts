import { eventually } from '../eventually.ts';
import { buttonsOf, readableText } from './block-limits.ts';
import { createChanges } from './changes.ts';
import type { Interactions } from './interactions.ts';
import type { Outbox } from './outbox.ts';
import { type Attached, fileInEvent, shareFile } from './shared-files.ts';
import type { Acknowledgement } from './socket-mode.ts';
import type { Typed } from './view-state.ts';
import {
  channelNamed,
  directChannel,
  messageAt,
  type SlackBlock,
  type SlackChannel,
  type SlackMessage,
  type SlackUser,
  type SlackView,
  type SlackWorkspace,
} from './workspace.ts';

/** Where a message is, enough to answer it or to find it again. */
export interface MessagePlace {
  channel: string;
  ts: string;
  thread_ts?: string;
}

/** Somebody at their Slack client. Everything they write reaches the app as Slack's events would carry it. */
export interface SlackPerson {
  readonly user: SlackUser;
  /** Write in a channel (by name), with the bot's mention before the text. */
  mention(channel: string, text: string, files?: Attached[]): MessagePlace;
  /** Write in a channel without mentioning anybody. */
  says(channel: string, text: string, files?: Attached[]): MessagePlace;
  /** Write to the bot directly. */
  dm(text: string, files?: Attached[]): MessagePlace;
  /** Answer in the thread of a message. */
  reply(to: MessagePlace, text: string, options?: { mention?: boolean; files?: Attached[] }): MessagePlace;
  /** Forward a message to a channel (by name), with words of one's own. */
  forwards(message: MessagePlace, channel: string, text: string): MessagePlace;
  /** Change an own message. */
  edit(place: MessagePlace, text: string): void;
  /** Delete an own message. */
  deletes(place: MessagePlace): void;
  /** Press a button, by action id or label. */
  click(message: MessagePlace, button: string): Promise<Acknowledgement>;
  /** Say what one thinks of an answer with the buttons below it. */
  rate(message: MessagePlace, rating: 'good' | 'bad'): Promise<Acknowledgement>;
  /** The modal that is open for this person. */
  view(): SlackView | undefined;
  /** Press a button of the open modal, by its label. */
  pressesInModal(button: string): Promise<Acknowledgement>;
  /** Send the open modal with what was typed, by action id, as soon as there is anything to send. */
  submit(typed?: Typed): Promise<Acknowledgement>;
  /** The native Stop button of an agent session. */
  stop(thread: MessagePlace): void;
  command(channel: string, command: string, text: string): Promise<Acknowledgement>;
  /** Open the app's Home tab. */
  opensHome(): void;
  /** The Home tab as it stands there now. */
  home(): SlackBlock[];
  /** Press a button of the Home tab; `block` is the id of its block where several look alike. */
  presses(button: string, block?: string): Promise<Acknowledgement>;
  /** Choose a shortcut, of a message or a global one. */
  shortcut(callbackId: string, message?: MessagePlace): Promise<Acknowledgement>;
  /** What the bot said to this person alone in a channel, by name. */
  told(channel: string): string[];
  /** All this person can see in a thread, oldest first, ephemeral messages to them included. */
  sees(thread: MessagePlace): SlackMessage[];
}

interface PersonParts {
  workspace: SlackWorkspace;
  outbox: Outbox;
  interactions: Interactions;
}

const CHANNEL_TYPE = { channel: 'channel', group: 'group', im: 'im', mpim: 'mpim' } as const;

export function threadRoot(place: MessagePlace): string {
  return place.thread_ts ?? place.ts;
}

export function createPerson(user: SlackUser, { workspace, outbox, interactions }: PersonParts): SlackPerson {
  const botMention = `<@${workspace.bot_user_id}>`;

  function write(
    channel: SlackChannel,
    text: string,
    threadTs?: string,
    attached: Attached[] = [],
    attachments: Record<string, unknown>[] = [],
  ): MessagePlace {
    channel.members.add(user.id);
    const ts = workspace.nextTs();
    const thread = threadTs === undefined ? {} : { thread_ts: threadTs };
    const shared = attached.map((one) => shareFile(workspace, one));
    const files = shared.map(({ id, name, size }) => ({ id, name, title: name, size }));
    workspace.messages.push({
      ts,
      channel: channel.id,
      user: user.id,
      text,
      blocks: [],
      ...thread,
      ...(files.length > 0 && { files }),
      ...(attachments.length > 0 && { attachments }),
    });
    const event = {
      user: user.id,
      ts,
      text,
      team: workspace.team_id,
      channel: channel.id,
      event_ts: ts,
      client_msg_id: workspace.nextId('client'),
      ...thread,
      ...(attachments.length > 0 && { attachments }),
      ...(shared.length > 0 && { files: shared.map((file) => fileInEvent(workspace, file)) }),
    };
    const subtype = shared.length > 0 ? { subtype: 'file_share' } : {};
    // Of a mention's files the library's types promise no more (AppMentionEvent in @slack/types).
    const ids = shared.length > 0 ? { files: shared.map(({ id }) => ({ id })) } : {};
    if (channel.members.has(workspace.bot_user_id)) {
      outbox.event({ ...event, ...subtype, type: 'message', channel_type: CHANNEL_TYPE[channel.kind] });
    }
    // A mention arrives twice, in two events with ids of their own; in a direct message only as `message`.
    if (text.includes(botMention) && channel.kind !== 'im') outbox.event({ ...event, ...ids, type: 'app_mention' });
    return { channel: channel.id, ts, ...thread };
  }

  function channelOf(id: string): SlackChannel {
    const channel = workspace.channels.get(id);
    if (channel === undefined) throw new Error(`There is no channel ${id}`);
    return channel;
  }

  const changes = createChanges(workspace, outbox);
  const view = () => workspace.views.findLast((open) => open.user === user.id);

  return {
    user,
    mention: (channel, text, files) =>
      write(channelNamed(workspace, channel), `${botMention} ${text}`.trim(), undefined, files),
    says: (channel, text, files) => write(channelNamed(workspace, channel), text, undefined, files),
    dm: (text, files) => write(directChannel(workspace, user.id), text, undefined, files),
    reply: (to, text, options = {}) =>
      write(
        channelOf(to.channel),
        options.mention === true ? `${botMention} ${text}` : text,
        threadRoot(to),
        options.files,
      ),
    forwards: (place, channel, text) =>
      write(channelNamed(workspace, channel), text, undefined, [], [forwarded(workspace, place)]),
    edit: changes.edit,
    deletes: changes.remove,
    async click(place, button) {
      const message =
        messageAt(workspace, place.channel, place.ts) ??
        workspace.messages.find((one) => one.ephemeral_to === user.id && one.ts === place.ts);
      if (message === undefined) throw new Error('There is no such message');
      channelOf(place.channel).members.add(user.id);
      return interactions.click(user, message, button);
    },
    async rate(place, rating) {
      const message = messageAt(workspace, place.channel, place.ts);
      if (message === undefined) throw new Error('There is no such message');
      return interactions.rate(user, message, rating);
    },
    view,
    async pressesInModal(button) {
      const open = view();
      if (open === undefined) throw new Error(`No modal is open for ${user.name}`);
      // As it stands there now: what is drawn meanwhile is another.
      return interactions.pressView(user, { ...open }, button);
    },
    async submit(typed = {}) {
      const open = await eventually(() => {
        const shown = view();
        if (shown?.submit === undefined) throw new Error(`No modal that can be sent is open for ${user.name}`);
        return shown;
      });
      return interactions.submit(user, open, typed);
    },
    stop(thread) {
      outbox.event({
        type: 'agent_session_stopped',
        channel: thread.channel,
        user: user.id,
        thread_ts: threadRoot(thread),
        streaming_message_ts: [],
        event_ts: workspace.nextTs(),
      });
    },
    command: (channel, command, text) => interactions.command(user, channelNamed(workspace, channel).id, command, text),
    opensHome() {
      outbox.event({
        type: 'app_home_opened',
        user: user.id,
        channel: directChannel(workspace, user.id).id,
        tab: 'home',
        event_ts: workspace.nextTs(),
      });
    },
    home: () => workspace.homes.get(user.id)?.blocks ?? [],
    presses: (button, block) => interactions.pressHome(user, button, block),
    async shortcut(callbackId, place) {
      const message = place === undefined ? undefined : messageAt(workspace, place.channel, place.ts);
      return interactions.shortcut(user, callbackId, message);
    },
    told(channel) {
      const { id } = channelNamed(workspace, channel);
      return workspace.messages
        .filter((m) => m.channel === id && m.ephemeral_to === user.id)
        .map((m) => (m.blocks.length > 0 ? readableText(m.blocks).join('\n') : m.text));
    },
    sees(thread) {
      const root = threadRoot(thread);
      const here = (m: SlackMessage) => m.channel === thread.channel && (m.ts === root || m.thread_ts === root);
      const seen = workspace.messages.filter((m) => here(m) && (m.ephemeral_to ?? user.id) === user.id);
      return seen.map((m) => {
        const grows = m.stream?.state === 'in_progress' && m.stream.recipient !== user.id;
        return grows ? { ...m, blocks: m.stream?.first ?? [] } : m;
      });
    },
  };
}

/** A message as Slack attaches it to the one that it is forwarded with; its fields are guesses, see connectors/slack/said.ts. */
function forwarded(workspace: SlackWorkspace, { channel, ts }: MessagePlace): Record<string, unknown> {
  const message = messageAt(workspace, channel, ts);
  if (message === undefined) throw new Error('There is no such message');
  const author_name = workspace.users.get(message.user)?.name ?? message.user;
  const { name } = workspace.channels.get(channel) ?? { name: channel };
  return {
    is_msg_unfurl: true,
    is_share: true,
    author_id: message.user,
    author_name,
    channel_id: channel,
    ts,
    text: message.text,
    fallback: `[time] ${author_name}: ${message.text}`,
    footer: `Posted in #${name}`,
    mrkdwn_in: ['text'],
    ...(message.files !== undefined && { files: message.files }),
  };
}

/** Labels of the buttons a message shows. */
export function buttonLabels(message: SlackMessage): string[] {
  return buttonsOf(message.blocks).map((button) => {
    const { text } = button;
    return typeof text === 'object' && text !== null && 'text' in text ? String(text.text) : '';
  });
}
