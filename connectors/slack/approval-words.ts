import type { Confirm, PlainTextElement } from '@slack/types';
import type { ApprovalCard, Called } from '../../src/chat/outgoing.ts';
import type { Mention, Person } from '../../src/chat/place.ts';
import { isDirect } from './conversation-id.ts';
import { escape, escapeWithin, linked, withChannels } from './mrkdwn.ts';

/* What a card says, as mrkdwn unless said otherwise. How long each part of it may be, in characters: */
const NOTE = 600;
const NAME = 100;
/** More at once would be a crowd, and names are short. */
const MENTIONS = 20;
/** Beside the names of those who have approved. */
const ESCALATED = 10;
/** A line of it stands in a block, of which Slack takes 3,000. */
const LINE = 2_900;
const BETWEEN = '  ·  ';

/** Slack shows it in each reader's own time zone. */
export function when(iso: string): string {
  const seconds = Math.floor(Date.parse(iso) / 1_000);
  return Number.isNaN(seconds) ? escape(iso) : `<!date^${seconds}^{date_short_pretty} {time}|${escape(iso)}>`;
}

export function heading(card: ApprovalCard): string {
  const titles = {
    pending: 'Approval needed',
    allowed: 'Approved',
    denied: 'Denied',
    expired: 'Expired',
    withdrawn: 'Withdrawn',
  };
  return `${titles[card.state.status]}: ${card.tool_name}`;
}

const LASTING = {
  tool: ':repeat: Further calls of this tool run without asking for the rest of this session.',
  arguments: ':repeat: The same call runs without asking for the rest of this session.',
};

const COVERS = {
  tool: 'Not only this call: all further calls of this tool, whatever their arguments, run without asking for the rest of this session.',
  arguments: 'Not only this call: whenever the very same call comes again in this session, it runs without asking.',
};

/**
 * What "Approve for this session" covers, asked before it counts. Limits of a confirmation dialog (its reference page): title
 * 100, text 300, labels 30 characters.
 */
export function sessionConfirm(scope: keyof typeof COVERS): Confirm {
  return {
    title: plain('Approve for this session?'),
    text: plain(`${COVERS[scope]} Where several have to approve, all of them have to say so.`),
    confirm: plain('Approve for this session'),
    deny: plain('Cancel'),
  };
}

function plain(text: string): PlainTextElement {
  return { type: 'plain_text', text };
}

export function outcome(state: Exclude<ApprovalCard['state'], { status: 'pending' }>): string {
  switch (state.status) {
    case 'allowed':
    case 'denied': {
      const verb = state.status === 'allowed' ? ':white_check_mark: Approved' : ':no_entry: Denied';
      const why = state.reason === null ? '' : `\n> ${escapeWithin(state.reason.replaceAll(/\s+/g, ' '), NOTE)}`;
      const all = state.approved_by ?? [state.by];
      const lasting = state.for_session === undefined ? '' : `\n${LASTING[state.for_session]}`;
      return `${verb} by ${namesOf(all)} ${when(state.at)} (${escapeWithin(state.via, 50)})${lasting}${why}`;
    }
    case 'expired':
      return `:hourglass: Expired ${when(state.at)}: nobody decided in time, so it was not run.`;
    case 'withdrawn':
      return `:leftwards_arrow_with_hook: Withdrawn ${when(state.at)}: it is no longer needed.`;
    default:
      return state satisfies never;
  }
}

export type Pending = Extract<ApprovalCard['state'], { status: 'pending' }>;

/**
 * Who asks and who may decide, who is asked elsewhere, then what happens if nobody decides; each in a line of mrkdwn, where there
 * is anything to say.
 * @param agent_name where nothing else says it
 */
export function asking(card: ApprovalCard, state: Pending, agent_name?: string): string[] {
  const agent = agent_name === undefined ? null : agentLine(agent_name);
  const who = [agent, requesters(card), `Who may decide: ${approvers(card)}`];
  const then = [
    card.quorum === undefined ? null : approvedSoFar(card.quorum, state.approved_by ?? []),
    ...ifNobodyDecides(card, state),
    state.reminded > 0 ? `Reminded ${state.reminded} time${state.reminded === 1 ? '' : 's'}` : null,
  ];
  return [who, elsewhere(card), then]
    .map((parts) => parts.filter((part) => part !== null).join(BETWEEN))
    .filter((text) => text !== '');
}

/** Who may decide and is not here: a mention would not reach them. */
function elsewhere({ elsewhere: found }: ApprovalCard): string[] {
  if (found === undefined) return [];
  const { asked, not_asked, left_out } = found;
  const more = left_out === 0 ? '' : ` (and ${left_out} more of them not: \`/approvals\` shows it to them)`;
  const heard =
    asked.length === 0 ? [] : [`:incoming_envelope: Asked in direct messages: ${listed(asked.map(nameIn))}${more}`];
  return [...heard, ...notAsked(not_asked, LINE - heard.join('').length)];
}

/** Of a crowd the first, as many as there is room for. @param room in characters, with what stands between them */
function notAsked(people: NonNullable<ApprovalCard['elsewhere']>['not_asked'], room: number): string[] {
  const others = (count: number) => `:warning: Could not ask ${count} more`;
  const lines: string[] = [];
  let left = room - BETWEEN.length - others(people.length).length;
  for (const { name, why } of people.slice(0, MENTIONS)) {
    const line = `:warning: Could not ask ${nameIn(name)}: ${escapeWithin(why, NAME)}`;
    left -= BETWEEN.length + line.length;
    if (left < 0) break;
    lines.push(line);
  }
  const more = people.length - lines.length;
  return more === 0 ? lines : [...lines, others(more)];
}

/** Of a crowd the first. */
function listed(names: readonly string[], most = MENTIONS): string {
  const more = names.length - most;
  return `${names.slice(0, most).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** Who was asked besides, and what happens next and when. Names, not mentions: whose turn it is not hears nothing yet. */
function ifNobodyDecides({ escalations = [], expires_at }: ApprovalCard, { escalated = 0 }: Pending): string[] {
  const asked = escalations.slice(0, escalated).map(({ to }) => place(to));
  const next = escalations[escalated];
  const then = [
    ...(next === undefined ? [] : [`${place(next.to)} is asked ${when(next.at)}`]),
    expires_at === null ? 'it waits until somebody does' : `it is denied ${when(expires_at)}`,
  ];
  return [
    ...(asked.length === 0 ? [] : [`Also asked: ${listed(asked, ESCALATED)}`]),
    `If nobody decides, ${then.join(', and ')}`,
  ];
}

/** Channels by mention, which notifies nobody. */
function place(name: string): string {
  return /^#[CG][A-Z0-9]+$/.test(name) ? `<${name}>` : `*${escapeWithin(name, NAME)}*`;
}

/** Mentions, which everybody sees as names and which notify the people they name; the sentence where there are none. */
function approvers(card: ApprovalCard): string {
  const { mentions = [] } = card;
  if (mentions.length === 0) return withChannels(escapeWithin(card.approvers, NOTE));
  return calledBy(mentions.map((mention) => ({ name: mention.id, mention })));
}

/** Mentions where there are such, else names; of a crowd the first. */
export function calledBy(called: readonly Called[]): string {
  const named = called
    .slice(0, MENTIONS)
    .map(({ name, mention }) => (mention === undefined ? nameIn(name) : mentionIn(mention)));
  const more = called.length - named.length;
  return `${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function mentionIn({ kind, id }: Mention): string {
  const signs = { person: '@', group: '!subteam^', channel: '#' } as const;
  return `<${signs[kind]}${escape(id)}>`;
}

/** All agents post under the app's one name. */
export function agentLine(agent_name: string): string {
  return `Agent: ${nameIn(agent_name)}`;
}

/** `Requested by Ana, Ben`. */
export function requesters({ requested_by, also_asked = [] }: ApprovalCard): string | null {
  if (requested_by === null) return null;
  const names = [requested_by, ...also_asked].map(({ name }) => name).join(', ');
  return `Requested by *${escapeWithin(names, NAME)}*`;
}

/** `1 of 2 have approved: Ana`. */
function approvedSoFar(quorum: number, people: readonly Person[]): string {
  const names = people.length === 0 ? '' : `: ${namesOf(people)}`;
  return `${people.length} of ${quorum} have approved${names}`;
}

function namesOf(people: readonly Person[]): string {
  return people.map(({ name }) => nameIn(name)).join(', ');
}

function nameIn(name: string): string {
  return `*${escapeWithin(name, NAME)}*`;
}

/** @param length at most so many characters of it, escaped */
export function whyLine(why: string, length: number): string {
  return `:speech_balloon: ${escapeWithin(why, length)}`;
}

export function summaryOf(card: Pick<ApprovalCard, 'summary' | 'tool_name'>, length: number): string {
  return escapeWithin(card.summary || card.tool_name, length);
}

export function aboutLine({ link, channel, named }: NonNullable<ApprovalCard['about']>): string {
  // Nobody else's direct messages open.
  const there = channel !== undefined && isDirect(channel) ? null : linked(link, 'Open the thread');
  const way = there === null ? '' : `  ·  ${there}`;
  const why = named === true ? ', and you may decide it.' : ', where nobody decided in time.';
  return `:arrow_upper_right: Asked in ${channelPlace(channel)}${why}${way}`;
}

/** Channels by mention: whoever may not see one is shown no name. */
function channelPlace(channel: string | undefined): string {
  if (channel === undefined) return 'another conversation';
  return isDirect(channel) ? 'a direct message' : `<#${escape(channel)}>`;
}

/** The same in one line, for notifications and screen readers; markup is not yet escaped. */
export function approvalText(card: ApprovalCard): string {
  const { state } = card;
  const by = state.status === 'allowed' || state.status === 'denied' ? ` by ${state.by.name}` : '';
  return `${heading(card)}${by}. ${card.summary}`;
}
