import { createHash } from 'node:crypto';
import { derivedId } from '../../session/id.ts';
import { refusalBefore } from '../choose-session.ts';
import { type Connector, PostRefusedError, type Question } from '../connector.ts';
import { quoted } from '../earlier.ts';
import type { Form, FormField } from '../inbound.ts';
import { keysOf } from '../inbound-keys.ts';
import type { ConversationKey } from '../place.ts';
import { receiveMessage } from '../receive-message.ts';
import { FORM_TEXT } from './agent-form.ts';
import {
  answer,
  type Command,
  type CommandDeps,
  type CommandReply,
  type CommandRequest,
  plain,
  refuse,
} from './command.ts';
import { fieldProblems } from './field-problems.ts';

const POST_MS = 5_000;

/** Ask an agent about a message, or about anything in a channel: which agent, and what. */
export const askAgent: Command = {
  name: 'ask',
  args: '',
  summary: 'ask an agent about a message',
  run: (deps, request) => (request.fields === null ? form(deps, request) : ask(deps, request, request.fields)),
};

async function form(deps: CommandDeps, { workspace_id, conversation, about }: CommandRequest): Promise<CommandReply> {
  const agents = (await deps.directory.agents(workspace_id)).filter(({ paused }) => !paused);
  const { agent_id } = await deps.channels.of(workspace_id, conversation);
  const first = agents.find(({ id }) => id === agent_id) ?? agents[0];
  if (first === undefined) return refuse('There is no agent that takes work. `/agents new` makes one.');
  const what: FormField = {
    kind: 'text',
    name: 'what',
    label: 'What would you like to know or have done?',
    value: '',
    max_length: FORM_TEXT,
    multiline: true,
    optional: false,
  };
  const fields: FormField[] = [
    {
      kind: 'choice',
      name: 'agent',
      label: 'Agent',
      value: first.id,
      options: agents.map(({ id, name }) => ({ value: id, label: name })),
      optional: false,
    },
    what,
    ...(about === undefined
      ? [{ kind: 'place', name: 'where', label: 'Where', value: '', optional: false } satisfies FormField]
      : []),
  ];
  return { ...answer('Mention an agent and say what you want.'), form: askForm(fields) };
}

function askForm(fields: FormField[]): Form {
  return { command: 'ask', text: '', title: 'Ask an agent', submit: 'Ask', fields };
}

async function ask(
  deps: CommandDeps,
  request: CommandRequest,
  fields: NonNullable<CommandRequest['fields']>,
): Promise<CommandReply> {
  const { kept, workspace_id, person, about } = request;
  const what = fields.what?.trim() ?? '';
  if (what === '') return fieldProblems({ what: 'Say what you would like.' });
  const agent = (await deps.directory.agents(workspace_id)).find(({ id }) => id === fields.agent);
  if (agent === undefined) return fieldProblems({ agent: 'This agent is not there any more. Pick another.' });
  const channel = fields.where ?? request.conversation.channel;
  const where: ConversationKey =
    about === undefined ? { ...request.conversation, channel, thread: channel } : request.conversation;
  const connector = deps.connectors.get(where.connector);
  if (connector?.ask === undefined) return refuse('Mention an agent and say what you want.');
  // Before everybody sees it; who takes over what was begun goes on with it.
  const refused =
    kept.targets === null
      ? await refusalBefore(deps, request, agent, await sessionsIn(deps, where, workspace_id))
      : null;
  if (refused !== null) return fieldProblems({ agent: refused });
  const shown = `**${plain(person.name)}** asks **${plain(agent.name)}**:\n${quoted(what)}`;
  const question = { delivery_id: deliveryOf(kept), markdown: shown, since: kept.id.getTimestamp() };
  const post = await posted({ ask: connector.ask }, where, question);
  if ('refused' in post) return fieldProblems({ what: refusalWords(connector, where, post.refused) });
  const { place } = post;
  const text = about === undefined ? what : `${what}\n\nAbout this message of ${about.author}:\n${quoted(about.text)}`;
  const message = {
    event_id: kept.id.toHexString(),
    message_id: kept.id.toHexString(),
    sender: person,
    addressed: true,
    // The message that it is about stands in a thread, or begins one.
    ...(about !== undefined && { follows: 'all' as const }),
    ...(about?.files !== undefined && { files: about.files }),
  };
  const receipt = await receiveMessage(deps, kept, { ...message, conversation: place, text, agent: agent.id });
  // Everybody has seen it: the form is not to be sent again.
  return receipt.effect === 'refused'
    ? refuse(receipt.text ?? '')
    : answer(`${plain(agent.name)} is asked${linkedTo(connector.linkTo?.(place) ?? null)}.`);
}

/** What somebody sends twice is shown once. */
function deliveryOf({ inbound }: CommandRequest['kept']): string {
  return derivedId('dlv', createHash('sha256').update(keysOf(inbound).event_key).digest('hex').slice(0, 26));
}

async function sessionsIn({ conversations }: CommandDeps, where: ConversationKey, workspace_id: string) {
  return { workspace_id, sessions: (await conversations.findByKey(where))?.sessions ?? {} };
}

/** Who asks outside of any channel is told elsewhere. */
function linkedTo(link: string | null): string {
  return link === null ? '' : `: [its thread](${link})`;
}

/** `refused`: why the platform lets nothing be said there, in its word. */
async function posted(
  connector: Required<Pick<Connector, 'ask'>>,
  where: ConversationKey,
  question: Question,
): Promise<{ place: ConversationKey } | { refused: string }> {
  try {
    return { place: await connector.ask(where, question, AbortSignal.timeout(POST_MS)) };
  } catch (error) {
    if (error instanceof PostRefusedError) return { refused: error.reason };
    throw error;
  }
}

const INVITE = '/invite @deckhand';

/** What to do about it, too. Slack does not tell a bot a private channel that it is not in from none at all. */
function refusalWords(
  connector: Pick<Connector, 'inWords' | 'isDirect'>,
  where: ConversationKey,
  reason: string,
): string {
  const isAbsent = reason === 'not_in_channel' || reason === 'channel_not_found';
  if (isAbsent && connector.isDirect?.(where) === true) {
    return 'I am not in these direct messages, and nobody can invite me. Ask in a channel that I am in, or write to me directly.';
  }
  if (reason === 'not_in_channel') {
    return `I am not in that channel, so nobody would see the answer. Invite me there first: ${INVITE}`;
  }
  const why = `I may not post there, so nobody would see the answer: ${connector.inWords?.(reason) ?? reason}.`;
  return isAbsent
    ? `${why} If it is private, invite me there first: ${INVITE}`
    : `${why} Ask in another channel, or write to me directly.`;
}
