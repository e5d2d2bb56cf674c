import type { Addresses } from '../load/least-parts.ts';
import type { TurnsRequest, TurnsResult } from '../load/turns.ts';
import { type Template, templateOf } from '../seed.ts';
import type { House, Server, Stage } from '../stage.ts';

/** As many turns at once as the targets speak of. */
export const AT_ONCE = 64;
/** Turns of one round at 64: ten for each of them. */
export const MANY = 640;
/** A conversation has several turns while its reader stays: a session is made and its stream opened for each ten. */
const PER_SESSION = 10;

/** Gets turns ready, and gives what runs them: sessions are made and their streams opened before anything is measured. */
export type Prepare = (
  concurrency: number,
  turns: number,
  more?: Partial<TurnsRequest>,
) => Promise<() => Promise<TurnsResult>>;

export function turnsOn(stage: Stage, house: House, gateway: Server): Prepare {
  const target = { url: gateway.url, key: house.api_key, per_session: PER_SESSION };
  return async (concurrency, turns, more = {}) => {
    await stage.load.call('prepareTurns', { ...target, concurrency, turns, ...more });
    return () => stage.load.call('runTurns');
  };
}

/** Where a floor finds what this house uses. */
export function addressesOf(stage: Stage, { database }: House): Addresses {
  const { mongodb_uri, redis_url, model_url: base_url } = stage;
  return { mongodb_uri, redis_url, base_url, database };
}

export async function repeated<T>(times: number, work: (round: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  while (results.length < times) results.push(await work(results.length));
  return results;
}

const LOOK_MS = 20;

/** Look again and again until `probe` is content. @throws when that takes longer than `ms` */
export async function until(what: string, ms: number, probe: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + ms;
  while (!(await probe())) {
    if (performance.now() > end) throw new Error(`Waited ${ms} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

export function turnsPerSecond(result: TurnsResult): number {
  return (result.total_ms.length / result.elapsed_ms) * 1000;
}

/** A session with one turn, made by the product itself, to make copies of. */
export async function madeTemplate(house: House, prepare: Prepare): Promise<Template> {
  const { errors } = await (await prepare(1, 1))();
  if (errors.length > 0) throw new Error(errors[0]);
  const db = house.mongo.db(house.database);
  const last = await db
    .collection<{ _id: string; workspace_id: string }>('sessions')
    .findOne({}, { sort: { created_at: -1 } });
  if (last === null) throw new Error('There is no session to make copies of');
  return templateOf(db, { workspace_id: last.workspace_id, session_id: last._id });
}
