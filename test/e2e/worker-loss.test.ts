import { readdirSync, readFileSync } from 'node:fs';
import type { BetaManagedAgentsSessionEvent } from '@anthropic-ai/sdk/resources/beta/sessions/events';
import { Redis } from 'ioredis';
import { expect, inject, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { buildHouse, type House, type HouseProcess } from '../support/house.ts';
import { type HouseSession, openSession } from '../support/house-session.ts';
import { startTestModel, type TestModel } from '../support/model.ts';

/** Recovery takes about two seconds here (the lease of these houses is 1 s); a loaded machine gets more. */
const PATIENCE_MS = 15_000;

interface Scene {
  house: House;
  model: TestModel;
  worker: HouseProcess;
  session: HouseSession;
  /** The session's log once it is idle for this reason. */
  idle(reason: string): Promise<BetaManagedAgentsSessionEvent[]>;
}

/** A gateway, one worker, and a session whose bash runs at once or asks first. */
async function onScene(bash: 'always_allow' | 'always_ask', story: (scene: Scene) => Promise<void>): Promise<void> {
  await using model = await startTestModel();
  await using house = await buildHouse({ ANTHROPIC_API_KEY: 'test', ANTHROPIC_BASE_URL: model.base_url });
  const [gateway, worker] = await Promise.all([house.start('gateway'), house.start('worker')]);
  const session = await openSession(house, gateway, bash);

  await story({
    house,
    model,
    worker,
    session,
    idle: (reason) =>
      eventually(async () => {
        const all = await session.events();
        const last = all.at(-1);
        if (last?.type !== 'session.status_idle' || last.stop_reason.type !== reason) {
          throw new Error(`Not idle with ${reason}:\n${all.map((event) => event.type).join('\n')}`);
        }
        return all;
      }, PATIENCE_MS),
  });
}

function textsOf(events: BetaManagedAgentsSessionEvent[]): string[] {
  return events.flatMap((event) =>
    event.type === 'agent.message' ? event.content.map((block) => (block.type === 'text' ? block.text : '')) : [],
  );
}

/** Processes of this machine whose command line holds these words. */
function processesWith(words: string): number[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').includes(words) ? [Number(pid)] : [];
    } catch {
      return [];
    }
  });
}

test('a worker killed while Claude answers: another asks again, and one answer is given', () =>
  onScene('always_allow', async ({ house, model, worker, session, idle }) => {
    const held = model.replyHeld({ text: 'half an answer' });
    model.reply({ text: 'A whole answer.' });
    await session.say('hello');
    await held.asked;
    await house.start('worker');
    await worker.kill();

    const events = await idle('end_turn');
    held.release();
    expect(textsOf(events)).toEqual(['A whole answer.']);
    expect(events.filter((event) => event.type === 'session.error')).toMatchObject([
      { error: { type: 'unknown_error', retry_status: { type: 'retrying' } } },
    ]);
  }));

test('a worker killed while a command runs: the command ends with it and is not run again', () =>
  onScene('always_allow', async ({ house, model, worker, session, idle }) => {
    model.reply({ tool_uses: [{ name: 'bash', input: { command: 'sleep 271.3' } }] }, { text: 'I will look first.' });
    await session.say('sleep');
    await eventually(() => {
      expect(processesWith('sleep 271.3')).not.toEqual([]);
    }, 10_000);
    await house.start('worker');
    await worker.kill();

    const events = await idle('end_turn');
    const results = events.filter((event) => event.type === 'agent.tool_result');
    expect(results).toMatchObject([{ is_error: true }]);
    expect(JSON.stringify(results)).toContain('was lost before the result was recorded');
    expect(textsOf(events)).toEqual(['I will look first.']);
    await eventually(() => {
      expect(processesWith('sleep 271.3')).toEqual([]);
    });
  }));

test('a worker killed while an approval waits: the click is honoured by another, once', () =>
  onScene('always_ask', async ({ house, model, worker, session, idle }) => {
    model.reply(
      { tool_uses: [{ name: 'bash', input: { command: 'echo ran >> log; wc -l < log' } }] },
      { text: 'Done.' },
    );
    await session.say('go');
    const asked = await idle('requires_action');
    await worker.kill();

    const use = asked.find((event) => event.type === 'agent.tool_use');
    const confirmation = { type: 'user.tool_confirmation', tool_use_id: use?.id ?? '', result: 'allow' } as const;
    await session.sessions.events.send(session.id, { events: [confirmation] });
    await expect(session.sessions.events.send(session.id, { events: [confirmation] })).rejects.toMatchObject({
      status: 400,
    });
    await house.start('worker');

    const events = await idle('end_turn');
    const results = events.filter((event) => event.type === 'agent.tool_result');
    expect(results).toMatchObject([{ content: [{ text: '1' }], is_error: false }]);
    expect(textsOf(events)).toEqual(['Done.']);
  }));

test('Redis flushed while a turn is owed: the sweep finds it', () =>
  onScene('always_allow', async ({ house, model, worker, session, idle }) => {
    await worker.kill();
    model.reply({ text: 'Found it.' });
    await session.say('hello');
    const redis = new Redis(inject('redis_url'));
    const keys = await redis.keys(`deckhand:${house.database.name}*`);
    if (keys.length > 0) await redis.del(...keys);
    redis.disconnect();
    await house.start('worker');
    expect(textsOf(await idle('end_turn'))).toEqual(['Found it.']);
  }));
