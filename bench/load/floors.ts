import { randomUUID } from 'node:crypto';
import { type Addresses, openHops, openModel, openWrites } from './least-parts.ts';
import { openBareShell } from './sandbox-floor.ts';
import { msOf, type Timed, timed } from './timed.ts';

/** In ms. */
export interface LeastTurn {
  /** The first of its writes. */
  write: number;
  hop: number;
  model: number;
  /** The message is written, BullMQ brings it to a worker, the lease and the request are written together. */
  to_model: number;
  /** Then the stand-in answers, and that is written. */
  total: number;
}

/** What a one-message turn cannot do without, one after the other, in one process and with nothing around it. */
export async function leastTurns(
  request: Addresses & { count: number; concurrency: number },
): Promise<Timed<LeastTurn>> {
  await using writes = openWrites(request);
  await using hops = await openHops(request, request.concurrency);
  const ask = openModel(request);
  return await timed(request.count, request.concurrency, async () => {
    const log = randomUUID();
    const write = await msOf(() => writes.write(log));
    const hop = await msOf(() => hops.hop());
    const to_model = write + hop + (await msOf(() => writes.write(log)));
    const model = await msOf(() => ask());
    const total = to_model + model + (await msOf(() => writes.write(log)));
    return { write, hop, model, to_model, total };
  });
}

/** In ms. */
export interface LeastCall {
  model: number;
  /** The first of its writes. */
  write: number;
  command: number;
  total: number;
}

/**
 * What one more tool call cannot do without, one after the other: Claude asks for it, that is written before it may have
 * an effect, a shell that is there already runs it, and its result is written.
 */
export async function leastCalls(request: Addresses & { count: number }): Promise<Timed<LeastCall>> {
  await using writes = openWrites(request);
  await using shell = openBareShell();
  const ask = openModel(request);
  return await timed(request.count, 1, async () => {
    const log = randomUUID();
    const model = await msOf(() => ask());
    const write = await msOf(() => writes.write(log));
    const command = await msOf(() => shell.run(`echo ${log}`, log));
    const total = model + write + command + (await msOf(() => writes.write(log)));
    return { model, write, command, total };
  });
}
