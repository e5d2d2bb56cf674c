import { fileURLToPath } from 'node:url';
import type { Benchmark } from '../benchmark.ts';
import { trafficOfEvents } from '../cost.ts';
import type { EchoHandlers } from '../load/bolt-echo.mjs';
import type { Flood } from '../load/slack.ts';
import { startChild } from '../processes/child.ts';
import { cpuShares, peakResidentMb } from '../processes/usage.ts';
import { profiled } from '../profile.ts';
import type { Measurement } from '../row.ts';
import type { House, Stage } from '../stage.ts';
import { percentile } from '../statistics.ts';
import { storedEvents } from '../stored-events.ts';
import { repeated, until } from './rounds.ts';
import { type Mode, running, slackSettings, startSlack } from './slack-side.ts';

const RUNNING = 50;
const PER_SECOND = 200;
/** So many of them applied a second leave nothing behind: the last ones have their effect a moment after they came. */
const HELD = 195;
/** Five seconds of them. */
const EVENTS = 1000;
/** Rounds of the floor, before the measured rounds and after them: those follow each other without a break. */
const FLOORS = 2;
/** Events that go before the measured ones: ten seconds of them, in which V8 makes fast what is done so often. */
const WARM_UP = 2000;
/** The running answers last longer than the measurement, whatever the machine. */
const ANSWER = { ttft: 500, tokens: 40 * 600, rate: 40 };
const PATIENCE_MS = 180_000;

/** Chat events until Slack has its acknowledgement, which means: until they are kept. Every one must be in a log soon after. */
function chat(mode: Mode, way: string): Benchmark {
  return {
    name: `chat-${mode}`,
    about: `${PER_SECOND} Slack events a second ${way} while ${RUNNING} sessions run, until each is acknowledged`,
    rounds: 3,
    rows: {
      'ack-p99': { unit: 'ms', better: 'lower', target: 25 },
      'ack-p50': { unit: 'ms', better: 'lower', target: null },
      applied: { unit: 'events/s', better: 'higher', target: HELD },
      resident: { unit: 'MB', better: 'lower', target: null },
      'echo-p99': { unit: 'ms', better: 'lower', target: null },
      'echo-p50': { unit: 'ms', better: 'lower', target: null },
    },
    async run(stage, { rounds, profile_dir, say }) {
      say(`${rounds} rounds of ${EVENTS} events, with their floor before and after`);
      const flooded = await flood(stage, mode, rounds, profile_dir);
      const { found, least, applied_per_second, resident, errors, notes, shares } = flooded;
      say('a bare Bolt echo, and nothing beside it');
      const bare = await echo(mode, rounds, null);
      const singles = found.flatMap(({ each_ms }) => each_ms);
      const row = (share: number): Measurement => ({
        rounds: found.map(({ each_ms }) => percentile(each_ms, share)),
        singles,
        floors: least.map((each_ms) => percentile(each_ms, share)),
        n: singles.length,
        errors,
      });
      // No machine's floor: what is asked for, and so the most that there can be.
      const applied = { rounds: [applied_per_second], floors: [PER_SECOND], n: singles.length, errors };
      const echoRow = (share: number): Measurement => ({
        rounds: bare.map((each_ms) => percentile(each_ms, share)),
        singles: bare.flat(),
        n: bare.flat().length,
        errors: [],
      });
      return {
        rows: {
          'ack-p99': row(0.99),
          'ack-p50': row(0.5),
          applied,
          resident: { rounds: [resident], n: singles.length, errors },
          'echo-p99': echoRow(0.99),
          'echo-p50': echoRow(0.5),
        },
        notes: [`While events came ${way}, ${shares}`, ...notes],
      };
    },
  };
}

export const chatHttp = chat('http', 'over HTTP');
export const chatSocket = chat('socket', 'over Socket Mode');

interface Flooded {
  found: Flood[];
  /** The same events at an app that only keeps them, beside the same sessions: some rounds before the others, and some after. */
  least: number[][];
  /** From the first event to the last that has its effect, over all rounds: they follow each other without a break. */
  applied_per_second: number;
  /** The gateway's largest resident memory, in MB. */
  resident: number;
  errors: string[];
  notes: string[];
  /** Who had the processors while events came. */
  shares: string;
}

async function flood(stage: Stage, mode: Mode, rounds: number, profile_dir: string | null): Promise<Flooded> {
  await using slack = startSlack();
  const { api_url, tokens } = await slack.call('access');
  await using house = await stage.house(slackSettings(mode, api_url, tokens));
  const [gateway, worker] = await Promise.all([house.start('gateway'), house.start('worker')]);
  if (mode === 'http') await slack.call('deliverTo', `${gateway.url}/slack/events`);
  await slack.call('mention', RUNNING, ANSWER);
  await until('all sessions run', PATIENCE_MS, async () => (await running(house)) === RUNNING);
  const allApplied = () => until('all events are applied', PATIENCE_MS, async () => !(await isAnyLeft(house)));
  const warm = await slack.call('flood', { per_second: PER_SECOND, events: WARM_UP });
  await allApplied();
  const keepOnly = () => echo(mode, FLOORS, { mongodb_uri: stage.mongodb_uri, database: house.database });
  const before_rounds = await keepOnly();
  const shares = cpuShares({
    gateway: gateway.pid,
    worker: worker.pid,
    ...stage.service_pids,
    slack: slack.pid,
    model: stage.model.pid,
  });
  const began = performance.now();
  const { result: found, notes } = await profiled([gateway, worker], profile_dir, () =>
    shares.during(() => repeated(rounds, () => slack.call('flood', { per_second: PER_SECOND, events: EVENTS }))),
  );

  const errors = [warm, ...found].flatMap(({ refused }) =>
    refused === 0 ? [] : [`${refused} events were not acknowledged, and the platform would send them again`],
  );
  const stillRunning = await running(house);
  if (stillRunning !== RUNNING) errors.push(`at the end ${stillRunning} of ${RUNNING} sessions ran`);
  await allApplied();
  const seconds = (performance.now() - began) / 1000;
  const [said, before] = [await inputsIn(house), RUNNING + WARM_UP];
  errors.push(...wrongInputs(said, before + rounds * EVENTS));
  const resident = peakResidentMb(gateway.pid);
  const counted = await trafficOfEvents(gateway, EVENTS, async () => {
    await slack.call('flood', { per_second: PER_SECOND, events: EVENTS });
    await allApplied();
  });
  const least = [...before_rounds, ...(await keepOnly())];
  // Its answers would go on for minutes.
  await worker.kill();
  const applied_per_second = (said.length - before) / seconds;
  return { found, least, applied_per_second, resident, errors, notes: [...notes, counted], shares: shares.inWords() };
}

/** An event is kept and not applied yet. Asked by the index of such events, so that asking often costs next to nothing. */
async function isAnyLeft(house: House): Promise<boolean> {
  const inbound = house.mongo.db(house.database).collection('inbound');
  return (await inbound.findOne({ state: 'received', holder: { $gte: '' } }, { projection: { _id: 1 } })) !== null;
}

/** What people said in Slack, as all logs have it. */
async function inputsIn(house: House): Promise<string[]> {
  const said: string[] = [];
  for await (const { entry } of storedEvents(house.mongo.db(house.database), ['user.message'])) {
    if (entry.by?.via === 'slack') said.push(JSON.stringify(entry.event.content));
  }
  return said;
}

/** What is wrong unless so much was said, and nothing twice. */
function wrongInputs(said: string[], sent: number): string[] {
  const different = new Set(said).size;
  if (said.length === sent && different === sent) return [];
  return [`${sent} messages were sent, ${said.length} are in the logs, ${different} of them different`];
}

/**
 * The same events at an app of Bolt's that does nothing with them, with a Slack of its own.
 * @param keep where it writes each, journaled, before it acknowledges it: what no acknowledgement of ours can do without
 */
async function echo(
  mode: Mode,
  rounds: number,
  keep: { mongodb_uri: string; database: string } | null,
): Promise<number[][]> {
  await using slack = startSlack();
  const { api_url, tokens } = await slack.call('access');
  await using bare = startChild<EchoHandlers>([at('../load/bolt-echo.mjs')], { NODE_ENV: 'production' });
  if (mode === 'http') await slack.call('deliverTo', await bare.call('listen', tokens.signing_secret, keep));
  else await bare.call('connect', { appToken: tokens.app, api_url }, keep);
  await slack.call('flood', { per_second: PER_SECOND, events: WARM_UP });
  const found = await repeated(rounds, () => slack.call('flood', { per_second: PER_SECOND, events: EVENTS }));
  return found.map(({ each_ms }) => each_ms);
}

function at(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}
