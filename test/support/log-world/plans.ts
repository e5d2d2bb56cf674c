import fc from 'fast-check';
import type { Action } from './actors.ts';
import type { Fault, ProcessPlan } from './process.ts';

/** What happens in a world: who does what, which of it is done side by side, and what goes wrong. */
export interface LogPlan {
  processes: ProcessPlan[];
  lost_hints: boolean[];
  /** Each is done in order, by one process; all of them at the same time. */
  strands: Array<{ process: number; actions: Action[] }>;
}

const DAY_MS = 86_400_000;
const PROCESSES = 3;

/** A tail with three of the second kind is heavy. */
const text = fc.constantFrom('light', 'heavy'.repeat(3_000));
const says = fc.record({
  do: fc.constant('say' as const),
  count: fc.integer({ min: 1, max: 3 }),
  interrupt: fc.boolean(),
  text,
});
const notes = fc.record({ do: fc.constant('note' as const), count: fc.integer({ min: 1, max: 3 }), text });
const saysOnce = fc.record({ do: fc.constant('say_once' as const), key: fc.nat(1) });
const turn = fc.record({
  do: fc.constant('turn' as const),
  opens: fc.boolean(),
  moves: fc.array(fc.constantFrom('answer', 'note', 'ask', 'renew', 'refresh', 'rest'), { maxLength: 4 }),
  end: fc.constantFrom('rest', 'hand_over', 'release', 'release', 'walk_away'),
});
const runOut = fc.constant({ do: 'run_out' as const });
const reads = fc.record({
  do: fc.constant('read' as const),
  after: fc.nat(6),
  limit: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
});
const lists = fc.record({
  do: fc.constant('list' as const),
  order: fc.constantFrom('asc', 'desc'),
  limit: fc.constantFrom(2, 100),
});
const follows = fc.record({
  do: fc.constant('follow' as const),
  from: fc.option(fc.constant(0), { nil: undefined }),
});
const delivers = fc.constant({ do: 'deliver' as const });
const sweeps = fc.constant({ do: 'sweep' as const });

const writes: fc.Arbitrary<Action> = fc.oneof(
  { weight: 2, arbitrary: says },
  { weight: 1, arbitrary: notes },
  { weight: 1, arbitrary: saysOnce },
);
const anything: fc.Arbitrary<Action> = fc.oneof(
  { weight: 6, arbitrary: writes },
  { weight: 3, arbitrary: turn },
  { weight: 2, arbitrary: reads },
  { weight: 2, arbitrary: lists },
  { weight: 1, arbitrary: follows },
  { weight: 3, arbitrary: delivers },
  { weight: 1, arbitrary: sweeps },
);

function strand(action: fc.Arbitrary<Action>, maxLength: number): fc.Arbitrary<LogPlan['strands'][number]> {
  return fc.record({ process: fc.nat(PROCESSES - 1), actions: fc.array(action, { maxLength }) });
}

const fault = fc.oneof(
  { weight: 6, arbitrary: fc.constant(null) },
  { weight: 1, arbitrary: fc.constantFrom<Fault>('dies_before', 'dies_after', 'fails', 'answer_lost', 'answer_lost') },
);

/** Turns meet turns and leases that run out; beside them anything else happens. */
export const logPlan: fc.Arbitrary<LogPlan> = fc.record({
  processes: fc.array(
    fc.record({
      faults: fc.oneof(fc.constant([]), fc.array(fault, { maxLength: 40 })),
      skew_ms: fc.constantFrom(0, DAY_MS, -DAY_MS),
    }),
    { minLength: PROCESSES, maxLength: PROCESSES },
  ),
  lost_hints: fc.array(fc.boolean(), { maxLength: 4 }),
  strands: fc
    .tuple(strand(turn, 2), strand(turn, 2), strand(runOut, 3), strand(writes, 3), strand(anything, 3))
    .map((all) => all.filter(({ actions }) => actions.length > 0)),
});
