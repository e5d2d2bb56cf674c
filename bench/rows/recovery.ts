import type { Benchmark } from '../benchmark.ts';
import { nextNonce } from '../load/turns.ts';
import type { House, Server, Stage } from '../stage.ts';
import { repeated, turnsOn, until } from './rounds.ts';

/** Long enough to be killed in the middle of, in words and words per second. */
const ANSWER = { tokens: 40, rate: 40 };
const PATIENCE_MS = 60_000;

/** A worker is killed with -9 while Claude answers: how long until another asks again, with the lease as it comes. */
export const recovery: Benchmark = {
  name: 'recovery',
  about: 'a worker killed with -9 mid-turn, until the turn runs elsewhere',
  rounds: 5,
  rows: {
    kill: { unit: 's', better: 'lower', target: 5 },
  },
  async run(stage, { rounds, say }) {
    await using house = await stage.house();
    const gateway = await house.start('gateway');
    const workers = new Set(await Promise.all([house.start('worker'), house.start('worker')]));
    await stage.model.call('remember');
    const errors: string[] = [];
    const seconds = await repeated(rounds, async (round) => {
      say(`kill ${round + 1} of ${rounds}`);
      const { took, victim, error } = await kill(stage, house, gateway, workers);
      errors.push(...error);
      workers.delete(victim);
      workers.add(await house.start('worker'));
      return took;
    });
    return { rows: { kill: { rounds: seconds, singles: seconds, n: rounds, errors } } };
  },
};

async function kill(stage: Stage, house: House, gateway: Server, workers: Set<Server>) {
  const nonce = nextNonce();
  const prepare = turnsOn(stage, house, gateway);
  const turn = await prepare(1, 1, { directives: [ANSWER], nonce, may_retry: true });
  const running = turn();
  const arrivals = () => stage.model.call('arrivals', nonce);
  await until('the turn asks the model', PATIENCE_MS, async () => (await arrivals()).length === 1);
  const victim = await holderIn(house, workers);
  const killed = process.hrtime.bigint();
  await victim.kill();
  await until('another worker asks again', PATIENCE_MS, async () => (await arrivals()).length === 2);
  const [, again = '0'] = await arrivals();
  // The client has checked the answer: it came, once, and is the right one.
  const { errors } = await running;
  return { took: Number(BigInt(again) - killed) / 1e9, victim, error: errors };
}

/** The worker that holds the running session; it says its id when it starts. */
async function holderIn(house: House, workers: Set<Server>): Promise<Server> {
  const running = await house.mongo
    .db(house.database)
    .collection<{ log: { lease: { holder: string | null } } }>('sessions')
    .findOne({ 'log.status': 'running' });
  const holder = running?.log.lease.holder ?? '?';
  const [found] = [...workers].filter((worker) => worker.output().includes(`"${holder}"`));
  if (found === undefined) throw new Error(`No worker says that it is ${holder}`);
  return found;
}
