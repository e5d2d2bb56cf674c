import type { ActionsBlock, HomeView, KnownBlock } from '@slack/types';
import type { Overview } from '../../src/chat/inbound.ts';
import { note } from './approval-blocks.ts';
import { IN_HOME, waitingBlocks } from './approvals-list.ts';
import { escapeWithin, linked, mrkdwnOf, withChannels } from './mrkdwn.ts';

export const HOME = {
  create: 'deckhand_home_create',
  edit: 'deckhand_home_edit',
  stop: 'deckhand_home_stop',
} as const;

/** Characters of a name, a title or a summary. With ten of each kind a view stays far below its limits. */
const SHORT = 150;
const LONG = 500;
/** Of what became of what they did, in Slack's markup. */
const NOTICE = 1_000;

/** The Home tab of one person. `notice` is what became of what they did there last. */
export function homeView(overview: Overview, notice?: string): HomeView {
  return {
    type: 'home',
    blocks: [
      ...said(notice),
      ...approvals(overview),
      ...sessions(overview),
      ...agents(overview),
      header('This month'),
      text(costs(overview)),
      { type: 'context', elements: [{ type: 'mrkdwn', text: 'Agents are AI and make mistakes: check what matters.' }] },
    ],
  };
}

/** What stands there while nothing can be read. */
export function homeTrouble(notice?: string): HomeView {
  const trouble = text('Your agents cannot be read just now. Open this tab again in a moment.');
  return { type: 'home', blocks: [...said(notice), trouble] };
}

/** What became of what they did. */
function said(notice: string | undefined): KnownBlock[] {
  return notice === undefined ? [] : [text(`:speech_balloon: ${withChannels(mrkdwnOf(notice, NOTICE))}`)];
}

function approvals({ waiting }: Overview): KnownBlock[] {
  // Where it counts others, it names the command already.
  const isMore = waiting.cut_short === true && waiting.more === 0;
  const rest = isMore
    ? [note('Much waits in this workspace, and not all of it was looked at: `/approvals` does that.')]
    : [];
  if (waiting.approvals.length === 0 && !isMore) return [];
  return [header('Waiting for you'), ...waitingBlocks(waiting, IN_HOME), ...rest, { type: 'divider' }];
}

function sessions({ sessions: list, more }: Overview): KnownBlock[] {
  const rows = list.map(({ session_id, title, agent_name, state, link }): KnownBlock => {
    const name = escapeWithin(title, SHORT);
    const words = `${linked(link, name) ?? name}  ·  ${escapeWithin(agent_name, SHORT)}  ·  ${state}`;
    return {
      type: 'section',
      block_id: `session:${session_id}`,
      text: { type: 'mrkdwn', text: words },
      accessory: button('Stop', HOME.stop, session_id),
    };
  });
  const rest =
    more.sessions === 0
      ? []
      : [note(`${more.sessions} more that began before: \`/sessions\` lists all, and each goes on in its thread.`)];
  return [header('Running for you'), ...(rows.length === 0 ? [text('Nothing runs for you.')] : rows), ...rest];
}

function agents({ agents: list, more, may_create }: Overview): KnownBlock[] {
  const rows = list.map(({ agent_id, name, description, paused }): KnownBlock => {
    const about = description === null ? '' : `\n${escapeWithin(description, LONG)}`;
    return {
      type: 'section',
      block_id: `agent:${agent_id}`,
      text: { type: 'mrkdwn', text: `*${escapeWithin(name, SHORT)}*${paused ? '  ·  paused' : ''}${about}` },
      accessory: button('Edit', HOME.edit, agent_id),
    };
  });
  const none = may_create ? 'You own no agent yet.' : 'You own no agent; guests make none.';
  const rest =
    more.agents === 0
      ? []
      : [note(`${more.agents} more: \`/agents list\` names all, \`/agents edit &lt;name&gt;\` changes one.`)];
  const create = may_create
    ? [actions('create', [{ ...button('Create an agent', HOME.create, 'new'), style: 'primary' as const }])]
    : [];
  return [header('My agents'), ...(rows.length === 0 ? [text(none)] : rows), ...rest, ...create];
}

function costs({ month: { mine, all } }: Overview): string {
  const own = `Yours: *${usd(mine.cents)}* in ${sessionsOf(mine.sessions)}`;
  return all === null ? own : `${own}  ·  Everybody’s: *${usd(all.cents)}* in ${sessionsOf(all.sessions)}`;
}

function usd(cents: number): string {
  return `$${(cents / 100).toFixed(2)}`;
}

function sessionsOf(count: number): string {
  return `${count} session${count === 1 ? '' : 's'}`;
}

function header(words: string): KnownBlock {
  return { type: 'header', text: { type: 'plain_text', text: words } };
}

/** `words` is mrkdwn already. */
function text(words: string): KnownBlock {
  return { type: 'section', text: { type: 'mrkdwn', text: words } };
}

type Button = Extract<ActionsBlock['elements'][number], { type: 'button' }>;

function button(label: string, action_id: string, value: string): Button {
  return { type: 'button', action_id, value, text: { type: 'plain_text', text: label } };
}

function actions(block_id: string, elements: Button[]): KnownBlock {
  return { type: 'actions', block_id, elements };
}
