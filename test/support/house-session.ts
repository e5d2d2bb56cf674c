import Anthropic from '@anthropic-ai/sdk';
import type { BetaManagedAgentsSessionEvent } from '@anthropic-ai/sdk/resources/beta/sessions/events';
import type { House, HouseProcess } from './house.ts';

export interface HouseSession {
  id: string;
  sessions: Anthropic['beta']['sessions'];
  say(text: string): Promise<void>;
  events(): Promise<BetaManagedAgentsSessionEvent[]>;
}

/** A session of an agent of its own whose tools ask nobody, or ask always. */
export async function openSession(
  house: House,
  gateway: HouseProcess,
  policy: 'always_allow' | 'always_ask' = 'always_allow',
): Promise<HouseSession> {
  const client = new Anthropic({ baseURL: gateway.url, apiKey: house.api_key, maxRetries: 0 });
  const { agents, environments, sessions } = client.beta;
  const environment = await environments.create({ name: 'lab' });
  const agent = await agents.create({
    name: 'tester',
    model: 'claude-sonnet-5-5',
    tools: [{ type: 'agent_toolset_20260401', default_config: { permission_policy: { type: policy } } }],
  });
  const { id } = await sessions.create({ agent: agent.id, environment_id: environment.id });
  return {
    id,
    sessions,
    async say(text) {
      await sessions.events.send(id, { events: [{ type: 'user.message', content: [{ type: 'text', text }] }] });
    },
    async events() {
      const all = [];
      for await (const event of sessions.events.list(id)) all.push(event);
      return all;
    },
  };
}
