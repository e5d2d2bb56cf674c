import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { takeTurn } from '../../src/harness/turn.ts';
import type { TurnDeps, TurnSession } from '../../src/harness/turn-parts.ts';
import { createFiles } from '../../src/resources/file-store.ts';
import type { EventOf } from '../../src/session/event.ts';
import { newId } from '../../src/session/id.ts';
import type { SessionLog } from '../../src/session/log.ts';
import { AGENT_TOOLSET } from '../../src/tools/toolset/agent-toolset.ts';
import { OUTPUTS, type Workspace, WorkspaceLostError } from '../../src/tools/workspace.ts';
import { deferred } from '../support/deferred.ts';
import { type Stage, stage } from '../support/harness.ts';
import { run, type TestSandbox, testSandbox } from '../support/sandbox.ts';
import { type TestDatabase, testDatabase } from '../support/services.ts';

let database: TestDatabase;
let sandbox: TestSandbox;
let on: Stage;

beforeEach(async () => {
  database = await testDatabase();
  sandbox = testSandbox();
  on = await stage(database.db);
});

afterEach(async () => {
  await on[Symbol.asyncDispose]();
  await sandbox[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

/** A worker on the machine that has the sandbox. */
function worker(over: Partial<TurnDeps> = {}): Partial<TurnDeps> {
  return { tools: AGENT_TOOLSET, sessionOf: session, ...over };
}

function session(): TurnSession {
  const { session_id } = on.ref;
  return {
    ...on.session,
    hasOutputs: () => sandbox.provider.hasOutputs(session_id),
    openWorkspace: () => sandbox.open(session_id),
  };
}

/** Somebody asks, and the agent runs this before it answers. */
async function does(command: string, over: Partial<TurnDeps> = {}): Promise<void> {
  on.model.reply({ tool_uses: [{ name: 'bash', input: { command } }] }, { text: 'Done.' });
  await on.says('go on');
  await on.settle(worker(over));
}

async function shared(): Promise<EventOf<'deckhand.output_shared'>[]> {
  return (await on.events()).filter((event) => event.type === 'deckhand.output_shared');
}

async function withheld(): Promise<string[]> {
  return (await on.events()).flatMap((event) => (event.type === 'deckhand.output_withheld' ? [event.text] : []));
}

async function answers(): Promise<string[]> {
  return (await on.events()).flatMap((event) =>
    event.type === 'agent.message' ? event.content.flatMap((block) => (block.type === 'text' ? [block.text] : [])) : [],
  );
}

/** The workspace, with files in its outputs folder read in another way. */
function withReadOutput(
  workspace: Workspace,
  read: (path: string, size: number, signal: AbortSignal, workspace: Workspace) => AsyncIterable<Uint8Array>,
): Workspace {
  return new Proxy(workspace, {
    get(target, name) {
      if (name === 'readOutput') {
        return (path: string, size: number, signal: AbortSignal) => read(path, size, signal, target);
      }
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

async function contentOf(file_id: string): Promise<string> {
  const pieces: Uint8Array[] = [];
  const file = await on.files.get(on.ref.workspace_id, file_id);
  for await (const piece of on.files.read(file)) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

async function stored(): Promise<string[]> {
  const { items } = await on.files.list(on.ref.workspace_id, { limit: 100 });
  return items.map((file) => file.filename);
}

describe('what the agent leaves in its outputs folder', () => {
  test('is stored and stands in the log before the end of its run', async () => {
    await does(`cd ${OUTPUTS}; mkdir charts; echo png > charts/sales.png; echo note > note.txt`);
    const [chart, note, ...more] = await shared();
    expect(more).toEqual([]);
    expect(chart).toMatchObject({ path: 'charts/sales.png', filename: 'sales.png', mime_type: 'image/png' });
    expect(note).toMatchObject({ path: 'note.txt', mime_type: 'text/plain', size_bytes: 5 });
    expect(await contentOf(chart?.file_id ?? '')).toBe('png\n');
    const types = await on.types();
    expect(types.indexOf('agent.message')).toBeLessThan(types.indexOf('deckhand.output_shared'));
    expect(types.at(-1)).toBe('session.status_idle');
    const file = await on.files.get(on.ref.workspace_id, note?.file_id ?? '');
    expect(file).toMatchObject({ session_id: on.ref.session_id, purpose: 'output', sha256: note?.sha256 });
  });

  test('is shared once, and again only when it says something else', async () => {
    await does(`echo one > ${OUTPUTS}/a; echo same > ${OUTPUTS}/b`);
    await does('true');
    expect((await shared()).map(({ path }) => path)).toEqual(['a', 'b']);
    await does(`echo two > ${OUTPUTS}/a; touch ${OUTPUTS}/b; echo same > ${OUTPUTS}/b`);
    expect((await shared()).map(({ path }) => path)).toEqual(['a', 'b', 'a']);
    expect(await contentOf((await shared()).at(-1)?.file_id ?? '')).toBe('two\n');
    expect((await stored()).toSorted()).toEqual(['a', 'a', 'b']);
  });

  test('is not stored or told again when it was touched and is the same, and not read again at every end', async () => {
    await does(`cd ${OUTPUTS}; echo same > a; echo other > b`);
    const kept: string[] = [];
    const read: string[] = [];
    const files: TurnDeps['files'] = {
      ...on.files,
      keep(file, content) {
        kept.push(file.filename);
        return on.files.keep(file, content);
      },
    };
    const openWorkspace = async () =>
      withReadOutput(await sandbox.open(on.ref.session_id), (path, size, signal, workspace) => {
        read.push(path);
        return workspace.readOutput(path, size, signal);
      });
    const over = { files, sessionOf: () => ({ ...session(), openWorkspace }) };
    await does(`cd ${OUTPUTS}; touch a; echo longer > b`, over);
    expect({ read, kept }).toEqual({ read: ['a', 'b'], kept: ['b'] });
    await does('true', over);
    expect({ read, kept }).toEqual({ read: ['a', 'b'], kept: ['b'] });
    await does(`cd ${OUTPUTS}; echo ~~~~ > a`, over);
    expect({ read, kept }).toEqual({ read: ['a', 'b', 'a', 'a'], kept: ['b', 'a'] });
    expect((await shared()).map(({ path }) => path)).toEqual(['a', 'b', 'b', 'a']);
    expect(await contentOf((await shared()).at(-1)?.file_id ?? '')).toBe('~~~~\n');
  });

  test('is shared by a worker that goes on from a checkpoint as little as by the one before', async () => {
    await does(`echo one > ${OUTPUTS}/a`);
    on.model.reply({ text: 'Nothing new.' });
    await on.says('and?');
    await on.settle(worker());
    expect(await shared()).toHaveLength(1);
  });

  test('is shared when a person is asked, and when somebody presses Stop', async () => {
    on.model.reply({
      tool_uses: [{ name: 'bash', input: { command: `echo draft > ${OUTPUTS}/draft` } }],
    });
    on.model.reply({ tool_uses: [{ name: 'write', input: { file_path: 'x', content: 'x' } }] });
    await on.says('write x');
    await on.settle(worker());
    expect((await on.types()).at(-1)).toBe('session.status_idle');
    expect((await shared()).map(({ path }) => path)).toEqual(['draft']);
    await run(await sandbox.open(on.ref.session_id), `echo final > ${OUTPUTS}/final`);
    await on.sends({ id: newId('sevt'), type: 'user.interrupt', processed_at: null });
    await on.settle(worker());
    expect((await shared()).map(({ path }) => path)).toEqual(['draft', 'final']);
  });

  test('is shared when its worker goes away in the middle of a run', async () => {
    const stopping = new AbortController();
    on.model.reply({ tool_uses: [{ name: 'bash', input: { command: `echo half > ${OUTPUTS}/half` } }] });
    on.model.reply(() => {
      stopping.abort();
      return { text: 'Nobody hears this.' };
    });
    await on.says('go on');
    expect(await takeTurn(on.worker(worker()), on.ref, stopping.signal)).toBe('handed_over');
    expect((await shared()).map(({ path }) => path)).toEqual(['half']);
    on.model.reply({ text: 'Done.' });
    await on.settle({});
    expect(await shared()).toHaveLength(1);
    expect((await on.types()).at(-1)).toBe('session.status_idle');
  });

  test('is shared once although its worker died when it was stored and not in the log', async () => {
    let dies = true;
    const dying: TurnDeps['files'] = {
      ...on.files,
      async keep(file, content) {
        const kept = await on.files.keep(file, content);
        if (dies) throw new Error('this worker is dead');
        return kept;
      },
    };
    on.model.reply({ tool_uses: [{ name: 'bash', input: { command: `echo one > ${OUTPUTS}/a` } }] });
    on.model.otherwise({ text: 'Done.' });
    await on.says('go on');
    await expect(takeTurn(on.worker(worker({ files: dying })), on.ref, new AbortController().signal)).rejects.toThrow();
    expect(await shared()).toEqual([]);
    dies = false;
    await on.settle(worker());
    expect((await shared()).map(({ path }) => path)).toEqual(['a']);
    expect(await stored()).toEqual(['a']);
    expect(on.model.requests).toHaveLength(2);
    expect(await answers()).toEqual(['Done.']);
  });

  test('costs a run that leaves nothing no write of its own', async () => {
    const writes: string[][] = [];
    const log: SessionLog = {
      ...on.log,
      async append(append) {
        writes.push(append.entries.map(({ event }) => event.type));
        return on.log.append(append);
      },
    };
    on.model.reply({ text: 'Hello.' });
    await on.says('hi');
    await on.settle(worker({ log }));
    // Beside the claim, which says that Claude is asked.
    expect(writes).toEqual([
      ['deckhand.model_reply', 'agent.message', 'span.model_request_end', 'session.usage', 'session.status_idle'],
    ]);
  });
});

describe('while it is stored', () => {
  /** The agent has left `a`, which is stored, and `b`, whose bytes do not come at first, and has answered. */
  async function storing(over: Partial<TurnDeps> = {}, stopping = new AbortController().signal) {
    const reached = deferred<void>();
    const goOn = deferred<void>();
    let isFirst = true;
    const held = (path: string, size: number, signal: AbortSignal, workspace: Workspace) =>
      (async function* bytes() {
        if (path === 'b' && isFirst) {
          isFirst = false;
          reached.resolve();
          await Promise.race([goOn.promise, once(signal, 'abort')]);
          if (signal.aborted) throw new WorkspaceLostError('It was stopped');
        }
        yield* workspace.readOutput(path, size, signal);
      })();
    const openWorkspace = async () => withReadOutput(await sandbox.open(on.ref.session_id), held);
    on.model.reply({ tool_uses: [{ name: 'bash', input: { command: `cd ${OUTPUTS}; echo a > a; echo b > b` } }] });
    on.model.reply({ text: 'Done.' });
    await on.says('go on');
    const deps = on.worker(worker({ sessionOf: () => ({ ...session(), openWorkspace }), ...over }));
    const turn = takeTurn(deps, on.ref, stopping);
    await reached.promise;
    return { turn, goOn: goOn.resolve };
  }

  test('the answer stands in the log, and the run is not over yet', async () => {
    const { turn, goOn } = await storing();
    expect(await answers()).toEqual(['Done.']);
    expect((await on.types()).at(-1)).toBe('deckhand.run_ending');
    expect(await on.log.head(on.ref)).toMatchObject({ status: 'running', owed: true });
    goOn();
    expect(await turn).toBe('rested');
    expect((await shared()).map(({ path }) => path)).toEqual(['a', 'b']);
    expect(await on.log.head(on.ref)).toMatchObject({ status: 'idle', owed: false });
  });

  test('a Stop ends it with what is stored so far, and says that more waits', async () => {
    const { turn } = await storing();
    await on.sends({ id: newId('sevt'), type: 'user.interrupt', processed_at: null });
    expect(await turn).toBe('rested');
    expect((await shared()).map(({ path }) => path)).toEqual(['a']);
    expect(await withheld()).toEqual([
      '1 more file waits in my outputs folder: I was stopped before I had shared everything. Ask me to go on.',
    ]);
    expect((await on.types()).at(-1)).toBe('session.status_idle');
    expect(await on.log.head(on.ref)).toMatchObject({ status: 'idle', owed: false });
    await does('true');
    expect((await shared()).map(({ path }) => path)).toEqual(['a', 'b']);
    expect((await stored()).toSorted()).toEqual(['a', 'b']);
  });

  test('a message gets a turn of its own', async () => {
    const { turn, goOn } = await storing();
    on.model.reply({ text: 'Of course.' });
    await on.says('thank you');
    goOn();
    expect(await turn).toBe('rested');
    expect(await on.log.head(on.ref)).toMatchObject({ status: 'idle', owed: true });
    expect(await answers()).toEqual(['Done.']);
    await on.settle(worker());
    expect(await answers()).toEqual(['Done.', 'Of course.']);
    expect((await shared()).map(({ path }) => path)).toEqual(['a', 'b']);
  });

  test('a message after a Stop is answered, and what was stored is shared before', async () => {
    const { turn } = await storing();
    on.model.reply({ text: 'Of course.' });
    const processed_at = null;
    const content = [{ type: 'text' as const, text: 'and now?' }];
    await on.log.appendInputs(on.ref, [
      { event: { id: newId('sevt'), type: 'user.interrupt', processed_at } },
      { event: { id: newId('sevt'), type: 'user.message', processed_at, content } },
    ]);
    expect(await turn).toBe('rested');
    expect(await answers()).toEqual(['Done.', 'Of course.']);
    expect((await shared()).map(({ path }) => path)).toEqual(['a', 'b']);
  });

  test('a worker that goes away brings it to its end', async () => {
    const stopping = new AbortController();
    const { turn, goOn } = await storing({}, stopping.signal);
    stopping.abort();
    goOn();
    expect(await turn).toBe('rested');
    expect((await shared()).map(({ path }) => path)).toEqual(['a', 'b']);
  });

  test('a worker that lost its lease stops, and its successor asks nobody again', async () => {
    const { turn } = await storing();
    // As a successor would take it that found it run out.
    await on.database.collection('sessions').updateOne({}, { $inc: { 'log.lease.token': 1 } });
    expect(await turn).toBe('lost');
    expect(await shared()).toEqual([]);
    await on.database.collection('sessions').updateOne({}, { $set: { 'log.lease.until': null } });
    await on.settle(worker());
    expect((await shared()).map(({ path }) => path)).toEqual(['a', 'b']);
    expect((await stored()).toSorted()).toEqual(['a', 'b']);
    expect(on.model.requests).toHaveLength(2);
  });

  test('a Stop while a person is asked ends it too', async () => {
    await run(await sandbox.open(on.ref.session_id), `echo early > ${OUTPUTS}/0`);
    const stop = { id: newId('sevt'), type: 'user.interrupt', processed_at: null } as const;
    const stopped = {
      ...on.files,
      async keep(file, content) {
        const kept = await on.files.keep(file, content);
        if (file.filename === '0') await on.sends(stop);
        return kept;
      },
    } satisfies TurnDeps['files'];
    on.model.reply({ tool_uses: [{ name: 'write', input: { file_path: 'x', content: 'x' } }] });
    await on.says('write x');
    await on.settle(worker({ files: stopped }));
    expect((await shared()).map(({ path }) => path)).toEqual(['0']);
    const reasons = (await on.events()).flatMap((event) =>
      event.type === 'session.status_idle' ? [event.stop_reason.type] : [],
    );
    expect(reasons).toEqual(['end_turn']);
  });
});

describe('limits', () => {
  test('a file that is too large is said once, until it changes', async () => {
    const files = createFiles(database.db, { max_bytes: 1024 * 1024 });
    await does(`cd ${OUTPUTS}; head -c 2000000 /dev/zero > big; echo small > small`, { files });
    await does('true', { files });
    expect((await shared()).map(({ path }) => path)).toEqual(['small']);
    expect(await withheld()).toEqual(['I could not share big. A file may have 1 MB at most.']);
    await does(`echo small > ${OUTPUTS}/big`, { files });
    expect((await shared()).map(({ path }) => path)).toEqual(['small', 'big']);
  });

  test('a file that its session has no room for waits until there is some, and people and the agent are told', async () => {
    const MB = 1024 * 1024;
    const files = createFiles(database.db, { max_bytes: 2 * MB, room: { session: 2 * MB, workspace: 9 * MB } });
    await does(`cd ${OUTPUTS}; truncate -s 1500000 a; truncate -s 1500001 b; echo small > c`, { files });
    expect((await shared()).map(({ path }) => path)).toEqual(['a', 'c']);
    const words =
      '1 more file waits in my outputs folder: The files of a session may have 2 MB together, and there is no room for ' +
      'more. Have some deleted, or begin a new conversation.';
    expect(await withheld()).toEqual([words]);
    await does('true', { files });
    expect(await withheld()).toHaveLength(1);
    const told = `When your turn ended, people were told of the files in ${OUTPUTS}:\n> ${words}`;
    const heard = on.model.requests.map((request) =>
      JSON.stringify(request.messages).includes(JSON.stringify(told).slice(1, -1)),
    );
    expect(heard).toEqual([false, false, true, true]);
    await files.remove(on.ref.workspace_id, (await shared())[0]?.file_id ?? '');
    await does('true', { files });
    expect((await shared()).map(({ path }) => path)).toEqual(['a', 'c', 'b']);
  });

  test('twenty are shared at a time, and it is said how many wait', async () => {
    await does(`cd ${OUTPUTS}; for n in $(seq 45); do echo $n > $(printf %02d $n); done`);
    expect(await shared()).toHaveLength(20);
    await does('true');
    expect(await shared()).toHaveLength(40);
    await does('true');
    expect((await shared()).map(({ path }) => path)).toHaveLength(45);
    expect(new Set((await shared()).map(({ path }) => path)).size).toBe(45);
    expect((await withheld()).map((text) => text.slice(0, 20))).toEqual([
      '25 more files wait i',
      '5 more files wait in',
    ]);
    await does('true');
    expect(await withheld()).toHaveLength(2);
  });

  test.each([
    ['a link', `ln -s /etc/passwd ${OUTPUTS}/x`],
    ['a pipe', `mkfifo ${OUTPUTS}/x`],
    ['an empty folder', `mkdir ${OUTPUTS}/x`],
  ])('%s is nothing to share', async (_what, command) => {
    await does(command);
    expect([await shared(), await withheld()]).toEqual([[], []]);
  });

  test('a sandbox that cannot be asked ends no run, and its files come with the next', async () => {
    await run(await sandbox.open(on.ref.session_id), `echo one > ${OUTPUTS}/a`);
    const lost = { ...session(), openWorkspace: () => Promise.reject(new WorkspaceLostError('It is gone')) };
    on.model.reply({ text: 'Hello.' }, { text: 'Here.' });
    await on.says('hi');
    await on.settle(worker({ sessionOf: () => lost }));
    expect((await on.types()).at(-1)).toBe('session.status_idle');
    await on.says('again');
    await on.settle(worker());
    expect((await shared()).map(({ path }) => path)).toEqual(['a']);
  });
});
