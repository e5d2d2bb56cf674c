import Anthropic from '@anthropic-ai/sdk';
import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { buildHouse } from '../support/house.ts';
import { startTestModel } from '../support/model.ts';

const SESSIONS = 300;
const TEXT = Array.from({ length: 40 }, (_, n) => `word${n}`).join(' ');

test(`${SESSIONS} sessions stream at once in one worker, each to its end and whole`, { timeout: 240_000 }, async () => {
  await using model = await startTestModel();
  let open = 0;
  let most = 0;
  // As slow as a real one, so that all of them are under way together.
  model.otherwise(async () => {
    open += 1;
    most = Math.max(most, open);
    await allAsked;
    return { text: TEXT, tokens_per_second: 40 };
  });
  let letGo: () => void = () => undefined;
  const allAsked = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  await using house = await buildHouse({
    ANTHROPIC_API_KEY: 'test',
    ANTHROPIC_BASE_URL: model.base_url,
    DECKHAND_CONCURRENCY: String(SESSIONS),
    DECKHAND_LEASE_MS: '10000',
  });
  const [gateway] = await Promise.all([house.start('gateway'), house.start('worker')]);
  const client = new Anthropic({ baseURL: gateway.url, apiKey: house.api_key });
  const [agent] = (await client.beta.agents.list()).data;
  const [environment] = (await client.beta.environments.list()).data;
  if (agent === undefined || environment === undefined) throw new Error('There are no defaults');

  async function run(n: number): Promise<{ types: string[]; text: string }> {
    const session = await client.beta.sessions.create({
      agent: agent?.id ?? '',
      environment_id: environment?.id ?? '',
    });
    const stream = await client.beta.sessions.events.stream(session.id);
    const content = [{ type: 'text' as const, text: `say it ${n}` }];
    await client.beta.sessions.events.send(session.id, { events: [{ type: 'user.message', content }] });
    const types: string[] = [];
    let text = '';
    for await (const event of stream) {
      types.push(event.type);
      if (event.type === 'agent.message')
        text += event.content.map((block) => ('text' in block ? block.text : '')).join('');
      if (event.type === 'session.status_idle') break;
    }
    return { types, text };
  }

  const running = Array.from({ length: SESSIONS }, (_, n) => run(n));
  await eventually(() => expect(open).toBe(SESSIONS), 150_000);
  letGo();
  const ends = await Promise.all(running);
  expect(most).toBe(SESSIONS);
  expect(ends.filter((end) => end.text !== TEXT)).toEqual([]);
  expect(ends.filter((end) => end.types.includes('session.error'))).toEqual([]);
});
