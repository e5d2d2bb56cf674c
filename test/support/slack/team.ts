import { shown } from './chat-methods.ts';
import type { SlackClock } from './clock.ts';
import type { Installs } from './installs.ts';
import { createInteractions, type Interactions } from './interactions.ts';
import type { MethodScene } from './method.ts';
import { createOutbox, type Outbox } from './outbox.ts';
import { createPerson, type MessagePlace, type SlackPerson } from './person.ts';
import type { SocketMode } from './socket-mode.ts';
import { transcript } from './transcript.ts';
import { channelNamed, type SlackChannel, type SlackMessage, type SlackWorkspace, userNamed } from './workspace.ts';

/** What Slack answers to tokens that are worth nothing any more. */
type EndWord = 'token_revoked' | 'account_inactive' | 'token_expired';

/** One workspace, with its people and what Slack tells the app of it. */
export interface SlackTeam {
  readonly workspace: SlackWorkspace;
  readonly outbox: Outbox;
  /** A channel by name, with the bot in it. */
  channel(name: string): SlackChannel;
  /** Somebody by display name; the same name is the same person. */
  user(name: string): SlackPerson;
  transcript(thread: MessagePlace): string;
  /** Somebody (by id) allows what this address asks for. Returns what Slack puts behind the redirect's address. */
  allows(authorizeUrl: string, by?: string): URLSearchParams;
  /** The app's tokens end, and Slack tells it so. */
  uninstall(): void;
  /** A token ends without a word. */
  endTokens(word?: EndWord): void;
}

export interface TeamParts {
  clock: SlackClock;
  workspace: SlackWorkspace;
  sockets: SocketMode;
  installs: Installs;
  /** `127.0.0.1:1234`. */
  host: () => string;
}

export interface TeamInside extends SlackTeam {
  readonly interactions: Interactions;
  readonly scene: MethodScene;
}

export function createTeam({ clock, workspace, sockets, installs, host }: TeamParts): TeamInside {
  const outbox = createOutbox(clock, workspace, sockets);
  const interactions = createInteractions({ clock, workspace, outbox, origin: () => `http://${host()}` });

  /** Slack tells an app of its own messages too, with its bot id. */
  function posted(message: SlackMessage): void {
    workspace.thread_status.delete(`${message.channel}:${message.thread_ts}`);
    const kind = workspace.channels.get(message.channel)?.kind ?? 'channel';
    outbox.event({ ...shown(message, workspace), channel: message.channel, channel_type: kind, event_ts: message.ts });
  }

  function endTokens(word: EndWord = 'token_revoked'): void {
    installs.endAll(workspace, word);
  }

  return {
    workspace,
    outbox,
    interactions,
    scene: {
      workspace,
      clock,
      posted,
      token: undefined,
      exchange: (args) => installs.exchange(args),
      revoke: (token) => installs.end(token, 'token_revoked'),
      socketUrl: () => sockets.issueUrl(host()),
      uploadUrl: (id) => `http://${host()}/upload/${id}`,
      triggeredBy: (id) => interactions.triggeredBy(id),
    },
    channel: (name) => channelNamed(workspace, name),
    user: (name) => createPerson(userNamed(workspace, name), { workspace, outbox, interactions }),
    transcript: (thread) => transcript(workspace, thread),
    allows: (authorizeUrl, by) => installs.allow(workspace, authorizeUrl, by),
    endTokens,
    uninstall() {
      endTokens('account_inactive');
      // "The order of the app_uninstalled and tokens_revoked events are not guaranteed" (app_uninstalled reference).
      outbox.event({ type: 'app_uninstalled' });
      outbox.event({ type: 'tokens_revoked', tokens: { oauth: [], bot: [workspace.bot_user_id] } });
    },
  };
}
