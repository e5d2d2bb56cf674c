import { beforeEach, describe, expect, it } from 'vitest';
import { type Connector, FileUnavailableError, RateLimitedError } from '../../../src/chat/connector.ts';
import type { InboundFile, InboundMessage } from '../../../src/chat/inbound.ts';
import { createInboundStore } from '../../../src/chat/inbound-store.ts';
import { ends, says } from '../../support/chat-events.ts';
import { type PatientReceiver, said } from '../../support/chat-stage.ts';
import { agentOf, commanded } from '../../support/commands.ts';
import { deferred } from '../../support/deferred.ts';
import { eventually } from '../../support/eventually.ts';
import { createPlatform } from '../../support/fake-connector.ts';
import { png } from '../../support/images.ts';
import { useChatStage } from '../../support/use-chat-stage.ts';

const stage = useChatStage();
/** What the next openings and downloads do instead of giving a file. */
let faults: Array<{ at: 'open' | 'download'; error: Error }>;
let opened: string[];
/** Of which bytes were asked for. */
let fetched: string[];
/** Whether the platform says how large a file is. */
let sizeSaid: boolean;
let contents: Map<string, { name: string; mime_type: string; bytes: Buffer }>;

beforeEach(() => {
  faults = [];
  opened = [];
  fetched = [];
  sizeSaid = true;
  contents = new Map();
});

function has(
  id: string,
  name: string,
  bytes: Buffer | string = `bytes of ${id}`,
  mime_type = 'text/plain',
): InboundFile {
  contents.set(id, { name, mime_type, bytes: Buffer.from(bytes) });
  return { id, name };
}

const connector = (): Connector => ({
  ...createPlatform().connector(),
  async openFile(_conversation, { id }) {
    opened.push(id);
    const fault = faults[0];
    if (fault?.at === 'open') throw faults.shift()?.error;
    const file = contents.get(id);
    if (file === undefined) throw new FileUnavailableError('it was deleted');
    return {
      ...file,
      size_bytes: sizeSaid ? file.bytes.length : null,
      async *content() {
        fetched.push(id);
        yield file.bytes.subarray(0, 1);
        if (fault?.at === 'download') throw faults.shift()?.error;
        yield file.bytes.subarray(1);
      },
    };
  },
});

const receiver = (): PatientReceiver => stage.receiver({ connectors: new Map([['test', connector()]]) });

/** What stands in the log, without what is no text. */
async function told(): Promise<string[]> {
  const messages = await stage.entries('user.message');
  return messages.map(({ event }) =>
    event.content.map((block) => ('text' in block ? block.text : block.type)).join('|'),
  );
}

async function keptFiles(): Promise<Array<[string, string]>> {
  const { items } = await stage.files.list(stage.defaults.workspace_id, { order: 'asc' });
  const found: Array<[string, string]> = [];
  for (const file of items) {
    const pieces: Uint8Array[] = [];
    for await (const piece of stage.files.read(file)) pieces.push(piece);
    found.push([file.filename, Buffer.concat(pieces).toString()]);
  }
  return found;
}

/** Kept by a gateway that died. */
async function leftBehind(...messages: InboundMessage[]): Promise<void> {
  const store = createInboundStore(stage.db, 0);
  for (const message of messages) expect(await store.keep({ kind: 'message', message })).not.toBeNull();
}

describe('what is attached to a message', () => {
  it('is in the session’s files, and the agent is told where, what and how large it is', async () => {
    const files = [has('F1', 'plan.pdf', 'a plan', 'application/pdf'), has('F2', '../plan.pdf'), has('F3', 'plan.pdf')];
    const receipt = await receiver().message(said('look at these', { files }));
    expect(receipt).toEqual({ effect: 'accepted', text: null });
    expect(await told()).toEqual([
      [
        'look at these|Attached files, read-only in the sandbox:',
        '- /mnt/session/uploads/plan.pdf (application/pdf, 6 bytes)',
        '- /mnt/session/uploads/___plan.pdf (text/plain, 11 bytes)',
        '- /mnt/session/uploads/plan-2.pdf (text/plain, 11 bytes)',
      ].join('\n'),
    ]);
    const [ref] = await stage.refs();
    expect(ref && (await stage.files.uploads(ref)).map((file) => file.filename).toSorted()).toEqual(
      (await keptFiles()).map(([name]) => name).toSorted(),
    );
  });

  it('needs no words, and then names the session', async () => {
    const receipt = await receiver().message(said('', { files: [has('F1', 'quarterly report.pdf')] }));
    expect(receipt.effect).toBe('accepted');
    expect((await told())[0]).toMatch(/^Attached files/);
    const { items } = await stage.sessions.list(stage.defaults.workspace_id, {});
    expect(items[0]?.title).toBe('quarterly report.pdf');
  });

  it('is shown when Claude can see it, by what it is and not by what it is called', async () => {
    const files = [
      has('F1', 'cat.png', png(), 'image/png'),
      has('F2', 'huge.png', png(9_000, 1), 'image/png'),
      has('F3', 'fake.png', 'no image', 'image/png'),
    ];
    await receiver().message(said('a cat', { files }));
    const [message] = await stage.entries('user.message');
    const { items } = await stage.files.list(stage.defaults.workspace_id, {});
    const cat = items.find((file) => file.filename === 'cat.png');
    expect(message?.event.content.slice(2)).toEqual([{ type: 'image', source: { type: 'file', file_id: cat?._id } }]);
    expect((await told())[0]).toMatch(/cat\.png \(image\/png, 33 bytes, shown below\)\n.*33 bytes\)\n/);
  });

  it('comes once, however often its message is delivered, doubled and raced', async () => {
    const message = said('once', { files: [has('F1', 'a.txt')] });
    const gateways = [receiver(), receiver(), receiver()];
    await Promise.all(gateways.map((gateway) => gateway.message(message)));
    await gateways[0]?.message({ ...message, event_id: 'EvAgain' });
    expect(await keptFiles()).toEqual([['a.txt', 'bytes of F1']]);
    expect(await told()).toHaveLength(1);
    expect(opened).toEqual(['F1']);
  });

  it('is fetched by another gateway when the first died, and what is there already is not fetched again', async () => {
    const files = [has('F1', 'a.txt'), has('F2', 'b.txt')];
    const [reached, never] = [deferred<void>(), deferred<void>()];
    const dying: Connector = {
      ...connector(),
      async openFile(conversation, file, signal) {
        if (file.id === 'F2') {
          reached.resolve();
          await never.promise;
        }
        const whole = connector().openFile;
        if (whole === undefined) throw new Error('It opens files');
        return whole(conversation, file, signal);
      },
    };
    const first = stage.receiver({ connectors: new Map([['test', dying]]) });
    void first.message(said('two', { files }));
    await reached.promise;
    await stage.silence(60_000);
    expect(await receiver().sweepNow()).toBe(1);
    expect(opened).toEqual(['F1', 'F2']);
    expect((await keptFiles()).map(([name]) => name)).toEqual(['a.txt', 'b.txt']);
    expect(await told()).toHaveLength(1);
    never.resolve();
    await first.service[Symbol.asyncDispose]();
    expect(await keptFiles()).toHaveLength(2);
  });
});

describe('a file that cannot be had', () => {
  it.each([
    ['before it comes', true, ['F1']],
    ['once too much came, where the platform does not say how large it is', false, ['F1', 'F2']],
  ])('is said to the agent and to its person, and the rest goes on: %s', async (_when, isSaid, asked) => {
    sizeSaid = isSaid;
    const files = [
      { id: 'F0', name: 'gone\n.pdf' },
      has('F1', 'here.txt'),
      { ...has('F2', 'big.bin', Buffer.alloc(11_000_000)), name: 'a file' },
    ];
    const receipt = await receiver().message(said('look', { files }));
    expect(receipt.effect).toBe('accepted');
    expect(receipt.text).toBe(
      'Not everything came along. The agent has your message without gone_.pdf (it was deleted); ' +
        'big.bin (a file may have 9 MB at most).',
    );
    expect(await told()).toEqual([
      [
        'look|Attached files, read-only in the sandbox:',
        '- /mnt/session/uploads/here.txt (text/plain, 11 bytes)',
        'Attached too, but not to be had:',
        '- gone_.pdf (it was deleted)',
        '- big.bin (a file may have 9 MB at most)',
      ].join('\n'),
    ]);
    expect(await keptFiles()).toHaveLength(1);
    expect(fetched).toEqual(asked);
  });

  it('is one that its session has no room for', async () => {
    const large = Buffer.alloc(8_000_000);
    const files = [has('F1', 'one.bin', large), has('F2', 'two.bin', large), has('F3', 'small.txt')];
    const receipt = await receiver().message(said('look', { files }));
    const words = 'two.bin (the files of a session may have 14 MB together, and there is no room for more)';
    expect(receipt.text).toBe(`Not everything came along. The agent has your message without ${words}.`);
    expect((await told())[0]).toContain(`- ${words}`);
    expect((await keptFiles()).map(([name]) => name)).toEqual(['one.bin', 'small.txt']);
  });

  it('is one too many beyond twenty', async () => {
    const files = Array.from({ length: 22 }, (_, n) => has(`F${n}`, `${n}.txt`));
    const receipt = await receiver().message(said('many', { files }));
    expect(receipt.text).toContain('20.txt (only 20 files of a message are taken); 21.txt');
    expect(opened).toHaveLength(20);
  });

  it('is not taken where the platform has no files', async () => {
    const plain = stage.receiver({ connectors: new Map([['test', createPlatform().connector()]]) });
    const receipt = await plain.message(said('x', { files: [{ id: 'F1', name: 'a' }] }));
    expect(receipt.text).toContain('files are not taken here');
  });

  it.each([
    ['at its opening', 'open' as const],
    ['in the middle', 'download' as const],
  ])('%s is tried again, and comes', async (_when, at) => {
    faults.push({ at, error: new RateLimitedError(1) }, { at, error: new Error('The platform is away') });
    const receipt = await receiver().message(said('x', { files: [has('F1', 'a.txt')] }));
    expect(receipt).toEqual({ effect: 'accepted', text: null });
    expect(await keptFiles()).toEqual([['a.txt', 'bytes of F1']]);
  });

  it('for three times is done without', async () => {
    for (let n = 0; n < 3; n++) faults.push({ at: 'download', error: new Error('The platform is away') });
    const receipt = await receiver().message(said('x', { files: [has('F1', 'a.txt'), has('F2', 'b.txt')] }));
    expect(receipt.text).toContain('a.txt (it could not be fetched; attach it again in a moment)');
    expect(await keptFiles()).toEqual([['b.txt', 'bytes of F2']]);
    expect(await told()).toHaveLength(1);
  });

  it('holds up no other conversation while it comes', async () => {
    const goOn = deferred<void>();
    const slow: Connector = {
      ...connector(),
      async openFile() {
        await goOn.promise;
        throw new FileUnavailableError('it was deleted');
      },
    };
    const gateway = stage.receiver({ connectors: new Map([['test', slow]]) });
    const waiting = Array.from({ length: 20 }, (_, n) => {
      const conversation = { connector: 'test', tenant: 'T1', channel: 'C1', thread: `${n}.1` };
      return gateway.message(said('slow', { conversation, files: [{ id: 'F1', name: 'a' }] }));
    });
    expect(await gateway.message(said('quick'))).toEqual({ effect: 'accepted', text: null });
    goOn.resolve();
    await Promise.all(waiting);
    expect(await told()).toHaveLength(21);
  });

  it('holds up what is said behind it, and nobody who presses something or gives a command there', async () => {
    const goOn = deferred<void>();
    const asked = deferred<void>();
    const slow: Connector = {
      ...connector(),
      ask: async (conversation) => conversation,
      async openFile() {
        asked.resolve();
        await goOn.promise;
        throw new FileUnavailableError('it was deleted');
      },
    };
    const gateway = stage.receiver({ connectors: new Map([['test', slow]]) });
    await gateway.message(said('begin'));
    const [ref] = await stage.refs();
    if (ref === undefined) throw new Error('There is no session');
    const [event_id = ''] = await stage.append(ref, says('There are two files.'), ends());
    const { conversation, sender: person } = said('');
    const files = gateway.message(said('look at this', { files: [{ id: 'F1', name: 'a' }] }));
    await asked.promise;

    // As the shortcut of a message asks for its form, and then sends it.
    const about = { author: 'Ben', text: 'The build is red.' };
    const { form } = await gateway.command(commanded('/ask', { conversation, about }));
    expect(form?.command).toBe('ask');
    const answer = { session_id: ref.session_id, event_id };
    expect((await gateway.command(commanded('/sessions here', { conversation }))).effect).toBe('accepted');
    const rated = { event_id: 'EvRated', conversation, person, answer, rating: 'good' as const };
    expect((await gateway.feedback(rated)).effect).toBe('accepted');
    const fields = { agent: stage.defaults.agent_id, what: 'Why?' };
    const question = gateway.command(commanded('/ask', { conversation, about, fields }));
    goOn.resolve();
    expect([(await files).effect, (await question).effect]).toEqual(['accepted', 'accepted']);
    expect((await told()).map((text) => text.split(/[|\n]/)[0])).toEqual(['begin', 'look at this', 'Why?']);
  });
});

describe('a file for which the platform asks to wait', () => {
  const limited = (seconds: number) => ({ at: 'download' as const, error: new RateLimitedError(seconds * 1_000) });

  it('puts its message off, and neither its conversation nor any other', async () => {
    faults.push(limited(40));
    const gateway = receiver();
    const receipt = await gateway.message(said('look', { files: [has('F1', 'a.txt')] }));
    expect(receipt).toEqual({
      effect: 'accepted',
      text:
        'The chat platform asks me to wait 40 seconds before I fetch a.txt. The agent gets your message then; ' +
        'what is said here meanwhile it gets before.',
    });
    expect(await gateway.message(said('meanwhile'))).toEqual({ effect: 'accepted', text: null });
    await stage.silence(38_000);
    expect(await gateway.sweepNow()).toBe(0);
    expect(await told()).toEqual(['meanwhile']);
    await stage.silence(3_000);
    expect(await gateway.sweepNow()).toBe(1);
    expect((await told())[1]).toMatch(/^look\|Attached files/);
    expect(await keptFiles()).toEqual([['a.txt', 'bytes of F1']]);
  });

  it('comes although its gateway died meanwhile, and once however often it is delivered', async () => {
    faults.push(limited(40), limited(600));
    const message = said('look', { files: [has('F1', 'a.txt')] });
    const first = receiver();
    await first.message(message);
    await first.service[Symbol.asyncDispose]();
    const [second, third] = [receiver(), receiver()];
    expect(await second.message({ ...message, event_id: 'EvAgain' })).toEqual({ effect: 'duplicate', text: null });
    await stage.silence(41_000);
    // Put off again, by whoever found it.
    expect(await second.sweepNow()).toBe(1);
    await stage.silence(590_000);
    expect(await third.sweepNow()).toBe(0);
    await stage.silence(11_000);
    // New ones: the others were silent for so long that what they take is anybody's.
    const [by_one, by_other] = await Promise.all([receiver().sweepNow(), receiver().sweepNow()]);
    expect(by_one + by_other).toBe(1);
    expect(await told()).toHaveLength(1);
    expect(await keptFiles()).toEqual([['a.txt', 'bytes of F1']]);
  });

  it('is waited for when a sweep is the first to hear of it', async () => {
    await leftBehind(said('look', { files: [has('F1', 'a.txt')] }));
    faults.push(limited(1));
    const gateway = receiver();
    expect(await gateway.sweepNow()).toBe(1);
    expect(await told()).toEqual([]);
    await stage.silence(2_000);
    await gateway.sweepNow();
    expect(await keptFiles()).toEqual([['a.txt', 'bytes of F1']]);
  });

  it('is tried again after it, as often as any other', async () => {
    faults.push(limited(40));
    for (const at of ['open', 'download'] as const) faults.push({ at, error: new Error('The platform is away') });
    const gateway = receiver();
    await gateway.message(said('look', { files: [has('F1', 'a.txt')] }));
    await stage.silence(41_000);
    expect(await gateway.sweepNow()).toBe(1);
    expect(await keptFiles()).toEqual([['a.txt', 'bytes of F1']]);
    expect(opened).toHaveLength(4);
  });

  it.each([
    ['ten times', 11, 60, 10],
    ['half an hour', 3, 1_000, 1],
    ['longer than that at once', 1, 1_801, 0],
  ])('for %s is done without, and its person and the agent are told', async (_how, asked, seconds, waits) => {
    faults.push(...Array.from({ length: asked }, () => limited(seconds)));
    const whispers: string[] = [];
    const telling = {
      ...connector(),
      whisper: async (...[, , text]: [unknown, unknown, string, unknown]) => void whispers.push(text),
    };
    const gateway = stage.receiver({ connectors: new Map([['test', telling]]) });
    const receipt = await gateway.message(said('look', { files: [has('F1', 'a.txt'), has('F2', 'b.txt')] }));
    for (let n = 0; n < waits; n++) {
      expect(await told()).toEqual([]);
      await stage.silence(seconds * 1_000);
      expect(await gateway.sweepNow()).toBe(1);
    }
    const words = 'a.txt (the chat platform asked to wait for too long; attach it again later)';
    expect(await told()).toEqual([expect.stringContaining(words)]);
    expect(waits === 0 ? [receipt.text] : whispers).toEqual([expect.stringContaining(words)]);
    const without = asked > waits + 1 ? [] : [['b.txt', 'bytes of F2']];
    expect(await keptFiles()).toEqual(without);
  });

  it('is followed by what became of its message meanwhile', async () => {
    faults.push(limited(40));
    const message = said('look', { files: [has('F1', 'a.txt')] });
    const gateway = receiver();
    await gateway.message(message);
    const { message_id, conversation, sender } = message;
    const change = { event_id: 'EvEdit', message_id, conversation, sender, version: '2', text: 'look again' };
    await gateway.change(change);
    expect(await told()).toEqual([]);
    await stage.silence(41_000);
    expect(await receiver().sweepNow()).toBe(2);
    expect(await told()).toEqual([expect.stringMatching(/^look\|/), expect.stringContaining('look again')]);
  });

  it('is not waited for any more when its message is deleted, and its person is told', async () => {
    faults.push(limited(40));
    const message = said('look', { files: [has('F1', 'a.txt')] });
    const gateway = receiver();
    await gateway.message(message);
    const { message_id, conversation, sender } = message;
    const change = { event_id: 'EvGone', message_id, conversation, sender, version: 'gone', text: null };
    const receipt = await gateway.change(change);
    expect(receipt).toEqual({ effect: 'accepted', text: expect.stringContaining('is not given it any more') });
    await stage.silence(41_000);
    expect(await receiver().sweepNow()).toBe(0);
    expect(await told()).toEqual([]);
  });

  it.each([
    ['nothing runs', false],
    ['something runs', true],
  ])('is not waited for any more after a Stop while %s, and who pressed it is told', async (_what, runs) => {
    faults.push(limited(40), limited(40));
    const gateway = receiver();
    const elsewhere = { connector: 'test', tenant: 'T1', channel: 'C1', thread: '900.1' };
    await gateway.message(said('look', { files: [has('F1', 'a.txt')] }));
    await gateway.message(said('look there', { conversation: elsewhere, files: [has('F2', 'b.txt')] }));
    if (runs) await gateway.message(said('count to a million'));
    const { conversation, sender: person } = said('');
    const words = 'What was still waiting for its files is not given to the agent any more.';
    expect(await receiver().stop({ event_id: 'EvStop', conversation, person })).toEqual(
      runs
        ? { effect: 'accepted', text: words }
        : { effect: 'refused', text: `Nothing is running here. ${words}`, at_rest: true },
    );
    await stage.silence(41_000);
    expect(await receiver().sweepNow()).toBe(1);
    expect((await told()).filter((text) => text.startsWith('look'))).toEqual([expect.stringMatching(/^look there\|/)]);
  });

  it.each([
    ['nothing runs', false, 'Nothing is running there.'],
    ['it runs', true, 'It is being stopped.'],
  ])('is not waited for any more when its session is stopped by name while %s', async (_what, runs, answer) => {
    await agentOf(stage, 'other');
    const gateway = receiver();
    if (runs) await gateway.message(said('count to a million'));
    faults.push(limited(40), limited(40));
    await gateway.message(said('look', { files: [has('F1', 'a.txt')] }));
    const [ref] = await stage.refs();
    // For another agent's session in the same conversation.
    await gateway.message(said('look too', { agent: 'other', files: [has('F2', 'b.txt')] }));
    const stop = commanded(`/sessions stop ${ref?.session_id}`);
    const words = 'What was still waiting for its files is not given to the agent any more.';
    expect(await receiver().command(stop)).toEqual({ effect: 'accepted', text: `${answer} ${words}` });
    await stage.silence(41_000);
    expect(await receiver().sweepNow()).toBe(1);
    expect((await told()).filter((text) => text.startsWith('look'))).toEqual([expect.stringMatching(/^look too\|/)]);
  });
});

it('puts a message off that became one by an edit, too', async () => {
  faults.push({ at: 'download', error: new RateLimitedError(40_000) });
  const files = [has('F1', 'a.txt')];
  const before = said('look', { addressed: false, files });
  const { message_id, conversation, sender } = before;
  const message: InboundMessage = { ...before, event_id: 'EvMention', text: '@bot look', addressed: true };
  const change = { event_id: 'EvEdit', message_id, conversation, sender, version: '2', text: '@bot look', message };
  const receipt = await receiver().change(change);
  expect(receipt).toEqual({ effect: 'accepted', text: expect.stringContaining('wait 40 seconds') });
  await stage.silence(38_000);
  expect(await receiver().sweepNow()).toBe(0);
  await stage.silence(3_000);
  expect(await receiver().sweepNow()).toBe(1);
  expect(await told()).toEqual([expect.stringMatching(/^@bot look\|Attached files/)]);
});

describe('files of one workspace', () => {
  const goOn = deferred<void>();

  /** Downloads of the first workspace go on when the test says so. */
  const slow = (): Connector => ({
    ...connector(),
    async openFile(conversation, file, signal) {
      if (conversation.tenant === 'T1') await goOn.promise;
      const whole = connector().openFile;
      if (whole === undefined) throw new Error('It opens files');
      return whole(conversation, file, signal);
    },
  });
  const from = (tenant: string, n: number) =>
    said('look', {
      conversation: { connector: 'test', tenant, channel: 'C1', thread: `${tenant}.${n}` },
      files: [has(`F${n}`, `${n}.txt`)],
    });

  it('starve no other’s, whether they came just now or were left behind by a gateway that died', async () => {
    const gateway = stage.receiver({ connectors: new Map([['test', slow()]]) });
    const waiting = Array.from({ length: 20 }, (_, n) => gateway.message(from('T1', n)));
    expect((await gateway.message(from('T2', 50))).effect).toBe('accepted');
    await leftBehind(from('T1', 51), from('T2', 52));
    gateway.service.startSweep(5);
    await eventually(async () =>
      expect((await keptFiles()).map(([name]) => name).toSorted()).toEqual(['50.txt', '52.txt']),
    );
    goOn.resolve();
    await Promise.all(waiting);
    await gateway.service[Symbol.asyncDispose]();
    expect(await stage.db.collection('files').countDocuments({ state: 'kept' })).toBe(23);
  });
});

it('goes into the new session when the one that it was meant for closed meanwhile', async () => {
  const gateway = receiver();
  await gateway.message(said('first'));
  const [first] = await stage.refs();
  if (first === undefined) throw new Error('There is no session');
  await stage.sessions.archive(first);
  await gateway.message(said('second', { files: [has('F1', 'a.txt')] }));
  const [, second] = await stage.refs();
  expect(second && (await stage.files.uploads(second)).map((file) => file.filename)).toEqual(['a.txt']);
});
