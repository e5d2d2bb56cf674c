import { beforeEach, describe, expect, it } from 'vitest';
import {
  type Connector,
  FileUnavailableError,
  RateLimitedError,
  type SaidBefore,
} from '../../../src/chat/connector.ts';
import { attachEarlier } from '../../../src/chat/earlier-files.ts';
import type { InboundMessage } from '../../../src/chat/inbound.ts';
import type { ConversationKey } from '../../../src/chat/place.ts';
import { silentLogger } from '../../../src/logger.ts';
import { said } from '../../support/chat-stage.ts';
import { deferred } from '../../support/deferred.ts';
import { createPlatform, type Platform } from '../../support/fake-connector.ts';
import { useChatStage } from '../../support/use-chat-stage.ts';

const MB = 1_000_000;

const stage = useChatStage();
let platform: Platform;
let opened: string[];
/** What the next openings throw, by file. */
let faults: Map<string, Error[]>;

beforeEach(() => {
  platform = createPlatform();
  platform.said = [];
  opened = [];
  faults = new Map();
});

function connector(): Connector {
  return {
    ...platform.connector(),
    ask: async (where: ConversationKey) => where,
    async openFile(_conversation, { id, name }) {
      opened.push(id);
      const fault = faults.get(id)?.shift();
      if (fault !== undefined) throw fault;
      return {
        name,
        mime_type: 'text/plain',
        size_bytes: null,
        async *content() {
          yield Buffer.from(`bytes of ${id}`);
        },
      };
    },
  };
}

const receiver = (own = connector()) => stage.receiver({ connectors: new Map([['test', own]]) });

/** Ben said something at `200.<n>`, with these files: by id, and how large the platform says they are. */
function before(n: number, text: string, files: Record<string, number | null> = {}): void {
  const attached = Object.entries(files).map(([id, size_bytes]) => ({ id, name: `${id}.txt`, size_bytes }));
  platform.said?.push({
    message_id: `200.${n}`,
    from: 'person',
    name: 'Ben',
    text,
    files: attached,
    at: '2026-11-20T10:00:00.000Z',
  });
}

function mention(n: number, text: string, over: Partial<InboundMessage> = {}): InboundMessage {
  return said(text, { message_id: `200.${n}`, follows: 'all', ...over });
}

/** What the agent is told, block by block. */
async function told(): Promise<string[][]> {
  const messages = await stage.entries('user.message');
  return messages.map(({ event }) => event.content.map((block) => ('text' in block ? block.text : block.type)));
}

async function uploads(): Promise<string[]> {
  const [ref] = await stage.refs();
  return ref === undefined ? [] : (await stage.files.uploads(ref)).map(({ filename }) => filename).toSorted();
}

const here = (id: string) => `- /mnt/session/uploads/${id}.txt (text/plain, ${`bytes of ${id}`.length} bytes)`;

describe('what was attached to earlier messages', () => {
  it('comes along with a first mention, the newest first, below what was said', async () => {
    before(1, 'the log', { F1: 10, F2: null });
    before(2, 'and a picture', { F3: 10 });
    expect(await receiver().message(mention(5, 'what happened?'))).toEqual({ effect: 'accepted', text: null });
    const [context, message] = await told();
    expect(context?.[0]).toContain('> the log');
    expect(context?.slice(1)).toEqual([
      ['Files that were attached to these, read-only in the sandbox:', here('F3'), here('F1'), here('F2')].join('\n'),
    ]);
    expect(message).toEqual(['what happened?']);
    expect(await uploads()).toEqual(['F1.txt', 'F2.txt', 'F3.txt']);
  });

  it('comes along with a later mention where it was attached since the last one', async () => {
    const gateway = receiver();
    await gateway.message(said('hello', { message_id: '200.1' }));
    before(2, 'look', { F1: 10 });
    await gateway.message(mention(3, 'and now?'));
    expect((await told())[1]?.[1]).toContain(here('F1'));
  });

  it('stays away where there is more of it than the budget, in words', async () => {
    before(1, 'old', { OLD1: 1, OLD2: 1 });
    before(2, 'huge', { HUGE: 60 * MB });
    before(3, 'many', Object.fromEntries(Array.from({ length: 10 }, (_, n) => [`N${n}`, 1])));
    await receiver().message(mention(5, 'what happened?'));
    expect(opened).toHaveLength(10);
    expect((await told())[0]?.[1]?.split('\n').slice(-4)).toEqual([
      'Attached to these too, and not here:',
      '- HUGE.txt (only the 10 newest of what was said before come along)',
      '- OLD1.txt (only the 10 newest of what was said before come along)',
      '- OLD2.txt (only the 10 newest of what was said before come along)',
    ]);
  });

  it('stays away where it is too large, and what is older and small comes all the same', async () => {
    before(1, 'small', { F1: 1 });
    before(2, 'huge', { HUGE: 60 * MB });
    await receiver().message(mention(5, 'what happened?'));
    expect(opened).toEqual(['F1']);
    expect((await told())[0]?.[1]).toContain('- HUGE.txt (with the files that are newer it would be too much)');
  });

  it('is named ten times at most where it stays away, and counted', async () => {
    before(1, 'many', Object.fromEntries(Array.from({ length: 35 }, (_, n) => [`N${n}`, 60 * MB])));
    await receiver().message(mention(5, 'what happened?'));
    expect((await told())[0]?.[1]?.split('\n').slice(-2)).toEqual([
      '- N9.txt (with the files that are newer it would be too much)',
      '- 25 older ones',
    ]);
  });

  it('is cut off where the platform did not say how large it is', async () => {
    const megabyte = Buffer.alloc(MB);
    let taken = 0;
    const endless: Pick<Connector, 'openFile'> = {
      openFile: async () => ({
        name: 'endless.bin',
        mime_type: '',
        size_bytes: null,
        async *content() {
          for (;;) yield megabyte;
        },
      }),
    };
    const message: SaidBefore = {
      message_id: '200.1',
      from: 'person',
      name: 'Ben',
      text: 'x',
      at: '',
      files: [{ id: 'F1', name: 'a file', size_bytes: null }],
    };
    const content = await attachEarlier(
      {
        files: {
          ...stage.files,
          async keep(_file, bytes) {
            for await (const piece of bytes) taken += piece.length;
            throw new Error('It ends');
          },
        },
        connectors: new Map([['test', endless]]),
        logger: silentLogger,
        fetching: { enter: async () => () => undefined },
        outside: (work) => work(),
        is_last_try: true,
        mayWait: () => false,
      },
      { workspace_id: 'wrkspc_1', session_id: 'sesn_1', after_seq: 0 },
      mention(5, 'what happened?'),
      [message],
    );
    expect(taken).toBe(50 * MB);
    expect(content).toMatchObject([{ text: expect.stringContaining('endless.bin (with the files that are newer') }]);
  });

  it('comes once, however often its mention is delivered, doubled and raced', async () => {
    before(1, 'the log', { F1: 10 });
    const message = mention(5, 'what happened?');
    await Promise.all([1, 2, 3].map(() => receiver().message(message)));
    expect((await receiver().message({ ...message, event_id: 'EvAgain' })).effect).toBe('duplicate');
    expect(opened).toEqual(['F1']);
    expect(await uploads()).toEqual(['F1.txt']);
    expect(await told()).toHaveLength(2);
  });

  it('is fetched by another gateway when the first died, and what is there already is not fetched again', async () => {
    before(1, 'two', { F1: 10, F2: 10 });
    const [reached, never] = [deferred<void>(), deferred<void>()];
    const whole = connector();
    const dying: Connector = {
      ...whole,
      async openFile(conversation, file, signal) {
        if (file.id === 'F2') {
          reached.resolve();
          await never.promise;
        }
        if (whole.openFile === undefined) throw new Error('It opens files');
        return whole.openFile(conversation, file, signal);
      },
    };
    const first = receiver(dying);
    void first.message(mention(5, 'what happened?'));
    await reached.promise;
    await stage.silence(60_000);
    expect(await receiver().sweepNow()).toBe(1);
    expect(opened).toEqual(['F1', 'F2']);
    expect(await uploads()).toEqual(['F1.txt', 'F2.txt']);
    never.resolve();
    await first.service[Symbol.asyncDispose]();
    expect(await uploads()).toEqual(['F1.txt', 'F2.txt']);
    expect(await told()).toHaveLength(2);
  });

  it('that cannot be had is said to the agent, and keeps nobody waiting', async () => {
    before(1, 'three', { GONE: 1, LATER: 1, SOON: 1 });
    faults.set(
      'GONE',
      [1, 2].map(() => new FileUnavailableError('it was deleted')),
    );
    faults.set(
      'LATER',
      [1, 2].map(() => new RateLimitedError(40_000)),
    );
    faults.set('SOON', [new RateLimitedError(1)]);
    expect(await receiver().message(mention(5, 'what happened?'))).toEqual({ effect: 'accepted', text: null });
    const [context] = await told();
    expect(context?.[1]).toContain(here('SOON'));
    expect(context?.[1]).toContain('- GONE.txt (it was deleted)');
    expect(context?.[1]).toContain('- LATER.txt (the chat platform asked to wait for too long');
  });

  it('is given up after ten that cannot be had, in words', async () => {
    const gone = Object.fromEntries(Array.from({ length: 35 }, (_, n) => [`G${n}`, 1]));
    before(1, 'many', gone);
    for (const id of Object.keys(gone)) faults.set(id, [new FileUnavailableError('it was deleted')]);
    await receiver().message(mention(5, 'what happened?'));
    expect(opened).toHaveLength(10);
    // A line above them, ten that failed, ten more names, and how many besides.
    expect((await told())[0]?.[1]?.split('\n')).toHaveLength(1 + 10 + 10 + 1);
  });

  it('keeps back nothing when the platform fails in the middle of it', async () => {
    before(1, 'two', { BAD: 1, GOOD: 1 });
    faults.set('BAD', [new Error('a bad gateway')]);
    expect((await receiver().message(mention(5, 'what happened?'))).effect).toBe('accepted');
    const [context] = await told();
    expect(context?.[1]).toContain(here('GOOD'));
    expect(context?.[1]).toContain('- BAD.txt (');
  });
});

describe('what is attached to a message that an agent is asked about', () => {
  const about = (files: string[]) => ({
    author: 'U_BEN',
    text: 'the log',
    files: files.map((id) => ({ id, name: `${id}.txt`, message_id: '200.1' })),
  });

  function ask(files: string[], event_id = 'EvAsk') {
    return receiver().command({
      event_id,
      conversation: said('').conversation,
      person: { id: 'U_ANA', name: 'Ana' },
      name: 'ask',
      text: '',
      fields: { agent: stage.defaults.agent_id, what: 'why?' },
      about: about(files),
    });
  }

  it('comes with the question, once, although the thread shows it too', async () => {
    before(1, 'the log', { F1: 10 });
    before(2, 'another', { F2: 10 });
    await ask(['F1']);
    await ask(['F1']);
    const [context, question, ...more] = await told();
    expect(more).toEqual([]);
    expect(context?.[1]).not.toContain('F1');
    expect(context?.[1]).toContain(here('F2'));
    expect(question?.[1]).toBe(`Attached files, read-only in the sandbox:\n${here('F1')}`);
    expect(opened.toSorted()).toEqual(['F1', 'F2']);
    // Asked again, nothing of it is brought a second time.
    await ask(['F1'], 'EvAskAgain');
    expect(opened).toHaveLength(2);
    expect(await uploads()).toEqual(['F1.txt', 'F2.txt']);
  });
});
