import Anthropic from '@anthropic-ai/sdk';
import type { House, HouseProcess } from './house.ts';
import type { ProbedBalancer } from './probed-balancer.ts';

export interface RollingHouse {
  /** Stops gateway after gateway and worker after worker, both at once, each followed by a new one. @throws if one does not leave with 0 */
  restart(): Promise<void>;
}

/** A house of two gateways behind a balancer and of two workers. */
export async function startRolling(house: House, balancer: ProbedBalancer): Promise<RollingHouse> {
  async function startGateway(): Promise<HouseProcess> {
    const gateway = await house.start('gateway');
    await balancer.add(gateway.url);
    return gateway;
  }
  const startWorker = () => house.start('worker');

  async function replace(old: HouseProcess[], start: () => Promise<HouseProcess>): Promise<void> {
    for (const process of old) {
      const code = await process.stop();
      if (code !== 0) throw new Error(`A process left with ${code}`);
      await start();
    }
  }

  const [gateways, workers] = await Promise.all([
    Promise.all([startGateway(), startGateway()]),
    Promise.all([startWorker(), startWorker()]),
  ]);
  return {
    async restart() {
      await Promise.all([replace(gateways, startGateway), replace(workers, startWorker)]);
    },
  };
}

/** The default agent asks before every tool. */
export async function askFirst(house: House, balancer: ProbedBalancer): Promise<void> {
  const { beta } = new Anthropic({ baseURL: balancer.url, apiKey: house.api_key });
  const [agent] = (await beta.agents.list()).data;
  if (agent === undefined) throw new Error('There is no default agent');
  await beta.agents.update(agent.id, {
    version: agent.version,
    tools: [{ type: 'agent_toolset_20260401', default_config: { permission_policy: { type: 'always_ask' } } }],
  });
}
