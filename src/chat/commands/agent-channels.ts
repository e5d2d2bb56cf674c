import type { ChannelSettings } from '../channel-settings.ts';
import { namesOf } from '../names.ts';
import { type CommandDeps, type CommandRequest, plainName } from './command.ts';
import { listOf } from './words.ts';

type Asker = Pick<CommandRequest, 'workspace_id' | 'conversation' | 'actor_id'>;

/** The channels of this platform whose default an agent is. */
export interface AgentChannels {
  /** Those that the asker set: a form shows them, because they could see them. */
  own: string[];
  /** How many others set. What those are is not the asker's to see, nor to change from elsewhere. */
  others: number;
}

export async function channelsOf(deps: CommandDeps, asker: Asker, agent_id: string): Promise<AgentChannels> {
  const { connector, tenant } = asker.conversation;
  const found = await deps.channels.withAgent(asker.workspace_id, agent_id);
  const here = found.filter((one) => one.connector === connector && one.tenant === tenant);
  const own = here.filter(({ set_by }) => set_by === asker.actor_id).map(({ channel }) => channel);
  return { own, others: here.length - own.length };
}

/** Channels that are named to whoever looks at an agent; the others are counted. */
const NAMED = 10;

/** All channels whose default an agent is, in words: by name those that the asker set, or is in. */
export async function channelsInWords(
  deps: CommandDeps,
  asker: Asker,
  agent_id: string,
): Promise<{ words: string; here: boolean }> {
  const { connector, tenant, channel } = asker.conversation;
  const found = await deps.channels.withAgent(asker.workspace_id, agent_id);
  const onIt = found.filter((one) => one.connector === connector && one.tenant === tenant);
  const seen = onIt.filter((one) => one.channel === channel || one.set_by === asker.actor_id).slice(0, NAMED);
  const keyOf = (one: ChannelSettings) => `${connector}:channel:${one.channel}`;
  const nameOf = await namesOf(deps.connectors, seen.map(keyOf), asker.conversation);
  const platform = deps.connectors.get(connector);
  const names = seen.map((one) =>
    platform?.isDirect?.({ ...asker.conversation, channel: one.channel, thread: one.channel }) === true
      ? 'your direct messages'
      : plainName(nameOf(keyOf(one))),
  );
  const others = found.length - seen.length;
  const more = names.length === 0 ? `${others} that others have chosen` : `${others} more`;
  const words = [...names.toSorted(), ...(others === 0 ? [] : [more])].join(', ') || 'none';
  return { words, here: onIt.some((one) => one.channel === channel) };
}

/**
 * Why these channels cannot be taken from where the asker is, in words; null when they can. What others have set for a
 * channel is changed in the channel. That the asker sees each of them is the platform's to say, which let them pick it.
 */
export async function channelsProblem(
  deps: CommandDeps,
  asker: Asker,
  agent_id: string | null,
  channels: string | undefined,
): Promise<string | null> {
  const { connector, tenant } = asker.conversation;
  const listed = listOf(channels ?? '');
  const settings = await Promise.all(
    listed.map((channel) => deps.channels.of(asker.workspace_id, { connector, tenant, channel })),
  );
  const isOthers = (one: ChannelSettings) =>
    one.agent_id !== null && one.agent_id !== agent_id && one.set_by !== asker.actor_id;
  const taken = settings.flatMap((one, at) => (isOthers(one) ? [at + 1] : []));
  if (taken.length === 0) return null;
  // What stands below a field is no place for a mention, and a platform may know channels by their ids alone.
  const where = listed.length === 1 ? 'in this channel' : `in number ${taken.join(', ')} of these channels`;
  return `Somebody else has chosen who answers ${where}. Type \`/agents use\` with this agent’s name there.`;
}

/** Make this agent the default of these channels, and of no others that the asker set. Absent: nothing was said of them. */
export async function setChannels(
  deps: CommandDeps,
  asker: Asker,
  agent_id: string,
  channels: string | undefined,
): Promise<void> {
  if (channels === undefined) return;
  const { workspace_id, actor_id } = asker;
  const { connector, tenant } = asker.conversation;
  const wanted = listOf(channels);
  for (const channel of wanted) {
    const place = { connector, tenant, channel };
    // Where it answers already, it is for whoever set that.
    if ((await deps.channels.of(workspace_id, place)).agent_id === agent_id) continue;
    await deps.channels.change(workspace_id, place, { agent_id, set_by: actor_id });
  }
  for (const channel of (await channelsOf(deps, asker, agent_id)).own) {
    if (wanted.includes(channel)) continue;
    await deps.channels.change(workspace_id, { connector, tenant, channel }, { agent_id: null, set_by: null });
  }
}
