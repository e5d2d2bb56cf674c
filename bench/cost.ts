import type { TurnsResult } from './load/turns.ts';
import { cpuMeter } from './processes/usage.ts';
import { allocatedBy } from './profile.ts';
import type { Measurement, RowSpec } from './row.ts';
import type { Server, Stage } from './stage.ts';
import { stagesInWords } from './stages.ts';

const cpu: RowSpec = { unit: 'ms/turn', better: 'lower', target: null };
const commands: RowSpec = { unit: 'per turn', better: 'lower', target: null };
const bytes: RowSpec = { unit: 'bytes/turn', better: 'lower', target: null };

/** CPU time of every process that takes part in a turn; `cpu-server` is gateway and worker together. */
export const CPU_ROWS = {
  'cpu-server': cpu,
  'cpu-gateway': cpu,
  'cpu-worker': cpu,
  'cpu-mongodb': cpu,
  'cpu-redis': cpu,
  'cpu-load': cpu,
  'cpu-model': cpu,
};

/** What gateway and worker send to the services for a turn. */
export const TRAFFIC_ROWS = {
  'mongodb-commands': commands,
  'redis-commands': commands,
  'service-bytes-out': bytes,
  'service-bytes-in': bytes,
};

export type CpuMeasurements = Record<keyof typeof CPU_ROWS, Measurement>;

export interface CpuCosts {
  /** Run a round and remember what CPU time it took. */
  during(work: () => Promise<TurnsResult>): Promise<TurnsResult>;
  rows(): CpuMeasurements;
}

export function cpuCosts(stage: Stage, servers: { gateway: Server; worker: Server }): CpuCosts {
  const pids = {
    gateway: servers.gateway.pid,
    worker: servers.worker.pid,
    ...stage.service_pids,
    load: stage.load.pid,
    model: stage.model.pid,
  };
  const rounds: { cpu: Partial<Record<keyof typeof pids, number>>; turns: number }[] = [];
  const errors: string[] = [];

  function row(names: (keyof typeof pids)[]): Measurement {
    const perTurn = rounds.map(
      ({ cpu: used, turns }) => names.reduce((sum, name) => sum + (used[name] ?? Number.NaN), 0) / turns,
    );
    return { rounds: perTurn, n: rounds.reduce((sum, { turns }) => sum + turns, 0), errors };
  }

  return {
    async during(work) {
      const read = cpuMeter(pids);
      const result = await work();
      rounds.push({ cpu: read(), turns: result.total_ms.length });
      errors.push(...result.errors);
      return result;
    },
    rows: () => ({
      'cpu-server': row(['gateway', 'worker']),
      'cpu-gateway': row(['gateway']),
      'cpu-worker': row(['worker']),
      'cpu-mongodb': row(['mongodb']),
      'cpu-redis': row(['redis']),
      'cpu-load': row(['load']),
      'cpu-model': row(['model']),
    }),
  };
}

/** Count what the servers send to MongoDB and Redis while these turns run. */
export async function traffic(
  servers: Server[],
  work: () => Promise<TurnsResult>,
): Promise<{ rows: Record<keyof typeof TRAFFIC_ROWS, Measurement>; notes: string[] }> {
  const before = await Promise.all(servers.map((server) => server.call('readBytes')));
  await Promise.all(servers.map((server) => server.call('startCounting')));
  const result = await work();
  const counts = await Promise.all(servers.map((server) => server.call('readCounts')));
  const after = await Promise.all(servers.map((server) => server.call('readBytes')));

  const { errors } = result;
  const turns = result.total_ms.length;
  const row = (total: number): Measurement => ({ rounds: [total / turns], n: turns, errors });
  const commandsTo = (service: string) =>
    counts
      .flatMap((count) => Object.entries(count))
      .reduce((sum, [name, n]) => sum + (name.startsWith(service) ? n : 0), 0);
  const sum = (side: 'read' | 'written') =>
    after.reduce((total, now, index) => total + now[side] - (before[index]?.[side] ?? 0), 0);
  return {
    rows: {
      'mongodb-commands': row(commandsTo('mongodb ')),
      'redis-commands': row(commandsTo('redis ')),
      'service-bytes-out': row(sum('written')),
      'service-bytes-in': row(sum('read')),
    },
    notes: servers.map((server, index) => breakdown(server.role, counts[index] ?? {}, 'turn', turns)),
  };
}

/** Count what a server sends to MongoDB and Redis while so many chat events come. */
export async function trafficOfEvents(server: Server, events: number, work: () => Promise<unknown>): Promise<string> {
  await server.call('startCounting');
  await work();
  return breakdown(server.role, await server.call('readCounts'), 'event', events);
}

/** Where the time of these turns goes, which are taken one at a time. */
export async function stages(servers: Server[], work: () => Promise<TurnsResult>): Promise<string> {
  await Promise.all(servers.map((server) => server.call('startSpans')));
  const result = await work();
  const waits = await Promise.all(
    servers.map(async (server) => ({ role: server.role, spans: await server.call('readSpans') })),
  );
  return stagesInWords(waits, result);
}

/** Places that are named, of the most that allocate. */
const PLACES = 12;

/** What the servers allocate for a turn, by package or file; nearly all of it is garbage soon after. */
export async function allocations(servers: Server[], work: () => Promise<TurnsResult>): Promise<string[]> {
  await Promise.all(servers.map((server) => server.call('startAllocations')));
  const { total_ms } = await work();
  const heads = await Promise.all(servers.map((server) => server.call('readAllocations')));
  const kb = (bytes: number) => `${(bytes / 1000 / total_ms.length).toFixed(1).padStart(7)} kB`;
  return servers.map((server, index) => {
    const head = heads[index];
    if (head === undefined) return `${server.role}: nothing is known of what it allocates`;
    const { bytes, places } = allocatedBy(head);
    const lines = places.slice(0, PLACES).map((place) => `  ${kb(place.bytes)}  ${place.place}`);
    return [`Allocated by the ${server.role} per turn: ${kb(bytes).trim()}`, ...lines].join('\n');
  });
}

function breakdown(role: string, counts: Record<string, number>, of: 'turn' | 'event', times: number): string {
  const lines = Object.entries(counts)
    .sort(([, a], [, b]) => b - a)
    .map(([name, n]) => `  ${(n / times).toFixed(2).padStart(7)}  ${name}`);
  return [`Commands of the ${role} per ${of}:`, ...lines].join('\n');
}
