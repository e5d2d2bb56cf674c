import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { WebMessage } from '../../connectors/web/wire.ts';
import { eventually } from '../support/eventually.ts';
import { buildHouse, type House } from '../support/house.ts';
import { startTestModel } from '../support/model.ts';
import { type OpenPage, openPage } from '../support/open-page.ts';
import { LEAVE_MS, startProbedBalancer } from '../support/probed-balancer.ts';
import { askFirst, startRolling } from '../support/rolling.ts';
import { FIRST, sayOrDo } from '../support/say-or-do.ts';
import { createWebClient, type WebClient } from '../support/web-client.ts';

const PEOPLE = 10;
const PATIENCE_MS = 120_000;

/** A whole text of the agent's. */
function answerOf({ author, body }: WebMessage): string | undefined {
  return author.kind === 'agent' && body.kind === 'text' && !body.live ? body.markdown : undefined;
}

/** Somebody who writes, waits for the answer, asks for a command, approves it, and writes again. Nothing is tried twice. */
async function person(client: WebClient, page: OpenPage, id: string, name: string, going: () => boolean) {
  const answers: string[] = [];
  /** Until the page shows it. */
  function sees<T>(what: (message: WebMessage) => T | false | undefined): Promise<T> {
    const look = () => page.shown().messages.map(what).find(Boolean) || expect.unreachable('Not there yet');
    return eventually(look, PATIENCE_MS).catch((cause: unknown) => {
      throw new Error(`It never came:\n${JSON.stringify(page.shown().messages, null, 2)}`, { cause });
    });
  }
  async function says(text: string): Promise<void> {
    const { receipt, message } = await client.say(id, text);
    expect([receipt.effect, message.refusal]).toEqual(['accepted', null]);
  }
  async function hears(words: string): Promise<void> {
    answers.push(`${FIRST}${words}`);
    await sees((message) => answerOf(message)?.endsWith(words));
  }
  const done: string[] = [];
  while (going() || done.length === 0) {
    const x = `${name}-${done.length + 1}`;
    await says(`say ${x}`);
    await hears(`Said ${x}.`);
    await says(`do ${x}`);
    const card = await sees(({ body }) => body.kind === 'approval' && body.card.detail.includes(`${x} `) && body.card);
    const { effect } = await client.decide(id, card.approval_id, 'allow');
    expect(effect).toBe('accepted');
    done.push(x);
    await hears(`Did ${x}.`);
  }
  return { answers, done };
}

/** What a reload would show, all of it. */
async function listed(client: WebClient, id: string): Promise<WebMessage[]> {
  const detail = await client.open(id);
  const all = [...detail.messages];
  for (let { earlier } = detail; earlier; ) {
    const before = `/web/conversations/${id}/messages?before=${all[0]?.seq}`;
    const page = await client.call<{ messages: WebMessage[]; earlier: boolean }>('GET', before);
    all.unshift(...page.messages);
    earlier = page.earlier;
  }
  return all;
}

/** What the commands of all sessions left in their files, on all machines. */
async function traces({ data_dir }: House): Promise<string[]> {
  const files = (await readdir(data_dir, { recursive: true })).filter((path) => path.endsWith('/files/trace'));
  const contents = await Promise.all(files.map((path) => readFile(join(data_dir, path), 'utf8')));
  return contents.flatMap((content) => content.split('\n').filter(Boolean));
}

test('a rolling restart while people are at the page shows nobody an error, and everything is answered once', {
  timeout: 600_000,
}, async () => {
  await using model = await startTestModel();
  model.otherwise(sayOrDo);
  await using balancer = await startProbedBalancer();
  await using house = await buildHouse({
    ANTHROPIC_API_KEY: 'test',
    ANTHROPIC_BASE_URL: model.base_url,
    DECKHAND_LEAVE_MS: String(LEAVE_MS),
    // Long enough for a busy machine to lose nobody.
    DECKHAND_LEASE_MS: '20000',
  });
  const rolling = await startRolling(house, balancer);
  await askFirst(house, balancer);

  let going = true;
  const people = await Promise.all(
    Array.from({ length: PEOPLE }, async (_, n) => {
      const client = createWebClient(balancer.url);
      await client.signIn(`person-${n}`, house.api_key);
      const { id } = await client.begin();
      const page = openPage(client, await client.open(id));
      return { client, id, page, life: person(client, page, id, `p${n}`, () => going) };
    }),
  );
  // What fails must fail the test at once, and not after the restarts.
  const failed = Promise.all(people.flatMap(({ life, page }) => [life, page.done]));
  const restarted = rolling.restart().then(() => {
    going = false;
  });
  await Promise.race([restarted, failed.then(() => restarted)]);

  // No page is closed yet, so that `failed` can only fail.
  const lives = await Promise.race([Promise.all(people.map(({ life }) => life)), failed.then(() => [])]);
  const ran = await traces(house);
  for (const [n, { client, id, page }] of people.entries()) {
    const { answers, done } = lives[n] ?? expect.unreachable();
    // What the page was told says the same as a reload, and nothing was told twice.
    await eventually(async () => expect(page.shown().messages).toEqual(await listed(client, id)), PATIENCE_MS);
    expect(page.revisions).toEqual([...new Set(page.revisions)].toSorted((a, b) => a - b));
    const { messages } = page.shown();
    expect(messages.map(answerOf).filter((text) => text !== undefined)).toEqual(answers);
    expect(messages.filter(({ author }) => author.kind === 'person')).toHaveLength(answers.length);
    const kinds = new Set(messages.map(({ body }) => body.kind));
    expect(kinds).toEqual(new Set(['text', 'approval', 'activity']));
    expect(page.deltas).toBeGreaterThan(0);
    // Both gateways left, so each stream has ended once at least.
    expect(page.streams).toBeGreaterThan(1);

    const calls = messages.flatMap(({ body }) => (body.kind === 'activity' ? [body.activity] : []));
    expect(calls).toHaveLength(done.length);
    for (const [index, x] of done.entries()) {
      const times = ran.filter((line) => line === x).length;
      // One that a worker was at when it left is interrupted, and Claude and the page are told.
      if (calls[index]?.status === 'failed') expect(calls[index]?.output).toMatch(/interrupted/i);
      else expect([x, calls[index]?.status, times]).toEqual([x, 'done', 1]);
      expect(times).toBeLessThan(2);
    }
    await page.close();
  }
  const { db } = house.database;
  expect(await db.collection('sessions').countDocuments()).toBe(PEOPLE);
  expect(await db.collection('sessions').countDocuments({ 'log.tail.event.type': 'session.error' })).toBe(0);
  expect(await db.collection('session_events').countDocuments({ type: 'session.error' })).toBe(0);
});
