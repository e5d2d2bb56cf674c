import type { Approvals } from '../../approvals/approvals.ts';
import type { Agents } from '../../resources/agents.ts';
import type { Costs } from '../../resources/costs.ts';
import type { Environments } from '../../resources/environments.ts';
import type { Sessions } from '../../resources/sessions.ts';
import type { ChannelSettingsStore } from '../channel-settings.ts';
import type { Connector } from '../connector.ts';
import type { Form, InboundCommand, WaitingApprovals } from '../inbound.ts';
import type { KeptInbound } from '../inbound-document.ts';
import type { ConversationKey, Person } from '../place.ts';
import type { ReceiveMessageDeps } from '../receive-message.ts';
import type { Role, Roles } from '../roles.ts';

/** What commands work with. */
export interface CommandDeps extends Omit<ReceiveMessageDeps, 'channels' | 'roles'> {
  approvals: Pick<Approvals, 'find' | 'decide' | 'pending' | 'refusalByToolUse'>;
  agents: Pick<Agents, 'archive' | 'create' | 'get' | 'listVersions' | 'update'>;
  sessions: Pick<Sessions, 'getSession' | 'list' | 'setBudget'>;
  environments: Pick<Environments, 'get' | 'list'>;
  costs: Costs;
  channels: ChannelSettingsStore;
  roles: Roles;
  connectors: ReadonlyMap<string, CommandConnector>;
  /** Whether a budget can be kept for this model. */
  hasListPrice(model: string): boolean;
}

/** What commands ask of the place that they were given in. */
export type CommandConnector = Pick<
  Connector,
  | 'ask'
  | 'closed_conversations'
  | 'groups'
  | 'history'
  | 'inWords'
  | 'isDirect'
  | 'isGuest'
  | 'linkTo'
  | 'nameOf'
  | 'openFile'
>;

/** A command as somebody gave it; who they are is known, and what they wrote is taken apart. */
export interface CommandRequest {
  kept: KeptInbound;
  workspace_id: string;
  person: Person;
  /** `slack:U123`. */
  actor_id: string;
  role: Role;
  conversation: ConversationKey;
  /** What stands behind the subcommand, on one line. */
  args: string;
  /** What a form holds, or `field: value` lines below the command; null when neither came. */
  fields: Fields | null;
  about: InboundCommand['about'];
}

export type Fields = Readonly<Record<string, string>>;

/** What the person alone is answered. */
export interface CommandReply {
  effect: 'accepted' | 'refused';
  /** Markdown; with a form, the way to fill it in without one. */
  text: string;
  form?: Form;
  /** What the text lists, for a platform that draws it with buttons. */
  waiting?: WaitingApprovals;
  /** What is wrong with a form's fields, by name. */
  errors?: Record<string, string>;
}

export interface Command {
  name: string;
  /** What follows the name: `<name> <version>`; empty for nothing. */
  args: string;
  /** One line for the help. */
  summary: string;
  run(deps: CommandDeps, request: CommandRequest): Promise<CommandReply>;
}

export function answer(text: string): CommandReply {
  return { effect: 'accepted', text };
}

/** Nothing was done; the text says why, and what to do. */
export function refuse(text: string, errors?: Record<string, string>): CommandReply {
  return { effect: 'refused', text, ...(errors === undefined ? {} : { errors }) };
}

/** Words of a person's in a line of markdown: one line, and nothing in them is markup. */
export function plain(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replaceAll(/[\\`*_~[\]<>|#]/g, '\\$&');
}

/** The same of a name; that of a channel keeps its sign, by which its platform knows it: `#C089JKL`. */
export function plainName(name: string): string {
  return name.startsWith('#') ? `#${plain(name.slice(1))}` : plain(name);
}
