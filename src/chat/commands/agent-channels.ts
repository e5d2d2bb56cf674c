import type { CommandDeps, CommandRequest } from './command.ts';
import { listOf } from './read-agent-form.ts';

/** Make this agent the default of these channels of the platform, and of no others there. Absent: nothing was said of them. */
export async function setChannels(
  deps: CommandDeps,
  { workspace_id, conversation }: CommandRequest,
  agent_id: string,
  channels: string | undefined,
): Promise<void> {
  if (channels === undefined) return;
  const { connector, tenant } = conversation;
  const wanted = listOf(channels);
  for (const channel of wanted) await deps.channels.change(workspace_id, { connector, tenant, channel }, { agent_id });
  for (const channel of await channelsOf(deps, { workspace_id, conversation }, agent_id)) {
    if (wanted.includes(channel)) continue;
    await deps.channels.change(workspace_id, { connector, tenant, channel }, { agent_id: null });
  }
}

/** The channels of this platform whose default it is. */
export async function channelsOf(
  deps: CommandDeps,
  { workspace_id, conversation }: Pick<CommandRequest, 'workspace_id' | 'conversation'>,
  agent_id: string,
): Promise<string[]> {
  const found = await deps.channels.withAgent(workspace_id, agent_id);
  return found
    .filter(({ connector, tenant }) => connector === conversation.connector && tenant === conversation.tenant)
    .map(({ channel }) => channel);
}
