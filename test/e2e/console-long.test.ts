import { describe, expect, it } from 'vitest';
import type { MessageDocument } from '../../connectors/web/message-document.ts';
import { useConsoleStage } from '../support/console-stage.ts';
import { eventually } from '../support/eventually.ts';
import type { ConsolePage } from '../support/page.ts';

const stage = useConsoleStage();
const SLOW = { timeout: 120_000 };

/** A conversation that holds so many more messages of the agent's than the one that began it. */
async function grown(ana: ConsolePage, count: number, text: (n: number) => string): Promise<string> {
  await ana.say('Tell me everything');
  const id = await ana.conversationId();
  await ana.message('Tell me everything').waitFor();
  const messages = stage.database.db.collection<MessageDocument>('web_messages');
  const first = await messages.findOne({ conversation_id: id });
  if (first === null) throw new Error('Nothing was said');
  const created_at = new Date();
  const documents = Array.from(
    { length: count },
    (_, n): MessageDocument => ({
      _id: `msg_${n}`,
      workspace_id: first.workspace_id,
      conversation_id: id,
      seq: first.revision + 1 + n,
      revision: first.revision + 1 + n,
      delivery_id: `dlv_${n}`,
      author: { kind: 'agent', name: 'Deckhand' },
      audience: null,
      body: { kind: 'text', markdown: text(n), live: false },
      created_at,
      refusal: null,
      received: true,
    }),
  );
  for (let n = 0; n < count; n += 1_000) await messages.insertMany(documents.slice(n, n + 1_000));
  return id;
}

/** How many bytes this page has been sent by each request for what is said, its event stream included. */
async function countBytes({ page }: ConsolePage): Promise<() => number[]> {
  const session = await page.context().newCDPSession(page);
  await session.send('Network.enable');
  const bytes = new Map<string, number>();
  session.on('Network.requestWillBeSent', ({ requestId, request }) => {
    if (new URL(request.url).pathname.startsWith('/web/')) bytes.set(requestId, 0);
  });
  session.on('Network.dataReceived', ({ requestId, dataLength }) => {
    const before = bytes.get(requestId);
    if (before !== undefined) bytes.set(requestId, before + dataLength);
  });
  return () => [...bytes.values()];
}

const sum = (numbers: number[]) => numbers.reduce((all, one) => all + one, 0);

/** Earlier messages come when they are asked for, so many pixels below the top, and what was being read moves nowhere. */
async function stays(ana: ConsolePage, read: string, earlier: string, scrollTop: number): Promise<void> {
  const region = ana.page.getByRole('region', { name: 'Messages' });
  // The top is not the bottom: once the button offers the way back, nothing follows the newest any more.
  await region.evaluate((element) => element.scrollTo({ top: 0 }));
  await ana.page.getByRole('button', { name: 'Latest' }).waitFor();
  await region.evaluate((element, top) => element.scrollTo({ top }), scrollTop);
  const place = async () => Math.round((await ana.message(read).boundingBox())?.y ?? Number.NaN);
  const before = await place();
  // A click of the mouse would scroll to the button first.
  await ana.page.getByRole('button', { name: 'Show earlier messages' }).dispatchEvent('click');
  await ana.message(earlier).waitFor();
  expect(await place()).toBe(before);
}

describe('a conversation of 10,000 messages on the page', () => {
  it('opens with the last of them, and the older ones come when they are asked for', SLOW, async () => {
    const ana = await stage.enter('Ana');
    const id = await grown(ana, 10_000, (n) => `message ${n}.`);
    const bytes = await countBytes(ana);
    await ana.goto(`/c/${id}`);
    await ana.message('message 9999.').waitFor();
    expect(await ana.messages.count()).toBe(100);
    expect(sum(bytes())).toBeLessThan(150_000);
    // New words still arrive, and bring only themselves.
    await stage.crew.say(await stage.keyOf(ana), 'And that is all.');
    await ana.message('And that is all.').waitFor();

    await stays(ana, 'message 9901.', 'message 9800.', 0);
    expect(await ana.messages.count()).toBe(201);
    // Not at the very top the browser keeps the place too, once would be twice.
    await stays(ana, 'message 9801.', 'message 9700.', 40);
    expect(sum(bytes())).toBeLessThan(250_000);
  });

  it('is sent in light pieces when its messages are heavy', SLOW, async () => {
    const ana = await stage.enter('Ana');
    const id = await grown(ana, 300, (n) => `message ${n}. ${'x'.repeat(31_000)}`);
    const bytes = await countBytes(ana);
    await ana.goto(`/c/${id}`);
    await ana.message('message 299.').waitFor();
    // Less than half a MiB of messages at a time.
    expect(Math.max(...bytes())).toBeLessThan(600_000);
    const shown = await ana.messages.count();
    await ana.page.getByRole('button', { name: 'Show earlier messages' }).click();
    await eventually(async () => expect(await ana.messages.count()).toBe(2 * shown));
    await ana.message(`message ${300 - 2 * shown}.`).waitFor();
    expect(Math.max(...bytes())).toBeLessThan(600_000);
    expect(sum(bytes())).toBeLessThan(2_000_000);
  });
});
