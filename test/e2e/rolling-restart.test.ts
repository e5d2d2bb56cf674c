import Anthropic from '@anthropic-ai/sdk';
import type { BetaManagedAgentsSessionEvent } from '@anthropic-ai/sdk/resources/beta/sessions/events';
import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { buildHouse, type House, type HouseProcess } from '../support/house.ts';
import { startTestModel } from '../support/model.ts';
import { HELLO, plainAnswer, SEEN } from '../support/plain-answers.ts';

const PEOPLE = 4;
const PATIENCE_MS = 60_000;

/** As a load balancer does: requests go to a gateway that says it is ready, in turn. Nothing is ever tried again. */
function balancer(house: House, gateways: HouseProcess[]): () => Promise<Anthropic> {
  let turn = 0;
  return () =>
    eventually(async () => {
      turn += 1;
      const gateway = gateways[turn % gateways.length];
      const ready = await fetch(`${gateway?.url}/readyz`);
      if (gateway === undefined || ready.status !== 200) throw new Error('No gateway is ready');
      return new Anthropic({ baseURL: gateway.url, apiKey: house.api_key, maxRetries: 0 });
    }, PATIENCE_MS);
}

type Events = BetaManagedAgentsSessionEvent[];

async function listed(ready: () => Promise<Anthropic>, id: string): Promise<Events> {
  const all: Events = [];
  for await (const event of (await ready()).beta.sessions.events.list(id, { limit: 1000 })) all.push(event);
  return all;
}

/** Until the run that this message began has ended. */
function ended(ready: () => Promise<Anthropic>, id: string, reason: string, runs: number): Promise<Events> {
  return eventually(async () => {
    const events = await listed(ready, id);
    const ends = events.filter((event) => event.type === 'session.status_idle' && event.stop_reason.type === reason);
    if (ends.length !== runs || events.at(-1)?.type !== 'session.status_idle') {
      throw new Error(`Not ${reason} for the ${runs}th time:\n${events.map((event) => event.type).join('\n')}`);
    }
    return events;
  }, PATIENCE_MS);
}

/** Somebody who writes, waits for the answer, asks for a command, approves it, and writes again. */
async function person(ready: () => Promise<Anthropic>, id: string, going: () => boolean): Promise<number> {
  const send = async (event: Parameters<Anthropic['beta']['sessions']['events']['send']>[1]['events'][number]) => {
    await (await ready()).beta.sessions.events.send(id, { events: [event] });
  };
  let rounds = 0;
  while (going() || rounds === 0) {
    rounds += 1;
    await send({ type: 'user.message', content: [{ type: 'text', text: 'hello' }] });
    await ended(ready, id, 'end_turn', rounds * 2 - 1);
    await send({ type: 'user.message', content: [{ type: 'text', text: `run echo round ${rounds}` }] });
    const asked = await ended(ready, id, 'requires_action', rounds);
    const use = asked.findLast((event) => event.type === 'agent.tool_use');
    await send({ type: 'user.tool_confirmation', tool_use_id: use?.id ?? '', result: 'allow' });
    await ended(ready, id, 'end_turn', rounds * 2);
  }
  return rounds;
}

/** Follows a session as the SDK's documentation says: opens a stream, lists what came before it, and knows doubles by their id. */
async function follow(
  ready: () => Promise<Anthropic>,
  id: string,
  seen: Set<string>,
  over: AbortSignal,
): Promise<void> {
  while (!over.aborted) {
    const client = await ready();
    const stream = await client.beta.sessions.events.stream(id, {}, { signal: over });
    for (const event of await listed(ready, id)) seen.add(event.id);
    try {
      for await (const event of stream) if ('id' in event && typeof event.id === 'string') seen.add(event.id);
    } catch (error) {
      if (!over.aborted) throw error;
    }
  }
}

test('a rolling restart under load shows nobody an error, and everything is answered once', {
  timeout: 600_000,
}, async () => {
  await using model = await startTestModel();
  model.otherwise(plainAnswer);
  await using house = await buildHouse({
    ANTHROPIC_API_KEY: 'test',
    ANTHROPIC_BASE_URL: model.base_url,
    // Long enough for the balancer to have looked, and for a busy machine to lose nobody.
    DECKHAND_LEAVE_MS: '3000',
    DECKHAND_LEASE_MS: '20000',
  });
  const [one, two, ...workers] = await Promise.all([
    house.start('gateway'),
    house.start('gateway'),
    house.start('worker'),
    house.start('worker'),
  ]);
  const gateways = [one, two];
  const ready = balancer(house, gateways);
  const { beta } = await ready();
  const environment = await beta.environments.create({ name: 'lab' });
  const agent = await beta.agents.create({
    name: 'tester',
    model: 'claude-sonnet-5-5',
    tools: [{ type: 'agent_toolset_20260401', default_config: { permission_policy: { type: 'always_ask' } } }],
  });
  const ids = await Promise.all(
    Array.from({ length: PEOPLE }, async () => {
      return (await beta.sessions.create({ agent: agent.id, environment_id: environment.id })).id;
    }),
  );

  let going = true;
  const over = new AbortController();
  const seen = new Map(ids.map((id) => [id, new Set<string>()]));
  const followers = [...seen].map(([id, events]) => follow(ready, id, events, over.signal));
  const people = ids.map((id) => person(ready, id, () => going));
  // What fails must fail the test at once, and not after the restarts.
  const failed = Promise.all([...people, ...followers]);
  const restarted = (async () => {
    for (const [fleet, role] of [
      [gateways, 'gateway'],
      [workers, 'worker'],
    ] as const) {
      for (const [place, old] of fleet.entries()) {
        expect(await old.stop()).toBe(0);
        fleet[place] = await house.start(role);
      }
    }
    going = false;
  })();
  await Promise.race([restarted, failed.then(() => restarted)]);
  const rounds = await Promise.all(people);

  for (const [index, id] of ids.entries()) {
    const events = await listed(ready, id);
    const texts = events.flatMap((event) =>
      event.type === 'agent.message' ? event.content.map((block) => ('text' in block ? block.text : '')) : [],
    );
    expect(texts).toEqual(Array.from({ length: rounds[index] ?? 0 }, () => [HELLO, SEEN]).flat());
    expect(events.filter((event) => event.type === 'session.error')).toEqual([]);
    expect(events.filter((event) => event.type === 'agent.tool_result')).toHaveLength(rounds[index] ?? 0);
  }
  for (const [id, followed] of seen) {
    const log = await listed(ready, id);
    await eventually(() => expect(log.filter((event) => !followed.has(event.id))).toEqual([]), PATIENCE_MS);
  }
  over.abort();
  await Promise.all(followers);
});
