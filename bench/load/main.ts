import { serve } from '../processes/serve.mjs';
import { leastCalls, leastTurns } from './floors.ts';
import { leastOfLengths } from './length-floor.ts';
import { bareBwrap } from './sandbox-floor.ts';
import { type PreparedTurns, prepareTurns, sendAll, type TurnsRequest } from './turns.ts';

/** The load generator: a process of its own, so that what it costs is not counted as the server's. */
let prepared: PreparedTurns | null = null;

const handlers = {
  async prepareTurns(request: TurnsRequest) {
    prepared = await prepareTurns(request);
  },
  /** Run what was prepared last. */
  async runTurns() {
    if (prepared === null) throw new Error('No turns are prepared');
    const turns = prepared;
    prepared = null;
    return turns.run();
  },
  sendAll,
  leastTurns,
  leastCalls,
  leastOfLengths,
  bareBwrap,
};
export type LoadHandlers = typeof handlers;
serve(handlers);
