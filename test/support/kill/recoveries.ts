import { deferred } from '../deferred.ts';
import type { Gate } from '../gate/gate.ts';
import { hadEffect, type MongoCommand } from '../gate/mongo-wire.ts';
import type { Role } from './kill-stage.ts';
import { looksFor, type Step } from './steps.ts';

/** From a death until somebody else goes on with what was left. */
export interface Recovery {
  step: string;
  killed: string;
  /** By the clock, with the start of whoever went on. */
  took_ms: number;
  /** That start: until it said that it runs, if it was not running already. */
  start_ms: number;
  /** By the clock until everything had ended as it should, with what people did meanwhile. NaN: nobody looked. */
  rest_ms: number;
  /**
   * How often whoever went on had swept by then, since the death or since its own start. Unlike the time, this does not
   * depend on how fast the machine is: a process that is slow sweeps as much less often.
   */
  sweeps: number;
}

/** How long recovery takes, step by step: told from what living processes say to MongoDB. */
export interface Recoveries {
  /** This process lives: if something is lost, it may be who goes on. */
  follow(role: Role, gate: Gate<MongoCommand>): void;
  /** It says that it runs. */
  runs(gate: Gate<MongoCommand>): void;
  /** It does not live any more. */
  unfollow(gate: Gate<MongoCommand>): void;
  /** Somebody is killed. Who goes on with what was left does this, with an effect. */
  lost(killed: string, goes_on: Step): void;
  /** What was left falls due only now. */
  fallsDue(): void;
  /** Everything is at rest: the first time since the loss is when it had ended as it should. */
  rests(): void;
  /** Waits until somebody went on. */
  ended(step: string): Promise<Recovery>;
  readonly all: readonly Recovery[];
}

interface Loss {
  killed: string;
  goes_on: Step;
  since: number;
  rested_at: number;
  /** By gate, of all who may go on. */
  sweeps: Map<Gate<MongoCommand>, number>;
  wentOn: ReturnType<typeof deferred<{ gate: Gate<MongoCommand>; at: number; sweeps: number }>>;
}

export function createRecoveries(): Recoveries {
  const living = new Map<Gate<MongoCommand>, Role>();
  const running = new Map<Gate<MongoCommand>, number>();
  const all: Recovery[] = [];
  let loss: Loss | null = null;
  /** Ends of watching. Nobody is watched while nothing is lost: it costs a look at each command. */
  const watches: Array<() => void> = [];

  function watch(gate: Gate<MongoCommand>, role: Role, of: Loss): void {
    of.sweeps.set(gate, 0);
    watches.push(
      gate.watch(looksFor[role], () => of.sweeps.set(gate, (of.sweeps.get(gate) ?? 0) + 1)),
      gate.watch(of.goes_on, (answer) => {
        if (hadEffect(answer)) of.wentOn.resolve({ gate, at: performance.now(), sweeps: of.sweeps.get(gate) ?? 0 });
      }),
    );
  }

  return {
    all,
    follow(role, gate) {
      living.set(gate, role);
      if (loss !== null) watch(gate, role, loss);
    },
    runs: (gate) => void running.set(gate, performance.now()),
    unfollow(gate) {
      living.delete(gate);
      running.delete(gate);
    },
    lost(killed, goes_on) {
      loss = {
        killed,
        goes_on,
        since: performance.now(),
        rested_at: Number.NaN,
        sweeps: new Map(),
        wentOn: deferred(),
      };
      for (const [gate, role] of living) watch(gate, role, loss);
    },
    fallsDue() {
      if (loss === null) throw new Error('Nothing was lost');
      loss.since = performance.now();
      for (const gate of loss.sweeps.keys()) loss.sweeps.set(gate, 0);
    },
    rests() {
      if (loss !== null && Number.isNaN(loss.rested_at)) loss.rested_at = performance.now();
    },
    async ended(step) {
      if (loss === null) throw new Error('Nothing was lost');
      const { killed, since, wentOn, rested_at } = loss;
      const { gate, at, sweeps } = await wentOn.promise;
      const start_ms = Math.max(0, (running.get(gate) ?? 0) - since);
      const recovery = { step, killed, took_ms: at - since, start_ms, rest_ms: rested_at - since, sweeps };
      loss = null;
      for (const end of watches.splice(0)) end();
      all.push(recovery);
      return recovery;
    },
  };
}

/** As docs/reliability.md shows them. */
export function tableOf(recoveries: readonly Recovery[]): string {
  const seconds = (ms: number) => (ms / 1_000).toFixed(1);
  const rows = recoveries.map(
    ({ step, killed, took_ms, start_ms, rest_ms, sweeps }) =>
      `| ${step} | ${killed} | ${seconds(took_ms)} | ${seconds(start_ms)} | ${seconds(rest_ms)} | ${sweeps} |`,
  );
  return ['| step | killed | s | start | at rest | sweeps |', '| --- | --- | --- | --- | --- | --- |', ...rows].join(
    '\n',
  );
}
