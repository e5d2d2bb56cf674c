import type { Arguments } from './arguments.ts';
import type { SlackClock } from './clock.ts';
import type { SlackMessage, SlackWorkspace } from './workspace.ts';

/** What somebody did, for as long as a modal may be opened for it. */
export interface Trigger {
  user: string;
  /** One was: it is good once. */
  is_exchanged: boolean;
}

/** What a Web API method may use. */
export interface MethodScene {
  workspace: SlackWorkspace;
  clock: SlackClock;
  /** A message of the bot became visible: Slack sends apps an event about that too. */
  posted(message: SlackMessage): void;
  /** Where a Socket Mode client connects next. */
  socketUrl(): string;
  /** Where the bytes of a file go. */
  uploadUrl(id: string): string;
  /** The token that the call came with. */
  token: string | undefined;
  /** Give a token for what somebody allowed, or a new one for one that ends. */
  exchange(args: Arguments): Record<string, unknown>;
  /** This token is worth nothing from now on. */
  revoke(token: string): void;
  /** What this trigger id came with; undefined once it has expired. */
  triggeredBy(triggerId: string): Trigger | undefined;
}

/** Returns the fields beside `ok: true`. @throws SlackApiError for `ok: false` */
export type Method = (scene: MethodScene, args: Arguments) => Record<string, unknown>;
