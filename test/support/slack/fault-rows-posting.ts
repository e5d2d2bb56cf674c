import { expect } from 'vitest';
import { newId } from '../../../src/session/id.ts';
import { REMOVAL } from '../cards.ts';
import { asks, decided, ends, says } from '../chat-events.ts';
import { eventually } from '../eventually.ts';
import { type Begun, type FaultRow, type FaultScene, PATIENCE_MS } from './fault-scene.ts';
import { readable } from './transcript.ts';
import { directChannel } from './workspace.ts';

const soon = (look: () => void | Promise<void>) => eventually(look, PATIENCE_MS);

/** What leaves for a conversation. */
export const POSTING_ROWS: Record<string, FaultRow> = {
  'chat.postMessage': async ({ begin, strike }) => {
    const { run, reads } = await begin('ops');
    strike();
    await run(says('It is done.'), ends());
    expect(reads()).toEqual(['It is done.']);
  },
  'chat.update': async ({ begin, strike }) => {
    const { run, own } = await begin('ops');
    await run(...asks('appr_1', 'sevt_c1'));
    strike();
    await run(decided('appr_1', 'sevt_c1', 'allowed', { via: 'slack', id: 'U1', name: 'Ben' }));
    const cards = own()
      .map(readable)
      .filter((text) => text.includes(REMOVAL.summary));
    expect(cards).toEqual([expect.stringContaining('Approved by *Ben*')]);
  },
  'chat.startStream': async (scene) => {
    const { ref, run, reads } = await scene.begin('direct');
    const grows = await growing(scene, { ref, reads });
    scene.strike();
    await grows('One ');
    await run(says('One two.', grows.id), ends());
    expect(reads()).toEqual(['One two.']);
  },
  'chat.appendStream': async (scene) => {
    const { ref, run, reads } = await scene.begin('direct');
    const grows = await growing(scene, { ref, reads });
    await grows('One ');
    scene.strike();
    await grows('One two ');
    await run(says('One two three.', grows.id), ends());
    expect(reads()).toEqual(['One two three.']);
  },
  'chat.stopStream': async (scene) => {
    const { ref, run, reads } = await scene.begin('direct');
    const grows = await growing(scene, { ref, reads });
    await grows('One ');
    scene.strike();
    await run(says('One two.', grows.id), ends());
    expect(reads()).toEqual(['One two.']);
  },
  'chat.postEphemeral': async ({ slack, strike }) => {
    strike();
    const ana = slack.user('Ana');
    ana.mention('ops', '');
    await soon(() => expect(ana.told('ops')).toEqual([expect.stringContaining('Tell me what you would like')]));
  },
  'chat.getPermalink': async (scene) => {
    const cards = await escalated(scene);
    expect(cards).toEqual([expect.stringContaining('/archives/')]);
  },
  'conversations.open': async (scene) => {
    expect(await escalated(scene)).toHaveLength(1);
  },
  'conversations.members': async ({ slack, begin, strike }) => {
    const { run } = await begin('ops');
    const ben = slack.user('Ben').user.id;
    strike();
    await run(...asks('appr_1', 'sevt_c1', { approvers: [`slack:${ben}`] }));
    // Who may decide and is not there is asked where they are.
    const direct = directChannel(slack.workspace, ben).id;
    expect(slack.workspace.messages.filter(({ channel }) => channel === direct)).toHaveLength(1);
  },
  'conversations.history': async (scene) => {
    // What was posted at the top level is looked for there.
    expect(await escalated(scene, () => scene.slack.faults.loseResponse('chat.postMessage'))).toHaveLength(1);
  },
  'conversations.replies': async ({ stage, slack, strike }) => {
    slack.channel('ops');
    const root = slack.user('Ben').says('ops', 'the build is red');
    strike();
    slack.user('Ana').reply(root, 'why?', { mention: true });
    await soon(async () => expect(await stage.entries('user.message')).toHaveLength(2));
    const [context] = await stage.entries('user.message');
    expect(JSON.stringify(context)).toContain('> the build is red');
  },
  'files.getUploadURLExternal': sharesFile,
  'files.completeUploadExternal': sharesFile,
  'agents.sessions.setStatus': rests,
  'assistant.threads.setStatus': rests,
  'agents.sessions.rename': async (scene) => {
    const { key, run } = await scene.begin('ops');
    // Slack knows the thread by another title.
    await scene.connector.setStatus(key, { state: 'resting', title: 'Old' }, AbortSignal.timeout(PATIENCE_MS));
    scene.strike();
    await run({ type: 'session.status_running' }, says('It is done.'), ends());
    await soon(() => expect(sessionIn(scene, key.thread)).toEqual({ status: 'active', title: 'hello' }));
  },
};

/** A file that the agent left stands in the thread. */
async function sharesFile({ stage, begin, strike }: FaultScene): Promise<void> {
  const { ref, run, own } = await begin('ops');
  async function* bytes() {
    yield Buffer.from('hello');
  }
  const about = { ...ref, filename: 'a.txt', mime_type: 'text/plain', purpose: 'output' as const };
  const { _id: file_id, filename, mime_type, size_bytes, sha256 } = await stage.files.keep(about, bytes());
  strike();
  const path = filename;
  await run({ type: 'deckhand.output_shared', file_id, path, changed: '', filename, mime_type, size_bytes, sha256 });
  expect(own().map(({ files }) => files?.map(({ title }) => title))).toEqual([['a.txt']]);
}

/** A run comes and goes, and its thread rests. */
async function rests(scene: FaultScene): Promise<void> {
  const { key, run, reads } = await scene.begin('ops');
  scene.strike();
  await run({ type: 'session.status_running' }, says('It is done.'), ends());
  expect(reads()).toEqual(['It is done.']);
  await soon(() => expect(sessionIn(scene, key.thread)).toMatchObject({ status: 'active' }));
  expect([...scene.slack.workspace.thread_status.values()].filter(({ text }) => text !== '')).toEqual([]);
}

function sessionIn({ slack }: FaultScene, thread: string) {
  const found = [...slack.workspace.agent_sessions].find(([key]) => key.endsWith(thread));
  return found?.[1];
}

/** A text that is being written, and shown as far as it has come. */
async function growing({ stage }: FaultScene, { ref, reads }: Pick<Begun, 'ref' | 'reads'>) {
  await stage.append(ref, { type: 'session.status_running' });
  const id = newId('sevt');
  await soon(async () =>
    expect(await stage.preview(ref, { type: 'event_start', event: { type: 'agent.message', id } })).toBe(1),
  );
  const grow = (text: string) =>
    soon(async () => {
      await stage.preview(ref, { type: 'event_so_far', event_id: id, blocks: [text] });
      expect(reads()).toEqual([text]);
    });
  return Object.assign(grow, { id });
}

/** The cards of a question that was escalated to Ben, in his direct messages. */
async function escalated({ slack, begin, strike }: FaultScene, before: () => void = () => undefined) {
  const { run } = await begin('ops');
  await run(...asks('appr_1', 'sevt_c1'));
  const ben = slack.user('Ben').user.id;
  before();
  strike();
  const to = `slack:${ben}`;
  await run({ type: 'deckhand.approval_escalated', approval_id: 'appr_1', tool_use_id: 'sevt_c1', step: 1, to });
  const direct = directChannel(slack.workspace, ben).id;
  return slack.workspace.messages.filter(({ channel }) => channel === direct).map(readable);
}
