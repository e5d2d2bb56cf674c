import { expect } from 'vitest';
import { z } from 'zod';
import { createAskModel } from '../../../src/harness/model.ts';
import { takeTurn } from '../../../src/harness/turn.ts';
import type { SessionRef } from '../../../src/session/log.ts';
import { fold } from '../../../src/session/state.ts';
import { defineTool, toolText } from '../../../src/tools/tool.ts';
import { startTestModel } from '../model.ts';
import { refusalOf } from '../request-rules.ts';
import { SECRETS } from './secrets.ts';
import type { World } from './world.ts';

/** A worker for a world of gateways alone: it takes turns when it is told to. */
export interface FuzzWorker extends AsyncDisposable {
  /**
   * Take the turns that a session is owed. Whatever was accepted, none of them throws, each request is one that Claude's API
   * would take, and the session comes to rest without an error.
   */
  settle(ref: SessionRef): Promise<void>;
}

/** More turns than any session here has reason for. */
const MOST_TURNS = 5;

/** Runs whatever was approved, and does nothing. */
const bash = defineTool({
  name: 'bash',
  description: 'Nothing.',
  input: z.looseObject({}),
  idempotent: false,
  parallel: false,
  describe: () => ({ title: 'Nothing', summary: 'nothing', detail: 'nothing' }),
  run: async () => toolText('Nothing.'),
});

export async function startFuzzWorker({ context }: World): Promise<FuzzWorker> {
  const model = await startTestModel();
  model.otherwise({ text: 'I have read it.' });
  const ask = createAskModel({ api_key: SECRETS.anthropic_key, base_url: model.base_url });
  const deps = { ...context.turn, ask, tools: [bash] };

  return {
    async settle(ref) {
      model.forget();
      const { seq } = await context.log.head(ref);
      for (let turns = 0; (await context.log.head(ref)).owed; turns++) {
        expect(turns, 'turns that were taken and did not end what is owed').toBeLessThan(MOST_TURNS);
        await takeTurn(deps, ref, new AbortController().signal);
      }
      const entries = await context.log.read(ref);
      expect(fold(entries).status).toBe('idle');
      const said = entries.filter((entry) => entry.seq > seq);
      expect(said.filter(({ event }) => event.type === 'session.error')).toEqual([]);
      for (const request of model.requests) expect(refusalOf(request)).toBeNull();
    },
    [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
  };
}
