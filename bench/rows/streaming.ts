import { fileURLToPath } from 'node:url';
import { wrongAnswers } from '../answers.ts';
import type { Benchmark } from '../benchmark.ts';
import type { ReaderHandlers } from '../load/reader.mjs';
import { startChild } from '../processes/child.ts';
import type { ProbeHandlers } from '../processes/probe.mjs';
import { cpuShares, peakResidentMb, residentMb } from '../processes/usage.ts';
import { profiled } from '../profile.ts';
import type { Stage } from '../stage.ts';
import { repeated, until } from './rounds.ts';

const SESSIONS = 1000;
/** Ten seconds of words after half a second's thought. */
const ANSWER = { ttft: 500, tokens: 400, rate: 40 };
const PATIENCE_MS = 300_000;

interface Load {
  resident: number;
  delay: number;
  /** From the moment they may begin until the last is done, in s. */
  duration: number;
  errors: string[];
  /** Who had the processors meanwhile, and where their time went when that was asked for. */
  notes: string[];
}

/** A thousand answers at once in one worker; beside it, a bare process that reads as many through the SDK. */
export const streaming: Benchmark = {
  name: 'streaming',
  about: `${SESSIONS} sessions streaming at once in one worker (0.5 s to the first token, 40 tokens/s)`,
  rounds: 3,
  rows: {
    resident: { unit: 'MB', better: 'lower', target: 700 },
    'loop-delay': { unit: 'ms', better: 'lower', target: 100 },
    duration: { unit: 's', better: 'lower', target: null },
  },
  async run(stage, { rounds, profile_dir, say }) {
    const both = await repeated(rounds, async (round) => {
      say(`round ${round + 1} of ${rounds}`);
      const load = await stream(stage, profile_dir);
      say(`its floor: a process that only reads ${SESSIONS} streams through the SDK`);
      return { load, floor: await readBare(stage) };
    });
    const found = both.map(({ load }) => load);
    const floors = both.map(({ floor }) => floor);
    const errors = [...found, ...floors].flatMap((one) => one.errors);
    const row = (value: (load: Load) => number) => ({
      rounds: found.map(value),
      floors: floors.map(value),
      n: SESSIONS * rounds,
      errors,
    });
    return {
      rows: {
        resident: row((load) => load.resident),
        'loop-delay': row((load) => load.delay),
        duration: row((load) => load.duration),
      },
      notes: [
        ...found.flatMap(({ notes }, round) => notes.map((note) => `Round ${round + 1}: ${note}`)),
        ...floors.flatMap(({ notes }) => notes),
      ],
    };
  },
};

async function stream(stage: Stage, profile_dir: string | null): Promise<Load> {
  await using house = await stage.house({ DECKHAND_CONCURRENCY: String(SESSIONS) });
  const [gateway, worker] = await Promise.all([house.start('gateway'), house.start('worker')]);
  const idle = residentMb(worker.pid);
  await stage.model.call('hold');
  await stage.load.call('sendAll', { url: gateway.url, key: house.api_key, sessions: SESSIONS, directive: ANSWER });
  await until('all sessions ask the model', PATIENCE_MS, async () => (await stage.model.call('held')) === SESSIONS);
  await worker.call('startDelay');
  const sessions = house.mongo.db(house.database).collection('sessions');
  const shares = cpuShares({
    gateway: gateway.pid,
    worker: worker.pid,
    ...stage.service_pids,
    load: stage.load.pid,
    model: stage.model.pid,
  });
  const started = performance.now();
  const { notes } = await profiled([worker], profile_dir, () =>
    shares.during(async () => {
      await stage.model.call('release');
      await until('all sessions are idle again', PATIENCE_MS, async () => {
        const busy = await sessions.countDocuments({ 'log.status': { $ne: 'idle' } });
        return busy === 0;
      });
    }),
  );
  const duration = (performance.now() - started) / 1000;
  const { p99 } = await worker.call('readDelay');
  const expected = { sessions: SESSIONS, tokens: ANSWER.tokens };
  const errors = await wrongAnswers(house.mongo.db(house.database), expected);
  const resident = peakResidentMb(worker.pid);
  const each = `${Math.round(((resident - idle) * 1000) / SESSIONS)} kB for each stream beyond the ${Math.round(idle)} MB of an idle worker`;
  return { resident, delay: p99, duration, errors, notes: [shares.inWords(), each, ...notes] };
}

async function readBare(stage: Stage): Promise<Load> {
  const script = fileURLToPath(new URL('../load/reader.mjs', import.meta.url));
  await using reader = startChild<ReaderHandlers & ProbeHandlers>([script], { NODE_ENV: 'production' });
  await stage.model.call('hold');
  const reading = reader.call('read', { base_url: stage.model_url, streams: SESSIONS, ...ANSWER });
  await until('all streams are open', PATIENCE_MS, async () => (await stage.model.call('held')) === SESSIONS);
  await reader.call('startDelay');
  const shares = cpuShares({ reader: reader.pid, model: stage.model.pid });
  const started = performance.now();
  const wrong = await shares.during(async () => {
    await stage.model.call('release');
    return reading;
  });
  const duration = (performance.now() - started) / 1000;
  const { p99 } = await reader.call('readDelay');
  const errors = wrong === 0 ? [] : [`the bare reader got ${wrong} wrong answers`];
  return {
    resident: peakResidentMb(reader.pid),
    delay: p99,
    duration,
    errors,
    notes: [`While the bare reader read, ${shares.inWords()}`],
  };
}
