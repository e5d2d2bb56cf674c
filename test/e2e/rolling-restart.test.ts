import { setMaxListeners } from 'node:events';
import Anthropic from '@anthropic-ai/sdk';
import type { BetaManagedAgentsSessionEvent } from '@anthropic-ai/sdk/resources/beta/sessions/events';
import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { buildHouse } from '../support/house.ts';
import { startTestModel } from '../support/model.ts';
import { lines, plainAnswer, SEEN } from '../support/plain-answers.ts';
import { LEAVE_MS, startProbedBalancer } from '../support/probed-balancer.ts';
import { startRolling } from '../support/rolling.ts';

const PEOPLE = 24;
const PATIENCE_MS = 120_000;

/** An answer is under way for two seconds: most of the time most of these people are in the middle of one. */
const LINES = 8;
const WORDS_PER_S = 20;

type Sessions = Anthropic['beta']['sessions'];
type Events = BetaManagedAgentsSessionEvent[];

async function listed(sessions: Sessions, id: string): Promise<Events> {
  const all: Events = [];
  for await (const event of sessions.events.list(id, { limit: 1000 })) all.push(event);
  return all;
}

/**
 * What somebody knows who follows a session as the SDK's documentation says: opens a stream, lists what came before it, and
 * knows doubles by their id.
 */
interface Follower {
  events: Events;
  /** How often a piece of an answer came before the answer. */
  pieces: number;
  /** Until it is over. @throws whatever a stream or a list throws */
  done: Promise<void>;
}

function follow(sessions: Sessions, id: string, over: AbortSignal): Follower {
  const seen = new Set<string>();
  const follower: Follower = { events: [], pieces: 0, done: Promise.resolve() };
  const hear = (event: Events[number]) => {
    if (seen.has(event.id)) return;
    seen.add(event.id);
    follower.events.push(event);
  };
  async function go(): Promise<void> {
    while (!over.aborted) {
      try {
        const stream = await sessions.events.stream(id, { event_deltas: ['agent.message'] }, { signal: over });
        for (const event of await listed(sessions, id)) hear(event);
        for await (const event of stream) {
          if (event.type === 'event_delta') follower.pieces += 1;
          else if (event.type !== 'event_start') hear(event);
        }
      } catch (error) {
        if (!over.aborted) throw error;
      }
    }
  }
  follower.done = go();
  return follower;
}

/** Until the run that this message began has ended. */
function ended({ events }: Follower, reason: string, runs: number): Promise<Events> {
  return eventually(() => {
    const ends = events.filter((event) => event.type === 'session.status_idle' && event.stop_reason.type === reason);
    if (ends.length !== runs || events.at(-1)?.type !== 'session.status_idle') {
      throw new Error(`Not ${reason} for the ${runs}th time:\n${events.map((event) => event.type).join('\n')}`);
    }
    return events;
  }, PATIENCE_MS);
}

/** Somebody who writes, waits for the answer, asks for a command, approves it, and writes again. */
async function person(sessions: Sessions, id: string, follower: Follower, going: () => boolean): Promise<number> {
  const send = async (event: Parameters<Sessions['events']['send']>[1]['events'][number]) => {
    await sessions.events.send(id, { events: [event] });
  };
  let rounds = 0;
  while (going() || rounds === 0) {
    rounds += 1;
    await send({ type: 'user.message', content: [{ type: 'text', text: `write ${LINES} lines` }] });
    await ended(follower, 'end_turn', rounds * 2 - 1);
    await send({ type: 'user.message', content: [{ type: 'text', text: `run echo round ${rounds}` }] });
    const asked = await ended(follower, 'requires_action', rounds);
    const use = asked.findLast((event) => event.type === 'agent.tool_use');
    await send({ type: 'user.tool_confirmation', tool_use_id: use?.id ?? '', result: 'allow' });
    await ended(follower, 'end_turn', rounds * 2);
  }
  return rounds;
}

test('a rolling restart under load shows nobody an error, and everything is answered once', {
  timeout: 600_000,
}, async () => {
  await using model = await startTestModel();
  model.otherwise((request) => ({ ...plainAnswer(request), tokens_per_second: WORDS_PER_S }));
  await using balancer = await startProbedBalancer();
  await using house = await buildHouse({
    ANTHROPIC_API_KEY: 'test',
    ANTHROPIC_BASE_URL: model.base_url,
    DECKHAND_LEAVE_MS: String(LEAVE_MS),
    // Long enough for a busy machine to lose nobody.
    DECKHAND_LEASE_MS: '20000',
  });
  const rolling = await startRolling(house, balancer);
  // Nothing is ever tried again.
  const { beta } = new Anthropic({ baseURL: balancer.url, apiKey: house.api_key, maxRetries: 0 });
  const { sessions } = beta;
  const environment = await beta.environments.create({ name: 'lab' });
  const agent = await beta.agents.create({
    name: 'tester',
    model: 'claude-sonnet-5-5',
    tools: [{ type: 'agent_toolset_20260401', default_config: { permission_policy: { type: 'always_ask' } } }],
  });
  const ids = await Promise.all(
    Array.from({ length: PEOPLE }, async () => {
      return (await sessions.create({ agent: agent.id, environment_id: environment.id })).id;
    }),
  );

  let going = true;
  const over = new AbortController();
  // Each of the crowd listens for the end.
  setMaxListeners(PEOPLE * 2, over.signal);
  const crowd = ids.map((id) => {
    const follower = follow(sessions, id, over.signal);
    return { id, follower, rounds: person(sessions, id, follower, () => going) };
  });
  // What fails must fail the test at once, and not after the restarts.
  const failed = Promise.all(crowd.flatMap(({ rounds, follower }) => [rounds, follower.done]));
  const restarted = rolling.restart().then(() => {
    going = false;
  });
  await Promise.race([restarted, failed.then(() => restarted)]);

  for (const { id, follower, rounds: all } of crowd) {
    const rounds = await Promise.race([all, follower.done.then(() => all)]);
    const log = await listed(sessions, id);
    const texts = log.flatMap((event) =>
      event.type === 'agent.message' ? event.content.map((block) => ('text' in block ? block.text : '')) : [],
    );
    expect(texts).toEqual(Array.from({ length: rounds }, () => [lines(LINES, 'the answer'), SEEN]).flat());
    expect(log.filter((event) => event.type === 'session.error')).toEqual([]);
    expect(log.filter((event) => event.type === 'agent.tool_result')).toHaveLength(rounds);
    await eventually(() => {
      const heard = new Set(follower.events.map((event) => event.id));
      expect(log.filter((event) => !heard.has(event.id))).toEqual([]);
    }, PATIENCE_MS);
    expect(follower.pieces).toBeGreaterThan(0);
  }
  over.abort();
  await Promise.all(crowd.map(({ follower }) => follower.done));
});
