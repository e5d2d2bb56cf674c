import { join } from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import { expect, inject } from 'vitest';
import type { LogEntry } from '../../../src/session/event.ts';
import type { LoggedDocument } from '../../../src/session/log-document.ts';
import { createMongoLog } from '../../../src/session/mongo-log.ts';
import { eventually } from '../eventually.ts';
import { type Gate, type Held, mongoGate, redisGate } from '../gate/gate.ts';
import type { MongoCommand } from '../gate/mongo-wire.ts';
import type { RedisCommand } from '../gate/redis-wire.ts';
import { buildHouse, type House, type HouseProcess } from '../house.ts';
import { startTestModel, type TestModel } from '../model.ts';
import { plainAnswer } from '../plain-answers.ts';
import { descendants, inMountsOf, mountNamespaces, stillRunning } from '../processes.ts';
import { buttonLabels, type MessagePlace } from '../slack/person.ts';
import { type SlackServer, startSlackServer } from '../slack/server.ts';
import { readable } from '../slack/transcript.ts';
import type { SlackMessage } from '../slack/workspace.ts';
import {
  expectEachPostOnce,
  expectNoDocuments,
  expectNoGroups,
  expectRest,
  expectSoundLog,
  expectTidy,
  linesOf,
} from './at-rest.ts';
import { createRecoveries, type Recoveries } from './recoveries.ts';
import { createStandbys } from './standby.ts';
import { claimsSession, looksFor, ofSession, type Step } from './steps.ts';
import { timings } from './timings.ts';

export type Role = 'gateway' | 'worker';

/** A process with gates of its own before the services. */
export interface Victim extends HouseProcess, Gates {}

export interface Gates {
  mongo: Gate<MongoCommand>;
  redis: Gate<RedisCommand>;
}

/**
 * A house whose gateway and worker are killed, each time at another step, and replaced. Everybody speaks in Slack. Two
 * machines take turns as the worker's, so that a session goes on elsewhere and each machine comes back later. Who comes after
 * is started only then; by the clock (timings.ts) it runs already, and has looked the moment before.
 */
export interface KillStage extends AsyncDisposable {
  house: House;
  model: TestModel;
  slack: SlackServer;
  gateway: Victim;
  worker: Victim;
  /** Start what is missing. */
  ready(): Promise<void>;
  /**
   * SIGKILL, all at once, then a successor for each; what each left of processes is gone by the end.
   * @param goes_on what it is to go on with what was left: `recoveries` tells when that had an effect
   */
  kill(roles: Role | readonly Role[], goes_on?: Step): Promise<void>;
  recoveries: Recoveries;
  /** Who lives and would go on with what is to be lost does not sweep until this is released: a busy machine is late to kill. */
  holdSweep(role: Role): Promise<Held<MongoCommand>>;
  /** Commands of new sessions run at once, or ask a person, by these rules (`deckhand_*`). */
  commands(policy: 'always_allow' | 'always_ask', rules?: Record<string, string>): Promise<void>;
  /** The API, for a program. */
  api(): Anthropic;
  /** Ana mentions the bot: it answers, or runs a command when the text is `run …`. */
  says(text: string): MessagePlace;
  heard(thread: MessagePlace, words: string): Promise<SlackMessage>;
  said(thread: MessagePlace, words: string): SlackMessage[];
  card(thread: MessagePlace): Promise<SlackMessage>;
  /** The latest session's log. */
  log(): Promise<LogEntry[]>;
  /** How often the latest session's commands have left their mark, on whichever machine. */
  marks(): number;
  /** The latest session is at rest in every respect: nothing is owed, held or half done, in no place. */
  atRest(): Promise<LogEntry[]>;
  /** Deletes every session, brings a worker back to each machine, and nothing of any session is left anywhere. */
  leavesNothing(): Promise<void>;
}

/** A command that leaves a mark each time it runs. */
export const MARK = 'echo ran >> marks';

/** Only what never comes takes this long: a lease, a sweep and the start of a process on a busy machine. */
const PATIENCE_MS = 60_000;

const ROLES: readonly Role[] = ['gateway', 'worker'];

/** Whoever lives has looked for what is owed the moment before a death. */
const LOOKS_AGAIN_MS = timings.by_the_clock ? timings.sweep_ms : 0;

/** What one test asked for is not the next one's. */
const NO_RULES = {
  deckhand_owners: null,
  deckhand_quorum: null,
  deckhand_escalate_to: null,
  deckhand_escalate_after: null,
  deckhand_expire_after: null,
};

export async function killStage(): Promise<KillStage> {
  const model = await startTestModel();
  model.otherwise(plainAnswer);
  const slack = await startSlackServer();
  const house = await buildHouse({
    ANTHROPIC_API_KEY: 'test',
    ANTHROPIC_BASE_URL: model.base_url,
    SLACK_BOT_TOKEN: slack.tokens.bot,
    SLACK_API_URL: slack.apiUrl,
    SLACK_SIGNING_SECRET: slack.tokens.signing_secret,
    DECKHAND_LEASE_MS: String(timings.lease_ms),
    DECKHAND_SWEEP_MS: String(timings.sweep_ms),
    DECKHAND_RETRY_MS: String(timings.retry_ms),
  });
  const { db } = house.database;
  const log = createMongoLog(db, { appended: () => undefined });
  const living: Partial<Record<Role, Victim>> = {};
  /** Killed workers whose control groups the next start of one ends. */
  let dead: number[] = [];
  const recoveries = createRecoveries();
  let workers = 0;
  let latestId = '';

  const machines = () =>
    ['machine-0', 'machine-1'].map((name) => join(house.data_dir, name, 'sandboxes', 'workspaces'));

  const isTidy = (folder: string) => eventually(() => expectTidy(db, folder), PATIENCE_MS);

  async function launch(role: Role, before?: (gates: Gates) => void): Promise<Victim> {
    if (role === 'worker') workers += 1;
    const machine = workers % 2;
    const [mongo, redis] = await Promise.all([mongoGate(inject('mongodb_uri')), redisGate(inject('redis_url'))]);
    before?.({ mongo, redis });
    recoveries.follow(role, mongo);
    const started_process = await house.start(role, {
      MONGODB_URI: mongo.uri,
      REDIS_URL: redis.uri,
      ...(role === 'worker' ? { DECKHAND_DATA_DIR: join(house.data_dir, `machine-${machine}`) } : {}),
    });
    recoveries.runs(mongo);
    if (role === 'worker') await isTidy(machines()[machine] ?? '');
    return { ...started_process, mongo, redis };
  }

  const standbys = createStandbys(launch, recoveries.unfollow);

  function enter(role: Role, victim: Victim): void {
    living[role] = victim;
    if (role === 'gateway') slack.deliverTo(`${victim.url}/slack/events`);
  }

  async function start(role: Role): Promise<void> {
    enter(role, await launch(role));
  }

  async function replace(role: Role): Promise<void> {
    const next = standbys.letIn(role, LOOKS_AGAIN_MS);
    if (next === null) return start(role);
    enter(role, next);
  }

  async function groupsEnd(): Promise<void> {
    await eventually(() => expectNoGroups(dead), PATIENCE_MS);
    dead = [];
  }

  function alive(role: Role): Victim {
    const victim = living[role];
    if (victim === undefined) throw new Error(`There is no ${role} now`);
    return victim;
  }

  async function latest(): Promise<LoggedDocument & { conversation_id?: string }> {
    const [found] = await db.collection<LoggedDocument>('sessions').find().sort({ created_at: -1 }).limit(1).toArray();
    if (found === undefined) throw new Error('There is no session yet');
    return found;
  }

  async function entries(): Promise<LogEntry[]> {
    const { _id, workspace_id } = await latest();
    latestId = _id;
    return log.read({ workspace_id, session_id: _id });
  }

  const stage: KillStage = {
    house,
    model,
    slack,
    get gateway() {
      return alive('gateway');
    },
    get worker() {
      return alive('worker');
    },
    async ready() {
      model.forget();
      await Promise.all(ROLES.filter((role) => living[role] === undefined).map(start));
      if (!timings.by_the_clock) return;
      await Promise.all(ROLES.map(standbys.keep));
      await groupsEnd();
    },
    recoveries,
    async holdSweep(role) {
      const held = alive(role).mongo.holdRequest(looksFor[role]);
      await held.reached;
      // A gateway's look comes last in its sweep: for everything else it has just looked.
      return role === 'gateway' ? held : { ...held, release: () => setTimeout(held.release, LOOKS_AGAIN_MS) };
    },
    async kill(killed, goes_on) {
      const roles = [killed].flat();
      const victims = roles.map(alive);
      const children = victims.flatMap((victim) => descendants(victim.pid));
      const mounts = mountNamespaces(children);
      // What an earlier loss left in the queue is claimed too, to no effect.
      const step = goes_on === claimsSession ? ofSession(goes_on, (await latest())._id) : goes_on;
      for (const { mongo } of victims) recoveries.unfollow(mongo);
      if (step !== undefined) recoveries.lost(roles.join(' and '), step);
      await Promise.all(victims.map((victim) => victim.kill()));
      for (const role of roles) delete living[role];
      await Promise.all(
        victims.flatMap(({ mongo, redis }) => [mongo, redis].map((gate) => gate[Symbol.asyncDispose]())),
      );
      const isReplaced = roles.some(standbys.has);
      await Promise.all(roles.map(replace));
      await eventually(() => expect(stillRunning(children)).toEqual([]), PATIENCE_MS);
      await eventually(() => expect(inMountsOf(mounts)).toEqual([]), PATIENCE_MS);
      dead.push(...victims.map(({ pid }) => pid));
      // Groups are ended by a worker that starts.
      if (!isReplaced) await groupsEnd();
    },
    async commands(policy, rules = {}) {
      const client = stage.api();
      const [agent] = (await client.beta.agents.list()).data;
      await client.beta.agents.update(agent?.id ?? '', {
        version: agent?.version ?? 0,
        metadata: { ...NO_RULES, deckhand_remind_after: '1h', ...rules },
        tools: [{ type: 'agent_toolset_20260401', default_config: { permission_policy: { type: policy } } }],
      });
    },
    api: () => new Anthropic({ baseURL: alive('gateway').url, apiKey: house.api_key, maxRetries: 0 }),
    says: (text) => slack.user('Ana').mention('ops', text),
    heard: (thread, words) =>
      eventually(() => {
        const [first] = stage.said(thread, words);
        if (first === undefined) throw new Error(`Nobody said ${words}:\n${slack.transcript(thread)}`);
        return first;
      }, PATIENCE_MS),
    said: (thread, words) =>
      slack.workspace.messages.filter(
        (message) =>
          message.channel === thread.channel &&
          message.thread_ts === thread.ts &&
          message.bot_id !== undefined &&
          message.ephemeral_to === undefined &&
          readable(message).includes(words),
      ),
    card: (thread) =>
      eventually(() => {
        const found = stage.said(thread, '').find((message) => buttonLabels(message).includes('Approve'));
        if (found === undefined) throw new Error(`Nothing waits:\n${slack.transcript(thread)}`);
        return found;
      }, PATIENCE_MS),
    log: entries,
    marks: () => machines().reduce((sum, workspaces) => sum + linesOf(join(workspaces, latestId, 'files', 'marks')), 0),
    async atRest() {
      await eventually(async () => expectRest(db, await latest()), PATIENCE_MS);
      recoveries.rests();
      const found = await entries();
      expectSoundLog(found);
      expectEachPostOnce(slack);
      return found;
    },
    async leavesNothing() {
      await standbys.end();
      const { sessions } = stage.api().beta;
      for await (const { id } of sessions.list()) await sessions.delete(id);
      for (const _machine of machines()) await stage.kill('worker');
      for (const folder of machines()) await isTidy(folder);
      await expectNoDocuments(db);
    },
    async [Symbol.asyncDispose]() {
      await standbys.end();
      const gates = Object.values(living).flatMap(({ mongo, redis }) => [mongo, redis]);
      await house[Symbol.asyncDispose]();
      await Promise.all(gates.map((gate) => gate[Symbol.asyncDispose]()));
      await slack[Symbol.asyncDispose]();
      await model[Symbol.asyncDispose]();
    },
  };
  return stage;
}
